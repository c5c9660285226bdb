"""
A mean with general scales becomes a convolution with equal weights, whose multiplier divides by the cells as well.

Before:

    %y = bsr.avg_pool(%x) {kernel = array<i64: 7, 7>} : (tensor<…, #bsr.scaled<2.35e-02, -3>>) -> tensor<…>

After:

    %w = bsr.weights … : tensor<64x64x7x7xi8, #bsr.blocks<scaled, 8 of 64>>    64 at a scale of 1/(64 · 49)
    %y = bsr.conv2d(%x, %w) …

A mean is one quotient by the cells and the shift, and a multiplier has 31 bits of it, so the two may differ next to a
tie. But windows have few sums: all of them are tried, with the scales next to 1/49 too, and the first scale that gives
every sum the same int8 is taken. Weights of 64 stand for 1, because a core multiplies sums by less than 1/2. Refused
when there is none (a scale that makes ties, over cells that are no power of two), when windows at a border have fewer
cells, and when there are more cells than MOST_CELLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from compiler.quantization.arithmetic import saturate_int8
from compiler.quantization.scaling import ScaleError, multipliers, scale_mean, scale_round
from dialects.bsr import AvgPoolOp, Conv2dOp, WeightsOp, encoding_of, scale_of, shape_of, zero_point_of
from dialects.bsr_weights import SCALED_ONE

MOST_CELLS = 196
"""As many as 14x14: a block of 8 channels then has 14 KB of weights, which a core of 64 KB has room for twice."""

_NEIGHBOURS = 16
"""Scales that are tried."""


class MeanByConv(RewritePattern):
    """One mean into one convolution."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AvgPoolOp, rewriter: PatternRewriter) -> None:
        # Powers of two have a kernel of their own
        if not op.is_scaled:
            return
        # Each window has a divisor of its own
        if any(op.pads) and not op.count_include_pad:
            return
        cells = op.kernel[0] * op.kernel[1]
        # So many weights would not fit a core
        if cells > MOST_CELLS:
            return
        scale = next((each for each in islice(_scales(cells), _NEIGHBOURS) if _is_exact(op, cells, each)), None)
        # No multiplier rounds every sum as the quotient does
        if scale is None:
            return
        channels = shape_of(op.input.type)[1]
        ones = np.zeros((channels, channels, *op.kernel), np.int8)
        ones[np.arange(channels), np.arange(channels)] = SCALED_ONE
        bias = np.full(channels, -SCALED_ONE * cells * zero_point_of(op.input.type), np.int32)
        key = f"mean{channels}.{op.kernel[0]}x{op.kernel[1]}.{zero_point_of(op.input.type)}"
        weights = WeightsOp.from_dense(ones, bias, np.full(channels, scale / SCALED_ONE, np.float32), key)
        conv = Conv2dOp(
            op.input,
            weights.result,
            encoding_of(op.result.type),
            strides=op.strides,
            pads=op.pads,
            clamp=op.clamp,
            rounding=op.rounding,
        )
        conv.attributes |= op.attributes
        conv.location = op.location
        rewriter.replace(op, [weights, conv])


def _scales(cells: int) -> Iterator[np.float32]:
    """The float32 next to 1/cells, then those around it."""
    above = below = np.float32(1 / cells)
    yield above
    while True:
        above, below = np.nextafter(above, np.float32(1)), np.nextafter(below, np.float32(0))
        yield above
        yield below


def _is_exact(op: AvgPoolOp, cells: int, scale: np.float32) -> bool:
    """Whether every sum of a window becomes the same int8 by a multiplier of this scale as by the quotient."""
    total = np.arange(-255 * cells, 255 * cells + 1)
    by, zero = op.multipliers(), zero_point_of(op.result.type)
    mean = scale_mean(total, np.array(cells), (int(by.factors), int(by.shifts)), op.rounding)
    try:
        products = np.array(scale_of(op.input.type) * float(scale / SCALED_ONE))
        ratio = multipliers(products, scale_of(op.result.type))
    except ScaleError:
        return False
    product = scale_round(SCALED_ONE * total, ratio, op.rounding)
    return np.array_equal(saturate_int8(zero + mean, op.clamp), saturate_int8(zero + product, op.clamp))


@dataclass(frozen=True)
class BsrMeanByConvPass(ModulePass):
    """Turn means with general scales into convolutions where all their sums round alike. Changes no bit."""

    name = "bsr-mean-by-conv"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(MeanByConv(), apply_recursively=False).rewrite_module(op)
