"""
Remove nodes that compute nothing, and write sums with one operator only.

    Identity(x), Dropout(x), Cast(x) to its own type,
    Reshape or Flatten to its own shape, Sum(x), Concat(x)      →  x
    Sum(x, y, z)                                               →  Add(Add(x, y), z)

The sums must have operands of one shape for the array; others stay as they are, for the host. A Dropout that trains, or
whose mask is read, stays as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from dialects.onnx import OnnxOp, is_operator, operator
from passes.graph import constant_of, nodes_of, replace_node, static_shape, sweep


@dataclass(frozen=True)
class OnnxRemoveIdentitiesPass(ModulePass):
    """See the module."""

    name = "onnx-remove-identities"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for node in nodes_of(op):
            source = _passed_on(node)
            if source is not None:
                replace_node(node, [], source)
            elif is_operator(node, "Sum"):
                _write_as_adds(node)
        sweep(op)


def _passed_on(node: OnnxOp) -> SSAValue | None:
    """The value that the node merely passes on, as the same type: its readers may rely on a shape it adds."""
    if not node.inputs or node.inputs[0].type != node.output.type:
        return None
    match node.operator:
        case "Identity":
            return node.inputs[0]
        case "Sum" | "Concat" if len(node.inputs) == 1:
            return node.inputs[0]
        case "Cast" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" if static_shape(node.output) is not None:
            return node.inputs[0]
        case "Dropout" if not _trains(node) and all(mask.first_use is None for mask in node.outputs[1:]):
            return node.inputs[0]
        case _:
            return None


def _trains(dropout: OnnxOp) -> bool:
    """Whether a Dropout may drop: its third input is there and not known to be false."""
    if len(dropout.inputs) < 3:
        return False
    training = constant_of(dropout.inputs[2])
    return training is None or bool(training.any())


def _write_as_adds(node: OnnxOp) -> None:
    """Replace a Sum of equal shapes by Adds in order of its operands."""
    if any(value.type != node.output.type for value in node.inputs):
        return
    total = node.inputs[0]
    adds: list[OnnxOp] = []
    for index, value in enumerate(node.inputs[1:], 1):
        last = index == len(node.inputs) - 1
        partial = [f"{name}/partial{index}" for name in node.output_names] if not last else []
        adds.append(operator("Add")([total, value], [node.output.type], node_name=node.node_name, output_names=partial))
        total = adds[-1].output
    replace_node(node, adds, total)
