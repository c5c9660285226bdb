"""
An op with a general scale or a zero-point goes to the host, as integer arithmetic that gives the same bits.

Before:

    %y = bsr.conv2d(%x, %w) : (tensor<…, #bsr.scaled<2.35e-02, -3>>, …) -> tensor<…, #bsr.scaled<1.1e-02, 0>>

After:

    %y = bsr.host(%x) {operator = "Conv", reason = "…"}

The kernels of the array round by a shift; a multiplier is what they lack. `passes.integer_models` has the models.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from dialects.bsr import BsrOp, HostNode, HostOp, WeightsOp, is_map, is_scaled, scale_of, zero_point_of
from passes.array_layers import name_of
from passes.integer_models import MODELS, IntegerGraph


@dataclass(frozen=True)
class BsrScaledOnHostPass(ModulePass):
    """Move every op that needs a multiplier or a zero-point to the host, with the reason. Changes no bit."""

    name = "bsr-scaled-on-host"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for scaled in [inner for inner in op.walk() if isinstance(inner, BsrOp) and _goes(inner)]:
            _move(scaled)
        for weights in [inner for inner in op.walk() if isinstance(inner, WeightsOp) and not inner.result.uses]:
            weights.detach()
            weights.erase()


def _goes(op: BsrOp) -> bool:
    return op.is_scaled and not isinstance(op, WeightsOp | HostOp)


def _move(op: BsrOp) -> None:
    """Put the host segment in place of one op."""
    operator, build = MODELS[type(op)]
    inputs = [value for value in op.operands if not isinstance(value.owner, WeightsOp)]
    graph = IntegerGraph(op, [value.type for value in inputs])
    model = graph.model(build(graph, op))
    name, reason = name_of(op, op.tensor_name or operator.lower()), _reason(op)
    host = HostOp(
        inputs,
        [op.results[0].type],
        model=model,
        key=f"{op.tensor_name or name}.integers",
        node=name,
        operator=operator,
        reason=reason,
        nodes=[HostNode(name, op.tensor_name, operator, reason)],
    )
    host.attributes |= op.attributes
    host.location = op.location
    host.outputs[0].name_hint = op.results[0].name_hint
    block = op.parent_block()
    assert block is not None, "an op of a network lies in its function"
    block.insert_op_before(host, op)
    op.results[0].replace_all_uses_with(host.outputs[0])
    op.detach()
    op.erase()


def _reason(op: Operation) -> str:
    """What the array lacks for this op."""
    for what, values in (("result", op.results), ("input", op.operands)):
        for value in values:
            if is_map(value.type) and is_scaled(value.type):
                says = f"the scale {scale_of(value.type):g} and the zero-point {zero_point_of(value.type)}"
                return f"its {what} has {says}, and the kernels of the array only shift"
    return "its weights have a scale for each output channel, and the kernels of the array only shift"
