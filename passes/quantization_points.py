"""
Where a float network gets a QuantizeLinear / DequantizeLinear pair, and which of them share a position.

Four kinds of operators run on int8:

* those that *compute*: Conv, ConvTranspose, Gemm, MatMul, Add, Sub, Mul, Max, Min, AveragePool, GlobalAveragePool,
  Concat, ReduceMean, ReduceSum, and Resize where it interpolates. Their result has a position of its own.
* those that *select, move or repeat*: MaxPool, GlobalMaxPool, Pad, Relu, Clip, Reshape, Flatten, Squeeze, Unsqueeze,
  Expand and Resize where they repeat single rows or columns (`passes.repeated_maps`), and nodes that together move a
  map's elements regularly (`passes.regular_moves`), which have one pair at their end.
  Their result has the position of their operand, so they are exact.
* ends of chains that are *functions of one value* (`passes.function_points`): Sigmoid, a GELU in its parts. They have a
  position of their own, and nothing between them and that value has one.
* a Relu or Clip that is the only reader of a computed value is part of the computation: the pair comes after it alone.

Everything else stays in float between pairs and runs on the host. A value that the host computes gets a pair only if
something that computes on int8 needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import Attribute, Block, SSAValue

from dialects.onnx import NoneOp, OnnxOp, is_operator
from dialects.onnx_functions import PAIRS
from passes.array_rules import RULES, broken_rules
from passes.function_points import FunctionPoints, find_functions
from passes.graph import constant_of, node_of, only_user, static_shape
from passes.interpolations import interpolates
from passes.regular_moves import selection_of

MOVERS = (
    *("MaxPool", "GlobalMaxPool", "Pad", "Relu", "Clip", "Reshape", "Flatten", "Squeeze", "Unsqueeze"),
    *("Expand", "Resize"),
)
ACTIVATIONS = ("Relu", "Clip")
COMPUTING = (
    "Conv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "Add",
    "Sub",
    "Mul",
    "Max",
    "Min",
    "AveragePool",
    "GlobalAveragePool",
    "Concat",
    "ReduceMean",
    "ReduceSum",
    "Resize",
)


@dataclass
class Points:
    """Values that get a pair, in order, and for each the value whose position it has (often itself)."""

    root_of: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    on_array: set[SSAValue] = field(default_factory=set[SSAValue])
    """Values that int8 operators compute: every reader reads the pair."""
    layers: list[OnnxOp] = field(default_factory=list[OnnxOp])
    """The operators that compute, in order."""

    def result_of(self, layer: OnnxOp) -> SSAValue:
        """The value whose pair ends the computation of a layer: behind the activations that belong to it."""
        value = layer.output
        while value not in self.root_of:
            user = only_user(value)
            assert user is not None, f"{layer.describe()} has neither a pair nor one activation as its reader"
            value = user.output
        return value


def find_points(arguments: Iterable[SSAValue], nodes: list[OnnxOp], *, movers: bool = False) -> Points:
    """The points of a network whose nodes are in order; with `movers` nodes that select or move begin some too."""
    functions = find_functions(nodes)
    inner, ends = functions.inner, functions.source_of
    computing = {
        node for node in nodes if node.output not in inner and node.output not in ends and computes_on_array(node)
    }
    needed: set[SSAValue] = set()
    for node in reversed(nodes):
        if node in computing:
            needed.update(value for value in node.inputs if _is_activation(value))
        elif node.output in ends:
            if movers or node.output in needed:
                needed.add(ends[node.output])
        elif node.output not in inner:
            moved = ((value, _moved_from(value)) for value in node.outputs)
            needed.update(source for value, source in moved if source is not None and (movers or value in needed))
    points = Points(layers=[node for node in nodes if node in computing])
    for argument in arguments:
        if argument in needed:
            points.root_of[argument] = argument
    for node in nodes:
        if node.output in ends:
            _visit_function(node.output, functions, needed, points, movers)
            continue
        for value in node.outputs:
            if value not in inner:
                _visit(value, node in computing and value is node.output, needed, points, movers)
    return points


def _visit_function(
    value: SSAValue, functions: FunctionPoints, needed: set[SSAValue], points: Points, movers: bool
) -> None:
    source = functions.source_of[value]
    if source in points.root_of and (movers or source in points.on_array or value in needed):
        points.on_array.update((value, *functions.inner_of[value]))
        points.root_of[value] = value
    elif value in needed:
        points.root_of[value] = value


def _visit(value: SSAValue, computes: bool, needed: set[SSAValue], points: Points, movers: bool) -> None:
    source = _moved_from(value)
    moved = source is not None and (movers or source in points.on_array or value in needed)
    if computes or moved:
        points.on_array.add(value)
        if _continues(value, points):
            return
        if (selection := selection_of(value)) is not None:
            points.on_array.update(inner for node in selection.nodes[1:] for inner in node.outputs)
        points.root_of[value] = points.root_of.get(source, value) if moved and source is not None else value
    elif value in needed:
        points.root_of[value] = value


def _continues(value: SSAValue, points: Points) -> bool:
    """Whether an activation that belongs to the computation of `value` follows."""
    producer, user = node_of(value), only_user(value)
    if producer is None or user is None or not is_operator(user, *ACTIVATIONS) or not _moves(user):
        return False
    begun = is_operator(producer, *ACTIVATIONS) and producer.inputs[0] not in points.root_of
    return computes_on_array(producer) or begun


def _is_activation(value: SSAValue) -> bool:
    """Whether a value is computed at run time; constants and inputs that are left out are not."""
    return not isinstance(value.owner, NoneOp) and constant_of(value) is None


def _is_float(value: SSAValue) -> bool:
    type = value.type
    return isinstance(type, TensorType) and cast("TensorType[Attribute]", type).element_type == f32


def _moved_from(value: SSAValue) -> SSAValue | None:
    """The value whose elements `value` selects or moves on int8; None if it does something else."""
    selection, node = selection_of(value), node_of(value)
    if selection is not None:
        return selection.source if _is_float(value) and _is_activation(selection.source) else None
    return node.inputs[0] if node is not None and value is node.output and _moves(node) else None


def _moves(node: OnnxOp) -> bool:
    """Whether a node selects or moves elements of a float tensor of static shape."""
    if not is_operator(node, *MOVERS) or not _is_float(node.inputs[0]) or not _is_activation(node.inputs[0]):
        return False
    if interpolates(node):
        return False
    known = static_shape(node.inputs[0]) is not None and static_shape(node.output) is not None
    return known and not (is_operator(node, *RULES) and broken_rules(node))


def weight_operand(layer: OnnxOp) -> int | None:
    """Which operand of a layer is a constant that becomes int8; None if there is none."""
    if is_operator(layer, "Conv", "ConvTranspose", "Gemm"):
        return 1
    if is_operator(layer, "MatMul"):
        return 1 if constant_of(layer.inputs[1]) is not None else None
    if not is_operator(layer, *PAIRS):
        return None
    return next((index for index, value in enumerate(layer.inputs) if constant_of(value) is not None), None)


def computes_on_array(node: OnnxOp) -> bool:
    """Whether a node is a computation in float32 that has an int8 form."""
    if not is_operator(node, *COMPUTING) or not _is_float(node.inputs[0]):
        return False
    if not (_is_pair(node) if is_operator(node, *PAIRS) else _is_activation(node.inputs[0])):
        return False
    if is_operator(node, "Resize") and not interpolates(node):
        return False
    data = node.inputs[:1] if is_operator(node, "ReduceMean", "ReduceSum", "Resize") else node.inputs
    return static_shape(node.output) is not None and all(map(_is_ready, data)) and not broken_rules(node)


def _is_pair(node: OnnxOp) -> bool:
    """
    Whether operands are computed, one of them at most a constant.

    With a constant the network's input is not meant: before it is quantised, the host loses less.
    """
    computed = [value for value in node.inputs if _is_activation(value)]
    if len(computed) == len(node.inputs):
        return True
    return len(computed) == len(node.inputs) - 1 > 0 and not any(isinstance(value.owner, Block) for value in computed)


def _is_ready(value: SSAValue) -> bool:
    """Whether an operand is left out, a constant of float32, or computed with a known shape."""
    constant = constant_of(value)
    if constant is not None:
        return constant.dtype == np.float32
    return isinstance(value.owner, NoneOp) or static_shape(value) is not None
