"""Types in both spellings: `tensor<1x3x8x8xf32>` and a protobuf TypeProto."""

from __future__ import annotations

from typing import Any, cast

import onnx
from onnx import TensorProto, helper
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    BFloat16Type,
    NoneType,
    StringAttr,
    TensorType,
    UnrankedTensorType,
)
from xdsl.ir import Attribute

from dialects.constants import dtype_of, element_type_of
from dialects.onnx_attributes import ElementType, ValueType


def element_type(kind: int) -> Attribute:
    """The MLIR element type of a TensorProto data type."""
    if kind == TensorProto.BFLOAT16:
        return BFloat16Type()
    standard = element_type_of(helper.tensor_dtype_to_np_dtype(kind)) if kind != TensorProto.STRING else None
    return standard or ElementType(StringAttr(TensorProto.DataType.Name(cast(Any, kind))))


def element_kind(element: Attribute) -> int:
    """The TensorProto data type of an MLIR element type."""
    if isinstance(element, BFloat16Type):
        return TensorProto.BFLOAT16
    if isinstance(element, ElementType):
        return TensorProto.DataType.Value(element.kind.data)
    dtype = dtype_of(element)
    assert dtype is not None, f"{element} is no element type of an ONNX tensor"
    return helper.np_dtype_to_tensor_dtype(dtype)


def import_type(proto: onnx.TypeProto) -> Attribute:
    """A type of the onnx level. Symbolic dimensions become dynamic ones."""
    if not proto.HasField("tensor_type"):
        return ValueType(proto.SerializeToString(deterministic=True))
    tensor = proto.tensor_type
    element = element_type(tensor.elem_type)
    if not tensor.HasField("shape"):
        return UnrankedTensorType(element)
    shape = [
        dimension.dim_value if dimension.HasField("dim_value") else DYNAMIC_INDEX for dimension in tensor.shape.dim
    ]
    return TensorType(element, shape)


def export_type(type: Attribute) -> onnx.TypeProto:
    """The protobuf of a type of the onnx level; the type of a value that is left out has none."""
    assert not isinstance(type, NoneType), "a value that is left out has no type in ONNX"
    if isinstance(type, ValueType):
        return onnx.TypeProto.FromString(type.data)
    if isinstance(type, UnrankedTensorType):
        return helper.make_tensor_type_proto(
            element_kind(cast("UnrankedTensorType[Attribute]", type).element_type), None
        )
    assert isinstance(type, TensorType), f"{type} is no type of the onnx level"
    ranked = cast("TensorType[Attribute]", type)
    shape = [None if size == DYNAMIC_INDEX else size for size in ranked.get_shape()]
    return helper.make_tensor_type_proto(element_kind(ranked.element_type), shape)
