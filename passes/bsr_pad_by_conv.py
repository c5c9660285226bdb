"""
A pad becomes a 1×1 convolution with the identity and that pad, which the array can run.

Before:

    %y = bsr.pad(%x) {pads = array<i64: 1, 1, 1, 1>}

After:

    %w = bsr.weights … : tensor<64x64x1x1xi8, #bsr.blocks<0, 8 of 64>>
    %y = bsr.conv2d(%x, %w) {pads = array<i64: 1, 1, 1, 1>}

Exact: each output is one input times 1 at position 0, or 0 on the border, without a shift. With a general scale it is
64 · (x - zero) / 64, and the border is the zero-point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from dialects.bsr import Conv2dOp, PadOp, WeightsOp, encoding_of, shape_of, zero_point_of


class PadByConv(RewritePattern):
    """One pad into one convolution."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: PadOp, rewriter: PatternRewriter) -> None:
        channels = shape_of(op.input.type)[1]
        identity = np.eye(channels, dtype=np.int8)[:, :, None, None]
        encoding = encoding_of(op.result.type)
        key = f"identity{channels}.{zero_point_of(op.input.type)}" if op.is_scaled else f"identity{channels}"
        weights = WeightsOp.of_ones(identity, encoding, key)
        conv = Conv2dOp(op.input, weights.result, encoding, pads=op.pads)
        conv.attributes |= op.attributes
        conv.location = op.location
        rewriter.replace(op, [weights, conv])


@dataclass(frozen=True)
class BsrPadByConvPass(ModulePass):
    """Turn every bsr.pad into a convolution with the identity. Changes no bit."""

    name = "bsr-pad-by-conv"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(PadByConv(), apply_recursively=False).rewrite_module(op)
