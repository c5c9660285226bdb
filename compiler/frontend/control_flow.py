"""
Write out control flow that is decided before the network runs.

    If(c) with a constant condition            →  the nodes of that branch
    Loop(m, c) with a constant trip count      →  its body m times, where nothing in the body ends it early

Constant means: initialisers, Constant nodes, shapes of tensors whose shape is known, and what is computed from them.
Everything else stays, for the host. Names from inside get the name of the node in front, and for a loop the iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from compiler.errors import InputError
from compiler.frontend.structure import MOST_NODES
from compiler.onnxio.runtime import open_session, run_session

MOST_ITERATIONS = 256
"""A loop with more stays a loop."""
_MOST_ROUNDS = 1000
_MOST_STEPS = 256
"""Nodes that a condition may take to compute."""
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")


def write_out(
    model: onnx.ModelProto, infer: Callable[[onnx.ModelProto], onnx.ModelProto], source: str
) -> onnx.ModelProto:
    """The model without such If and Loop nodes; `infer` finds the shapes anew after each round."""
    for _ in range(_MOST_ROUNDS):
        constants = _Constants(model)
        for index, node in enumerate(model.graph.node):
            written = _written_out(node, constants)
            if written is not None:
                nodes, tensors = written
                _splice(model.graph, index, nodes, tensors)
                break
        else:
            return model
        if len(model.graph.node) > MOST_NODES:
            raise InputError(f"{source}: its loops written out are more than {MOST_NODES} nodes")
        del model.graph.value_info[:]
        model = infer(model)
    return model


Written = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _splice(
    graph: onnx.GraphProto, index: int, nodes: Sequence[onnx.NodeProto], tensors: Sequence[onnx.TensorProto]
) -> None:
    """Put nodes in place of the one at `index`."""
    after = list(graph.node)[index + 1 :]
    del graph.node[index:]
    graph.node.extend([*nodes, *after])
    graph.initializer.extend(tensors)


def _written_out(node: onnx.NodeProto, constants: _Constants) -> Written | None:
    if node.domain not in ("", "ai.onnx") or node.op_type not in ("If", "Loop"):
        return None
    graphs = {attribute.name: attribute.g for attribute in node.attribute}
    label = node.name or next((name for name in node.output if name), node.op_type)
    if node.op_type == "If":
        condition = constants.value(node.input[0])
        if condition is None or condition.size != 1:
            return None
        branch = graphs["then_branch" if condition.item() else "else_branch"]
        nodes, tensors, results = _copy(branch, label, {})
        return nodes + _identities(results, node.output), tensors
    return _unrolled(node, graphs["body"], label, constants)


def _unrolled(node: onnx.NodeProto, body: onnx.GraphProto, label: str, constants: _Constants) -> Written | None:
    """A loop as its iterations one after the other."""
    inputs = [*node.input, "", ""]
    count = constants.value(inputs[0]) if inputs[0] else None
    goes_on = constants.value(inputs[1]) if inputs[1] else np.array(True)
    if count is None or count.size != 1 or goes_on is None or not _never_ends(body):
        return None
    trips = max(0, int(count.item())) if goes_on.item() else 0
    states = list(node.input[2:])
    scans = len(body.output) - 1 - len(states)
    if trips > MOST_ITERATIONS or (trips == 0 and scans) or trips * len(body.node) > MOST_NODES:
        return None
    nodes: list[onnx.NodeProto] = []
    tensors = [numpy_helper.from_array(np.array(True), f"{label}/true")]
    tensors.append(numpy_helper.from_array(np.array([0]), f"{label}/axis"))
    collected: list[list[str]] = [[] for _ in range(scans)]
    for trip in range(trips):
        prefix = f"{label}/{trip}"
        tensors.append(numpy_helper.from_array(np.array(trip), f"{prefix}/trip"))
        bound = [f"{prefix}/trip", f"{label}/true", *states]
        given = dict(zip((value.name for value in body.input), bound, strict=True))
        inner, constant, results = _copy(body, prefix, given)
        nodes.extend(inner)
        tensors.extend(constant)
        states = results[1 : 1 + len(states)]
        for names, result in zip(collected, results[1 + len(states) :], strict=True):
            names.append(f"{prefix}/{len(nodes)}/row")
            nodes.append(helper.make_node("Unsqueeze", [result, f"{label}/axis"], [names[-1]]))
    nodes.extend(_identities(states, node.output))
    for names, result in zip(collected, node.output[len(states) :], strict=False):
        if result:
            nodes.append(helper.make_node("Concat", names, [result], axis=0))
    return nodes, tensors


def _never_ends(body: onnx.GraphProto) -> bool:
    """Whether the condition that a body computes is always true: a constant, or the condition it was given."""
    name = body.output[0].name
    producers = {output: node for node in body.node for output in node.output}
    while name in producers and producers[name].op_type == "Identity":
        name = producers[name].input[0]
    if name == body.input[1].name:
        return True
    values = {tensor.name: tensor for tensor in body.initializer}
    if name in producers and producers[name].op_type == "Constant":
        values |= {name: attribute.t for attribute in producers[name].attribute if attribute.name == "value"}
    return name in values and bool(numpy_helper.to_array(values[name]).all())


def _identities(sources: Sequence[str], targets: Sequence[str]) -> list[onnx.NodeProto]:
    pairs = zip(sources, targets, strict=False)
    return [helper.make_node("Identity", [source], [target]) for source, target in pairs if target]


def _copy(
    graph: onnx.GraphProto, prefix: str, given: Mapping[str, str]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], list[str]]:
    """Nodes, initialisers and results of a nested graph under names of their own; `given` names its inputs."""
    inside = [tensor.name for tensor in graph.initializer] + [name for node in graph.node for name in node.output]
    names = {name: f"{prefix}/{name}" for name in inside if name} | dict(given)
    tensors: list[onnx.TensorProto] = []
    for tensor in graph.initializer:
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = names[tensor.name]
        tensors.append(copy)
    nodes = [_renamed(node, names, prefix) for node in graph.node]
    return nodes, tensors, [names.get(value.name, value.name) for value in graph.output]


def _renamed(node: onnx.NodeProto, names: Mapping[str, str], prefix: str) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{prefix}/{node.name}" if node.name else ""
    for field in (copy.input, copy.output):
        renamed = [names.get(name, name) for name in field]
        del field[:]
        field.extend(renamed)
    for attribute in copy.attribute:
        for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
            _rename_captures(inner, names)
    return copy


def _rename_captures(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Let a graph further inside refer to outer names by their new spelling."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {name for node in graph.node for name in node.output}
    outer = {old: new for old, new in names.items() if old not in own}
    for index, node in enumerate(graph.node):
        renamed = _renamed(node, outer, "")
        renamed.name = node.name
        graph.node[index].CopyFrom(renamed)
    for value in graph.output:
        value.name = outer.get(value.name, value.name)


class _Constants:
    """What the tensors of a graph are that are known before it runs."""

    def __init__(self, model: onnx.ModelProto):
        graph = model.graph
        self.model = model
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output if name}
        self.types = {value.name: value.type for value in (*graph.input, *graph.value_info, *graph.output)}

    def value(self, name: str) -> npt.NDArray[Any] | None:
        """The value of a tensor, None if it is only known when the network runs."""
        if name in self.tensors:
            return numpy_helper.to_array(self.tensors[name])
        nodes: list[onnx.NodeProto] = []
        tensors: dict[str, onnx.TensorProto] = {}
        if not self._collect(name, nodes, tensors):
            return None
        output = onnx.ValueInfoProto(name=name)
        graph = helper.make_graph(nodes, "condition", [], [output], list(tensors.values()))
        small = helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=10)
        try:
            return run_session(open_session(small), {})[name]
        except InputError:
            return None  # the host decides when the network runs

    def _collect(self, name: str, nodes: list[onnx.NodeProto], tensors: dict[str, onnx.TensorProto]) -> bool:
        """Gather, in order, what computes a tensor; False if something of it is not known."""
        pending, done = [name], set[str]()
        while pending:
            current = pending[-1]
            producer = self.producers.get(current)
            shape = self._shape_behind(producer)
            if current in done or not current:
                pending.pop()
            elif current in self.tensors:
                tensors[current] = self.tensors[current]
                done.add(current)
            elif shape is not None:
                tensors[current] = numpy_helper.from_array(shape, current)
                done.add(current)
            elif producer is None or len(nodes) > _MOST_STEPS or not _is_plain(producer):
                return False
            elif missing := [entry for entry in producer.input if entry and entry not in done]:
                if len(pending) > _MOST_STEPS:
                    return False
                pending.extend(missing)
            else:
                nodes.append(producer)
                done.update(producer.output)
        return True

    def _shape_behind(self, node: onnx.NodeProto | None) -> npt.NDArray[np.int64] | None:
        """The result of a Shape or Size of a tensor whose sizes are all known."""
        if node is None or node.op_type not in ("Shape", "Size") or node.input[0] not in self.types:
            return None
        tensor = self.types[node.input[0]].tensor_type
        if not tensor.HasField("shape") or any(not size.HasField("dim_value") for size in tensor.shape.dim):
            return None
        shape = np.array([size.dim_value for size in tensor.shape.dim], np.int64)
        if node.op_type == "Size":
            return np.array(shape.prod())
        bounds = {attribute.name: attribute.i for attribute in node.attribute}
        return shape[bounds.get("start", 0) : bounds.get("end", len(shape))]


def _is_plain(node: onnx.NodeProto) -> bool:
    """Whether a node gives the same result every time and holds no graph."""
    nested = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
    return node.op_type not in _RANDOM and not nested and node.domain in ("", "ai.onnx")
