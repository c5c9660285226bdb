"""
Transposes that undo each other disappear, and equal ones of one value become one.

Before:

    %r = bsr.transpose(%m) {split = array<i64: 2, 32, 49>, …} : (tensor<1x64x1x49xi8, …>) -> tensor<1x2x49x32xi8, …>
    %n = bsr.transpose(%r) {split = array<i64: 2, 49, 32>, …} : (…) -> tensor<1x64x1x49xi8, …>
    %y = bsr.matmul(%n, %v)

After:

    %y = bsr.matmul(%m, %v)

Tokens come as a model has them and are wanted as maps, one matrix product after the other. Exact: what reads the second
one gets the same integers. A transpose that nobody reads any more goes with the name of its tensor, which then is
nowhere.
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

from dialects.bsr import TENSOR_NAME, ReshapeOp, TransposeOp, shape_of


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


@dataclass(frozen=True)
class BsrFuseTransposesPass(ModulePass):
    """Drop transposes that undo others, share equal ones, and erase those that nobody reads. Changes no bit."""

    name = "bsr-fuse-transposes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [each for each in op.ops if isinstance(each, func.FuncOp)]:
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
