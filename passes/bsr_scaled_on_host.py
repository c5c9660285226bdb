"""
An op with general scales that no core computes goes to the host, as integer arithmetic that gives the same bits.

Before:

    %y = bsr.avg_pool(%x) {…} : (tensor<…, #bsr.scaled<2.35e-02, -3>>) -> tensor<…, #bsr.scaled<1.1e-02, 0>>

After:

    %y = bsr.host(%x) {operator = "AveragePool", reason = "…"}

Most ops stay: the scaled kernels have multipliers of 31 bits and zero-points. `passes.scaled_layers.unfit` says what
stays out, and `passes.integer_models` has the models.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects.bsr import BsrOp, HostNode, HostOp, WeightsOp
from passes.array_layers import name_of
from passes.integer_models import MODELS, IntegerGraph
from passes.scaled_layers import unfit


@dataclass(frozen=True)
class BsrScaledOnHostPass(ModulePass):
    """Move every op with general scales that does not fit a core to the host, with the reason. Changes no bit."""

    name = "bsr-scaled-on-host"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for scaled in [inner for inner in op.walk() if isinstance(inner, BsrOp) and inner.is_scaled]:
            if not isinstance(scaled, WeightsOp | HostOp) and (reason := unfit(scaled)):
                _move(scaled, reason)
        for weights in [inner for inner in op.walk() if isinstance(inner, WeightsOp) and not inner.result.uses]:
            weights.detach()
            weights.erase()


def _move(op: BsrOp, reason: str) -> None:
    """Put the host segment in place of one op."""
    operator, build = MODELS[type(op)]
    inputs = [value for value in op.operands if not isinstance(value.owner, WeightsOp)]
    graph = IntegerGraph(op, [value.type for value in inputs])
    model = graph.model(build(graph, op))
    name = name_of(op, op.tensor_name or operator.lower())
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
