"""
Transposes that undo each other disappear, and equal ones of one value become one.

Before:

    %r = bsr.transpose(%m) {split = array<i64: 2, 32, 49>, …} : (tensor<1x64x1x49xi8, …>) -> tensor<1x2x49x32xi8, …>
    %n = bsr.transpose(%r) {split = array<i64: 2, 49, 32>, …} : (…) -> tensor<1x64x1x49xi8, …>
    %y = bsr.matmul(%n, %v)

After:

    %y = bsr.matmul(%m, %v)

Tokens come as a model has them and are wanted as maps, one matrix product after the other. A ReLU, another position or
a table that is all that reads the first one comes before it, so that the second one meets it. Exact: what reads the
second one gets the same integers. A transpose that nobody reads any more goes with the name of its tensor, which then
is nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from dialects.bsr import (
    TENSOR_NAME,
    ClampOp,
    Conv2dOp,
    LutOp,
    MatMulOp,
    RequantiseOp,
    ReshapeOp,
    TransposeOp,
    encoding_of,
    shape_of,
)

_OF_ONE_VALUE = (ClampOp, RequantiseOp, LutOp)
_MAKERS = (Conv2dOp, MatMulOp, *_OF_ONE_VALUE)
"""Ops whose results are maps."""


def _untransposed(op: TransposeOp) -> SSAValue | None:
    """What a transpose and those before it only give another shape."""
    path: list[TransposeOp | ReshapeOp] = [op]
    while isinstance(maker := path[-1].input.owner, TransposeOp | ReshapeOp):
        path.append(maker)
    # the nearest one, so that as little as possible is looked at
    for end in range(1, len(path) + 1):
        source = path[end - 1].input
        places = np.arange(prod(shape_of(source.type)))
        for each in reversed(path[:end]):
            if isinstance(each, TransposeOp):
                places = places.reshape(each.split).transpose(each.permutation).reshape(-1)
        if np.array_equal(places, np.arange(places.size)):
            return source
    return None


def _reshaped(op: TransposeOp, source: SSAValue) -> SSAValue:
    """`source` in the shape of a transpose, in its place."""
    if source.type == op.result.type:
        return source
    reshape = ReshapeOp(source, shape_of(op.result.type))
    reshape.location = op.location
    block = op.parent_block()
    assert block is not None, "an op of a network lies in its function"
    block.insert_op_before(reshape, op)
    return reshape.result


def _before(op: ClampOp | RequantiseOp | LutOp) -> None:
    """Put an op that looks at one value at a time before the transpose that it alone reads, if a map is transposed."""
    transpose = op.input.owner
    if not isinstance(transpose, TransposeOp) or not isinstance(transpose.input.owner, _MAKERS):
        return
    # others would still need the first transpose
    if len(list(transpose.result.uses)) > 1:
        return
    source, encoding = transpose.input, encoding_of(op.result.type)
    match op:
        case ClampOp():
            moved = ClampOp(source, op.clamp)
        case RequantiseOp():
            moved = RequantiseOp(source, encoding, clamp=op.clamp, rounding=op.rounding)
        case LutOp():
            moved = LutOp(source, op.entries(), encoding)
    after = TransposeOp(moved.result, transpose.split, transpose.permutation, shape_of(op.result.type))
    moved.location = after.location = op.location
    after.attributes |= op.attributes
    after.result.name_hint = op.result.name_hint
    Rewriter.replace_op(op, [moved, after], [after.result])


@dataclass(frozen=True)
class BsrFuseTransposesPass(ModulePass):
    """Drop transposes that undo others, share equal ones, and erase those that nobody reads. Changes no bit."""

    name = "bsr-fuse-transposes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [each for each in op.ops if isinstance(each, func.FuncOp)]:
            for each in [each for each in function.walk() if isinstance(each, _OF_ONE_VALUE)]:
                _before(each)
            seen: dict[tuple[SSAValue, tuple[int, ...], tuple[int, ...], Attribute], SSAValue] = {}
            transposes = [each for each in function.walk() if isinstance(each, TransposeOp)]
            for each in transposes:
                source = _untransposed(each)
                key = (each.input, each.split, each.permutation, each.result.type)
                if source is not None and TENSOR_NAME not in each.attributes:
                    each.result.replace_all_uses_with(_reshaped(each, source))
                elif key in seen and TENSOR_NAME not in each.attributes:
                    each.result.replace_all_uses_with(seen[key])
                else:
                    seen[key] = each.result
            for each in reversed([each for each in function.walk() if isinstance(each, TransposeOp | ReshapeOp)]):
                if each.result.first_use is None:
                    each.detach()
                    each.erase()
