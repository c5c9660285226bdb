"""
A clamp moves into the op that makes its operand.

Before:

    %c = bsr.conv2d(%x, %w) …
    %y = bsr.clamp(%c) {clamp = array<i64: 0, 127>}

After:

    %y = bsr.conv2d(%x, %w) {clamp = array<i64: 0, 127>} …

Exact, because an op clamps last: two clamps in a row are one, whose ends are those of the first clamped by the second.
It stays apart when the operand is used elsewhere too, or is made by an op that has no clamp (reshape, pad, host).
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from dialects.bsr import TENSOR_NAME, ClampedOp, ClampOp
from dialects.bsr_attributes import int_array


def clamp_both(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    """The one clamp that equals `first` and then `second`: [-128, 6] and then [0, 127] is [0, 6]."""
    low, high = second
    return min(max(first[0], low), high), min(max(first[1], low), high)


class FuseClamp(RewritePattern):
    """One clamp into its producer."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ClampOp, rewriter: PatternRewriter) -> None:
        producer = op.input.owner
        # No clamp of its own
        if not isinstance(producer, ClampedOp | ClampOp):
            return
        # Someone else needs the values before the clamp
        if not op.input.has_one_use():
            return
        producer.properties["clamp"] = int_array(clamp_both(producer.clamp, op.clamp))
        producer.attributes.pop(TENSOR_NAME, None)
        if TENSOR_NAME in op.attributes:
            producer.attributes[TENSOR_NAME] = op.attributes[TENSOR_NAME]
        rewriter.notify_op_modified(producer)
        rewriter.replace(op, [], [op.input])


@dataclass(frozen=True)
class BsrFuseClampPass(ModulePass):
    """Fuse every bsr.clamp (a ReLU, a ReLU6) into the op before it if that op has no other user. Changes no bit."""

    name = "bsr-fuse-clamp"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(FuseClamp()).rewrite_module(op)
