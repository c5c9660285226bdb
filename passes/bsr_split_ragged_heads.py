"""
A matrix product whose heads do not end on a block of 8 channels becomes one for each head.

Before:

    %y = bsr.matmul(%a, %b) {heads = 3 : i64}      heads of 64 channels by heads of 197 pixels, or the other way round

After, for each head:

    %a0 = bsr.conv2d(%a, %head0)                   its channels
    %b0 = bsr.conv2d(%b, %head0)
    %y0 = bsr.matmul(%a0, %b0)

    %y = bsr.concat(%y0, %y1, %y2)

Exact: a 1×1 convolution with a single 1 for each channel moves it, and maps side by side keep their numbers. A core
finds a head by its blocks, and so cannot take half of one. What sums over channels of both operands that are no whole
blocks stays as it is: that is for the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from dialects.bsr import BLOCK, ConcatOp, Conv2dOp, MatMulOp, WeightsOp, encoding_of, shape_of


def _share(value: SSAValue, head: int, heads: int) -> list[Operation]:
    """A convolution that takes the channels of one head."""
    total = shape_of(value.type)[1]
    count = total // heads
    places = np.eye(count, total, head * count, dtype=np.int8)[:, :, None, None]
    weights = WeightsOp.of_ones(places, encoding_of(value.type), f"head{head}.{count}.{total}")
    return [weights, Conv2dOp(value, weights.result, encoding_of(value.type))]


class SplitRaggedHeads(RewritePattern):
    """One product of several ragged heads into products of one head each."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MatMulOp, rewriter: PatternRewriter) -> None:
        outputs = shape_of(op.result.type)[1] // op.heads
        # Whole blocks, or nothing to share out
        if op.heads == 1 or (op.terms % BLOCK == 0 and outputs % BLOCK == 0):
            return
        # No core computes those
        if op.transposed and op.terms % BLOCK:
            return
        ops: list[Operation] = []
        parts: list[SSAValue] = []
        for head in range(op.heads):
            operands: list[SSAValue] = []
            for value in (op.left, op.right):
                ops += _share(value, head, op.heads)
                operands.append(ops[-1].results[0])
            product = MatMulOp(
                operands[0],
                operands[1],
                encoding_of(op.result.type),
                transposed=op.transposed,
                clamp=op.clamp,
                rounding=op.rounding,
            )
            ops.append(product)
            parts.append(product.result)
        whole = ConcatOp(parts, encoding_of(op.result.type), rounding=op.rounding)
        whole.attributes |= op.attributes
        for new in (*ops, whole):
            new.location = op.location
        rewriter.replace(op, [*ops, whole])


@dataclass(frozen=True)
class BsrSplitRaggedHeadsPass(ModulePass):
    """Multiply ragged heads one by one. Changes no bit."""

    name = "bsr-split-ragged-heads"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(SplitRaggedHeads(), apply_recursively=False).rewrite_module(op)
