"""
Models without the values of their large tensors: enough to say what runs where, and as quick as reading the graph.

An outlined tensor is one whose data should be in some other file, without saying in which. Imported, it reads as zeros
that take no memory. Tensors up to OUTLINE_ELEMENTS keep their values: shapes, scales and the numbers of each channel.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper
from xdsl.dialects.builtin import TensorType

from compiler.onnxio.types import element_type
from dialects.blob import Blob, BlobAttr
from dialects.onnx import ConstantOp

OUTLINE_ELEMENTS = 1 << 16


def outlined(name: str, data_type: int, shape: tuple[int, ...]) -> onnx.TensorProto:
    """A tensor without values."""
    return onnx.TensorProto(name=name, data_type=data_type, dims=shape, data_location=TensorProto.EXTERNAL)


def is_outlined(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor is one of those."""
    return tensor.data_location == TensorProto.EXTERNAL and not len(tensor.external_data)


def outline_initialisers(graph: onnx.GraphProto) -> None:
    """Drop the values of every large initialiser of `graph`, whose data may still be in other files."""
    for tensor in graph.initializer:
        if prod(tensor.dims) > OUTLINE_ELEMENTS and tensor.data_type != TensorProto.STRING:
            tensor.CopyFrom(outlined(tensor.name, tensor.data_type, tuple(tensor.dims)))


def outlined_constant(tensor: onnx.TensorProto) -> ConstantOp:
    """The constant of an outlined tensor; its blob has a digest that no array has."""
    values = np.broadcast_to(np.zeros((), helper.tensor_dtype_to_np_dtype(tensor.data_type)), tuple(tensor.dims))
    blob = BlobAttr(Blob(tensor.name, "outlined", values))
    type = TensorType(element_type(tensor.data_type), list(tensor.dims))
    return ConstantOp([], [type], {"value": blob}, node_name=tensor.name, output_names=[tensor.name])
