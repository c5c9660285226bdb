"""
A model on numbers of another type as the same model in float32, for operators that mean the same on both.

    Add(int16, int16) → int16        becomes        Add(float, float) → float

Float32 holds integers up to 2**24 exactly, and what its type would wrap is wrapped when it is cast back, through int64.
It holds float16, and of float64 what has 24 significant bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

EVERYWHERE = ("Add", "Concat", "Max", "Mean", "Min", "Mul", "Sub", "Sum", "Clip")
"""Operators all of whose inputs are data."""
FIRST = ("Expand", "Flatten", "Identity", "MaxPool", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose")
"""Operators whose first input is data; the others say what is done to it."""
_OTHERS = (
    TensorProto.FLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT8,
    TensorProto.INT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.UINT16,
    TensorProto.UINT32,
    TensorProto.UINT64,
)


def numpy_type(value: onnx.ValueInfoProto) -> npt.DTypeLike:
    """Of a tensor that is an input or an output."""
    return helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def in_floating_point(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The model with float32 for all numeric data; None if that is what it has, or another operator."""
    if any(node.op_type not in (*EVERYWHERE, *FIRST) for node in model.graph.node):
        return None
    data = {
        name
        for node in model.graph.node
        for name in (node.input if node.op_type in EVERYWHERE else node.input[:1])
        if name
    }
    data |= {name for node in model.graph.node for name in node.output}
    values = [*model.graph.input, *model.graph.output]
    others = [value for value in values if value.name in data and value.type.tensor_type.elem_type in _OTHERS]
    if not others:
        return None
    floats = onnx.ModelProto()
    floats.CopyFrom(model)
    del floats.graph.value_info[:]
    for value in (*floats.graph.input, *floats.graph.output):
        if value.name in data and value.type.tensor_type.elem_type in _OTHERS:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for tensor in floats.graph.initializer:
        if tensor.name in data and tensor.data_type in _OTHERS:
            values_of = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values_of, tensor.name))
    return floats
