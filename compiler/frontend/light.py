"""
The nine networks that ship inside the `onnx` wheel, made usable: real weights, any input size.

The wheel keeps each parameter as a `ConstantOfShape` node with one constant value, so all channels are equal and no
output says anything. Here each becomes a seeded initialiser. For a smaller input every size that the graph spells
out follows the map: reshapes, the kernel of the last pool, the inputs of the first classifier layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from compiler.errors import InputError
from compiler.frontend.weights import measure_batch_norms, parameter, parameter_roles

NATIVE_SIZE = 224
LIGHT_MODELS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)


def light_model(name: str, size: int, opset: int, seed: int | None) -> onnx.ModelProto:
    """One of LIGHT_MODELS on a square input of `size`, at `opset`, with seeded parameters."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    model = onnx.ModelProto.FromString((folder / f"light_{name}.onnx").read_bytes())
    model = version_converter.convert_version(model, opset)
    model.ir_version = 10
    graph = model.graph
    shapes = _parameter_shapes(graph)
    known = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in known]
    del graph.input[:]
    graph.input.extend(inputs)
    del graph.value_info[:]
    _remove_nodes(graph, "ConstantOfShape")
    if size != NATIVE_SIZE:
        _resize(graph, name, size, shapes)
    _materialise(graph, shapes, seed)
    if seed is not None:
        measure_batch_norms(model, seed)
    return model


def _parameter_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Shape of every floating-point parameter, from the nodes that make it or the initialiser it is."""
    values = {tensor.name: tensor for tensor in graph.initializer}
    shapes = {name: tuple(tensor.dims) for name, tensor in values.items() if tensor.data_type == onnx.TensorProto.FLOAT}
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            shapes[node.output[0]] = tuple(int(size) for size in numpy_helper.to_array(values[node.input[0]]))
    return shapes


def _remove_nodes(graph: onnx.GraphProto, operator: str) -> None:
    """Remove the nodes of one operator and the initialisers that only they read."""
    kept = [node for node in graph.node if node.op_type != operator]
    del graph.node[:]
    graph.node.extend(kept)
    read = {name for node in kept for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(tensors)


def _materialise(graph: onnx.GraphProto, shapes: dict[str, tuple[int, ...]], seed: int | None) -> None:
    """Give every floating-point parameter its seeded values."""
    roles = parameter_roles(graph)
    others = [tensor for tensor in graph.initializer if tensor.name not in shapes]
    del graph.initializer[:]
    graph.initializer.extend(others)
    graph.initializer.extend(
        parameter(roles[name], shape, name, seed) for name, shape in shapes.items() if name in roles
    )


def _resize(graph: onnx.GraphProto, name: str, size: int, shapes: dict[str, tuple[int, ...]]) -> None:
    """Let every size that the graph spells out follow a square input of `size`."""
    native = _map_sizes(graph, name, NATIVE_SIZE)
    final_pools = [node for node in graph.node if node.op_type == "AveragePool" and native[node.output[0]] == 1]
    for pool in final_pools:
        pool.op_type = "GlobalAveragePool"
        del pool.attribute[:]
    sizes = _map_sizes(graph, name, size)
    for dimension in graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = size
    values = {tensor.name: tensor for tensor in graph.initializer}
    flat: dict[str, float] = {}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[0] in sizes and node.input[1] in values:
            target = [int(extent) for extent in numpy_helper.to_array(values[node.input[1]])]
            edge = sizes[node.input[0]]
            if len(target) > 2:
                target[-2:] = [edge, edge]
            else:
                flat[node.output[0]] = (edge / native[node.input[0]]) ** 2
                target = [target[0], -1]
            values[node.input[1]].CopyFrom(numpy_helper.from_array(np.array(target, np.int64), node.input[1]))
        elif node.op_type == "Gemm" and node.input[0] in flat and node.input[1] in shapes:
            rows, columns = shapes[node.input[1]]
            shapes[node.input[1]] = (rows, round(columns * flat[node.input[0]]))
    _forget_output_shapes(graph.output)


def _forget_output_shapes(outputs: Iterable[onnx.ValueInfoProto]) -> None:
    """Drop the declared shapes of the outputs; shape inference finds the new ones."""
    for value in outputs:
        value.type.tensor_type.ClearField("shape")


def _map_sizes(graph: onnx.GraphProto, name: str, size: int) -> dict[str, int]:
    """Edge of the square map of every activation for an input of `size`; refuses a size that leaves nothing."""
    sizes = {graph.input[0].name: size}
    for node in graph.node:
        if not node.input or node.input[0] not in sizes:
            continue
        edge = sizes[node.input[0]]
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "GlobalAveragePool":
            edge = 1
        elif node.op_type in ("Conv", "MaxPool", "AveragePool") and (kernel := attributes.get("kernel_shape")):
            pads = _first_axis(attributes.get("pads", [0, 0, 0, 0]))
            available = edge + sum(pads)
            if available < kernel[0]:
                raise InputError(
                    f"zoo:{name}@{size} is too small: at {node.op_type} '{node.name}' the map is {edge}x{edge}, "
                    f"{available} with padding, and its kernel needs {kernel[0]}; take a larger size, "
                    f"{NATIVE_SIZE} is native"
                )
            edge = (available - kernel[0]) // attributes.get("strides", [1, 1])[0] + 1
        for output in node.output:
            sizes[output] = edge
    return sizes


def _first_axis(pads: Sequence[int]) -> tuple[int, int]:
    """Begin and end of the first spatial axis of ONNX `pads` (begins first, then ends)."""
    return pads[0], pads[len(pads) // 2]
