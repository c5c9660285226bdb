"""
A residual addition moves into the convolution that makes one of its operands, so that the sum needs no trip of its own.

Before:

    %c = bsr.conv2d(%x, %w) … -> tensor<1x256x56x56xi8, #bsr.fixed<5>>
    %y = bsr.add(%c, %skip) {clamp = array<i64: 0, 127>} … -> tensor<1x256x56x56xi8, #bsr.fixed<4>>

After:

    %y = bsr.conv2d(%x, %w, %skip) {inner_position = 5, clamp = array<i64: 0, 127>} … -> tensor<…, #bsr.fixed<4>>

Exact, because the convolution still rounds to int8 at its own position and clamps there, before the sum is rounded.
The convolution moves down to the place of the addition, where both operands exist. If both operands are convolutions,
one moves that takes an input row for each output row, since the array can add while it makes those; of equals the one
that comes later, since its input then lives the shorter. It stays apart when the convolution is used elsewhere too, has
a skip already, rounds in another way than the addition, or if a general scale is involved.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from dialects.bsr import AddOp, Conv2dOp, position_of


class FuseAdd(RewritePattern):
    """One addition into one convolution."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AddOp, rewriter: PatternRewriter) -> None:
        pairs = [(op.left, op.right), (op.right, op.left)]
        fitting = [(conv, skip) for value, skip in pairs if (conv := fusible(value, op)) is not None]
        if not fitting:
            return
        conv, skip = fitting[0]
        if len(fitting) == 2 and _comes_first(conv, fitting[1][0]):
            conv, skip = fitting[1]
        fused = Conv2dOp(
            conv.input,
            conv.weights,
            position_of(op.result.type),
            strides=conv.strides,
            pads=conv.pads,
            dilations=conv.dilations,
            clamp=op.clamp,
            rounding=op.rounding,
            skip=skip,
            inner_position=position_of(conv.result.type),
            inner_clamp=conv.clamp,
        )
        fused.location = conv.location
        fused.attributes.update(op.attributes)
        rewriter.replace(op, fused)
        rewriter.erase(conv)


def _comes_first(conv: Conv2dOp, other: Conv2dOp) -> bool:
    """Whether the other one should take the sum."""
    if _row_for_row(conv) != _row_for_row(other):
        return _row_for_row(other)
    return conv.is_before_in_block(other)


def _row_for_row(conv: Conv2dOp) -> bool:
    """Whether each output row is made of the input row of the same number."""
    return (conv.kernel[0], conv.strides, conv.pads[0], conv.pads[2]) == (1, (1, 1), 0, 0)


def fusible(value: SSAValue, add: AddOp) -> Conv2dOp | None:
    """The convolution that makes `value`, if `add` may move into it."""
    conv = value.owner
    # Pools, concatenations and other additions have no place for a skip
    if not isinstance(conv, Conv2dOp) or conv.skip is not None:
        return None
    # Someone else needs the values before the addition; x + x is two uses
    if not value.has_one_use():
        return None
    # A skip is added in fixed point
    if conv.is_scaled or add.is_scaled:
        return None
    # One op has one way to round
    return conv if conv.rounding == add.rounding else None


@dataclass(frozen=True)
class BsrFuseAddPass(ModulePass):
    """Fuse residual additions into the convolutions before them, keeping the rounding in between. Changes no bit."""

    name = "bsr-fuse-add"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(FuseAdd(), apply_recursively=False).rewrite_module(op)
