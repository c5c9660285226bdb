"""
A model without its large tensors: everything the `onnx` package checks, converts or infers is fast on it.

The package serialises the whole model for each of these steps, so 500 MB of weights cost seconds every time and more
than 2 GB cannot be done at all. Large initialisers become graph inputs of the same type, which every step
accepts, and are put back afterwards under the same names.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx
from onnx import helper

# Operators read shapes, axes, scales and pads from initialisers; those stay. The longest is a handful of numbers.
SMALL_ELEMENTS = 1024


def _elements(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def without_large_tensors(
    model: onnx.ModelProto, step: Callable[[onnx.ModelProto], onnx.ModelProto]
) -> onnx.ModelProto:
    """Apply `step` to the model's skeleton and put the large tensors back into what it returns; consumes `model`."""
    graph = model.graph
    declared = {value.name for value in graph.input}
    tensors = list(graph.initializer)
    large = [tensor for tensor in tensors if _elements(tensor) > SMALL_ELEMENTS]
    names = {tensor.name for tensor in large} - declared
    del graph.initializer[:]
    graph.initializer.extend(tensor for tensor in tensors if _elements(tensor) <= SMALL_ELEMENTS)
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in large
        if tensor.name in names
    )
    result = step(model)
    inputs = [value for value in result.graph.input if value.name not in names]
    del result.graph.input[:]
    result.graph.input.extend(inputs)
    result.graph.initializer.extend(large)
    return result
