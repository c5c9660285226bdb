"""An op of the array becomes a host segment: integer arithmetic that gives the same bits (`passes.integer_models`)."""

from __future__ import annotations

from itertools import chain, count

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block

from dialects.blob import BlobAttr
from dialects.bsr import BsrOp, HostNode, HostOp, WeightsOp
from passes.array_layers import name_of
from passes.integer_graph import IntegerGraph
from passes.integer_models import MODELS


def erase_unread_weights(module: ModuleOp) -> None:
    """Weights of ops that are gone."""
    for weights in [op for op in module.walk() if isinstance(op, WeightsOp) and not op.result.uses]:
        weights.detach()
        weights.erase()


def _key_for(name: str, block: Block) -> str:
    """What the weights file calls the model of an op: ops may be of one tensor, as a convolution and its sum are."""
    taken = {op.model.data.key for op in block.ops if isinstance(op, HostOp) and isinstance(op.model, BlobAttr)}
    plain = f"{name}.integers"
    return next(key for key in chain((plain,), (f"{plain}.{number}" for number in count(2))) if key not in taken)


def move_to_host(op: BsrOp, reason: str) -> None:
    """Put a host segment in place of one op. Changes no bit; its weights stay until nobody reads them."""
    operator, build = MODELS[type(op)]
    inputs = [value for value in op.operands if not isinstance(value.owner, WeightsOp)]
    graph = IntegerGraph(op, [value.type for value in inputs])
    model = graph.model(build(graph, op))
    name = name_of(op, op.tensor_name or operator.lower())
    block = op.parent_block()
    assert block is not None, "an op of a network lies in its function"
    host = HostOp(
        inputs,
        [op.results[0].type],
        model=model,
        key=_key_for(op.tensor_name or name, block),
        node=name,
        operator=operator,
        reason=reason,
        nodes=[HostNode(name, op.tensor_name, operator, reason)],
    )
    host.attributes |= op.attributes
    host.location = op.location
    host.outputs[0].name_hint = op.results[0].name_hint
    block.insert_op_before(host, op)
    op.results[0].replace_all_uses_with(host.outputs[0])
    op.detach()
    op.erase()
