"""
Smaller ONNX models: for a model, those that are one step simpler.

A step keeps one output of several, begins at a value that was computed before, ends at one, or lets a node's first
operand take the place of a result of the same type. What nothing needs any more goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx


def _types(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """Type and shape of every value that inference knows."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {value.name: value for value in (*graph.input, *graph.value_info, *graph.output)}


def _rebuilt(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The model of these nodes, without what its outputs do not need."""
    needed = {output.name for output in outputs}
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    body = onnx.helper.make_graph(
        kept[::-1],
        model.graph.name,
        [value for value in inputs if value.name in needed],
        outputs,
        [constant for constant in model.graph.initializer if constant.name in needed],
    )
    return onnx.helper.make_model(body, opset_imports=model.opset_import, ir_version=model.ir_version)


def smaller_models(model: onnx.ModelProto) -> Iterator[onnx.ModelProto]:
    """Every model one step below this one, the largest steps first."""
    types, graph = _types(model), model.graph
    nodes, inputs, outputs = list(graph.node), list(graph.input), list(graph.output)
    if len(outputs) > 1:
        for output in outputs:
            yield _rebuilt(model, nodes, inputs, [output])
    results = [name for node in nodes for name in node.output if name in types]
    for name in results:
        if [output.name for output in outputs] != [name]:
            yield _rebuilt(model, nodes, inputs, [types[name]])
    for name in reversed(results):
        after = [node for node in nodes if name not in node.output]
        begun = _rebuilt(model, after, [*inputs, types[name]], outputs)
        if len(begun.graph.node) < len(nodes):
            yield begun
    for node in nodes:
        if not node.input or len(node.output) != 1 or node.output[0] in {output.name for output in outputs}:
            continue
        before, result = types.get(node.input[0]), types.get(node.output[0])
        if before is not None and result is not None and before.type == result.type:
            yield _rebuilt(model, [_reading(other, node) for other in nodes if other is not node], inputs, outputs)


def _reading(node: onnx.NodeProto, instead_of: onnx.NodeProto) -> onnx.NodeProto:
    """A node that reads what another one reads, instead of its result."""
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    for index, name in enumerate(node.input):
        if name == instead_of.output[0]:
            changed.input[index] = instead_of.input[0]
    return changed
