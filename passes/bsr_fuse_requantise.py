"""
A requantisation disappears where its reader would round in the same way anyway.

Before:

    %r = bsr.requantise(%a) : (…, #bsr.fixed<5>>) -> tensor<…, #bsr.fixed<4>>
    %y = bsr.concat(%r, %b) : … -> tensor<…, #bsr.fixed<4>>

After:

    %y = bsr.concat(%a, %b) : … -> tensor<…, #bsr.fixed<4>>

Exact, because concat brings each operand to its own position by the same rounding. Refused when the concatenation has
another position (two roundings are not one), rounds in another way, or would lose a clamp. A requantisation that keeps
the position is a clamp and becomes one, for `bsr-fuse-clamp`.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from dialects.bsr import FULL_RANGE, AppendOp, ClampOp, ConcatOp, InterleaveOp, RequantiseOp, encoding_of


class RequantiseIsClamp(RewritePattern):
    """A requantisation that changes no meaning."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: RequantiseOp, rewriter: PatternRewriter) -> None:
        # It shifts or multiplies
        if encoding_of(op.input.type) != encoding_of(op.result.type):
            return
        clamp = ClampOp(op.input, op.clamp)
        clamp.location = op.location
        clamp.attributes.update(op.attributes)
        rewriter.replace(op, clamp)


class FuseIntoJoin(RewritePattern):
    """Operands of a concatenation or interleaving that were brought to its position before."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AppendOp | ConcatOp | InterleaveOp, rewriter: PatternRewriter) -> None:
        operands = [_before_requantise(operand.owner, op) or operand for operand in op.inputs]
        if operands == list(op.inputs):
            return
        fused = op.clone()
        fused.operands = operands
        fused.location = op.location
        rewriter.replace(op, fused)


def _before_requantise(producer: Operation | Block, join: AppendOp | ConcatOp | InterleaveOp) -> SSAValue | None:
    """What a requantisation reads, if `join` does the same to it."""
    if not isinstance(producer, RequantiseOp):
        return None
    # Another position would be two roundings
    if encoding_of(producer.result.type) != encoding_of(join.result.type):
        return None
    # Its clamp would be lost
    if producer.clamp not in (FULL_RANGE, join.clamp):
        return None
    return producer.input if producer.rounding == join.rounding else None


@dataclass(frozen=True)
class BsrFuseRequantisePass(ModulePass):
    """Drop requantisations that a concatenation or interleaving repeats, and make those without a shift clamps."""

    name = "bsr-fuse-requantise"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = GreedyRewritePatternApplier([RequantiseIsClamp(), FuseIntoJoin()])
        PatternRewriteWalker(patterns).rewrite_module(op)
