"""
A concatenation of operands that do not end on a block of 8 channels becomes a sum of shifted copies.

Before:

    %y = bsr.concat(%a, %b)                    17 and 9 channels

After:

    %a1 = bsr.conv2d(%a, %placeA)              26 channels, the first 17 are a
    %b1 = bsr.conv2d(%b, %placeB)              26 channels, the last 9 are b
    %y = bsr.add(%a1, %b1)

Exact: each 1×1 convolution moves a channel to its place and to the result's position with one rounding, as the
concatenation does (a left shift is a weight of 2**shift and saturates); where one operand is, the others are 0. With
general scales that is 64 · (x - zero) / 64 and a multiplier, and the others are the result's zero-point.
A concatenation whose operands, but for the last, have whole blocks stays: the array writes them side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from dialects.bsr import (
    BLOCK,
    AddOp,
    ConcatOp,
    Conv2dOp,
    Scaled,
    ScaledAttr,
    WeightsOp,
    encoding_of,
    position_of,
    scale_of,
    shape_of,
    zero_point_of,
)
from dialects.bsr_weights import SCALED_ONE

LARGEST_CHANGE = SCALED_ONE // 2
"""Where the scale of an operand is so many times that of the result, its multiplier would be 1/2."""
_LARGEST_WEIGHT = 6
"""2**6 is the largest power of two in int8; an int8 moved further left is finished by a second convolution."""


def _placed(value: SSAValue, first: int, total: int, op: ConcatOp) -> list[Operation]:
    """Convolutions whose last result holds `value` in channels `first` and following of `total`."""
    place = np.eye(total, shape_of(value.type)[1], -first, dtype=np.int8)
    if op.is_scaled:
        return _scaled(value, place, f"place{first}.{place.shape[1]}.{total}", op)
    goal = position_of(op.result.type)
    ops: list[Operation] = []
    while True:
        position = position_of(value.type)
        # 2**step at position step is 1: the same number, step places finer
        step = min(max(goal - position, 0), _LARGEST_WEIGHT)
        key = f"place{first}.{place.shape[1]}.{total}.{step}"
        weights = WeightsOp.from_dense((place << step)[:, :, None, None], np.zeros(total, np.int32), step, key)
        conv = Conv2dOp(value, weights.result, min(position + step, goal), rounding=op.rounding)
        ops += [weights, conv]
        if position + step >= goal:
            return ops
        value, place = conv.result, np.eye(total, dtype=np.int8)


def _scaled(value: SSAValue, place: npt.NDArray[np.int8], key: str, op: ConcatOp) -> list[Operation]:
    """The convolution of a general scale, whose multiplier is that of the change of scale."""
    zero = zero_point_of(value.type)
    encoding = ScaledAttr(Scaled(scale_of(value.type), zero))
    weights = WeightsOp.of_ones(place[:, :, None, None], encoding, f"{key}.zero{zero}")
    return [weights, Conv2dOp(value, weights.result, encoding_of(op.result.type), rounding=op.rounding)]


class SplitRaggedConcat(RewritePattern):
    """One ragged concatenation into convolutions and additions."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConcatOp, rewriter: PatternRewriter) -> None:
        # Whole blocks but for the last operand
        if all(shape_of(value.type)[1] % BLOCK == 0 for value in op.inputs[:-1]):
            return
        # The sums of a core are multiplied by less than 1/2
        if op.is_scaled and max(scale_of(value.type) for value in op.inputs) >= LARGEST_CHANGE * scale_of(
            op.result.type
        ):
            return
        total = shape_of(op.result.type)[1]
        ops: list[Operation] = []
        sums: SSAValue | None = None
        first = 0
        for value in op.inputs:
            ops += _placed(value, first, total, op)
            part = ops[-1].results[0]
            first += shape_of(value.type)[1]
            if sums is not None:
                ops.append(AddOp(sums, part, encoding_of(op.result.type), rounding=op.rounding))
                part = ops[-1].results[0]
            sums = part
        last = ops[-1]
        assert isinstance(last, AddOp | Conv2dOp), "the last op is a sum or the only convolution"
        last.properties["clamp"] = op.clamp_attr
        last.attributes |= op.attributes
        for new in ops:
            new.location = op.location
        rewriter.replace(op, ops)


@dataclass(frozen=True)
class BsrSplitRaggedConcatPass(ModulePass):
    """Turn concatenations across blocks of 8 channels into convolutions and additions. Changes no bit."""

    name = "bsr-split-ragged-concat"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(SplitRaggedConcat(), apply_recursively=False).rewrite_module(op)
