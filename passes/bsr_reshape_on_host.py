"""
A reshape that reorders memory, and whose result the array reads, goes through the host.

Before:

    %r = bsr.reshape(%x) : (tensor<1x512x7x7xi8, …>) -> tensor<1x25088xi8, …>
    %y = bsr.add(%r, %z)

After:

    %r = bsr.host(%x) {operator = "Reshape", reason = "…"}
    %y = bsr.add(%r, %z)

In memory channels lie in blocks of 8 within a row of pixels, so a reshape keeps the bytes only if it keeps height and
width (a vector is one pixel). A reshape that only the host reads stays: the host reads maps in any shape. A transpose
that is left moves bytes whoever reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

from onnx import TensorProto, helper
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from dialects.bsr import HostNode, HostOp, ReshapeOp, TransposeOp, shape_of
from passes.array_layers import map_shape, name_of
from passes.moving_to_host import move_to_host

_OPSET = 21
_IR_VERSION = 10


def _model(source: tuple[int, ...], target: tuple[int, ...]) -> bytes:
    """An ONNX model that reshapes one int8 tensor."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [len(target)], list(target))
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        "reshape",
        [helper.make_tensor_value_info("x", TensorProto.INT8, list(source))],
        [helper.make_tensor_value_info("y", TensorProto.INT8, list(target))],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    return model.SerializeToString()


def _read_by_array(value: SSAValue) -> bool:
    """Whether an op of the array reads the value, perhaps through further reshapes."""
    for use in value.uses:
        match use.operation:
            case HostOp() | func.ReturnOp():
                continue
            case ReshapeOp() as further if not _read_by_array(further.result):
                continue
            case _:
                return True
    return False


class ReshapeOnHost(RewritePattern):
    """One reshape into a host segment."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter) -> None:
        # The same bytes
        if map_shape(op.input.type) == map_shape(op.result.type):
            return
        # Only the host looks at it
        if not _read_by_array(op.result):
            return
        source, target = shape_of(op.input.type), shape_of(op.result.type)
        name = name_of(op, "reshape")
        reason = f"a reshape of {list(source)} to {list(target)} moves channels into pixels, which no DMA here does"
        host = HostOp(
            [op.input],
            [op.result.type],
            model=_model(source, target),
            key=f"{name}.reshape",
            node=name,
            operator="Reshape",
            reason=reason,
            nodes=[HostNode(name, op.tensor_name, "Reshape", reason)],
        )
        host.attributes |= op.attributes
        host.location = op.location
        rewriter.replace(op, [host])


@dataclass(frozen=True)
class BsrReshapeOnHostPass(ModulePass):
    """Move reshapes that reorder memory to the host, with the reason. Changes no bit."""

    name = "bsr-reshape-on-host"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(ReshapeOnHost(), apply_recursively=False).rewrite_module(op)
        for transpose in [each for each in op.walk() if isinstance(each, TransposeOp)]:
            source, target = shape_of(transpose.input.type), shape_of(transpose.result.type)
            reason = f"{list(source)} to {list(target)} moves channels into pixels, which no DMA here does"
            move_to_host(transpose, reason)
