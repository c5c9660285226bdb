"""ONNX attributes in both spellings; what MLIR cannot spell stays a serialised AttributeProto."""

from __future__ import annotations

from typing import Any, cast

import numpy.typing as npt
import onnx
from onnx import AttributeProto, helper, numpy_helper
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    f32,
    i64,
)
from xdsl.ir import Attribute

from dialects.constants import constant_array, constant_type, dense_attribute, element_type_of
from dialects.onnx_attributes import ProtoAttr


def import_attribute(proto: onnx.AttributeProto) -> Attribute:
    """The MLIR attribute of one ONNX attribute."""
    match proto.type:
        case AttributeProto.INT:
            return IntegerAttr(proto.i, i64)
        case AttributeProto.FLOAT:
            return FloatAttr(proto.f, f32)
        case AttributeProto.STRING if (text := _text(proto.s)) is not None:
            return StringAttr(text)
        case AttributeProto.INTS:
            return DenseArrayBase.from_list(i64, list(proto.ints))
        case AttributeProto.FLOATS:
            return DenseArrayBase.from_list(f32, list(proto.floats))
        case AttributeProto.STRINGS if all(_text(item) is not None for item in proto.strings):
            return ArrayAttr([StringAttr(item.decode()) for item in proto.strings])
        case AttributeProto.TENSOR if (values := import_tensor(proto.t)) is not None:
            return dense_attribute(values, constant_type(values))
        case _:
            return ProtoAttr(proto.SerializeToString(deterministic=True))


def export_attribute(name: str, attribute: Attribute) -> onnx.AttributeProto:
    """The ONNX attribute `name` of an MLIR attribute that `import_attribute` can return."""
    if isinstance(attribute, ProtoAttr):
        return AttributeProto.FromString(attribute.data)
    if isinstance(attribute, IntegerAttr):
        return helper.make_attribute(name, attribute.value.data)
    if isinstance(attribute, FloatAttr):
        return helper.make_attribute(name, attribute.value.data)
    if isinstance(attribute, StringAttr):
        return helper.make_attribute(name, attribute.data)
    if isinstance(attribute, ArrayAttr):
        texts = [cast(StringAttr, item).data for item in cast("ArrayAttr[Attribute]", attribute)]
        return helper.make_attribute(name, texts, attr_type=AttributeProto.STRINGS)
    if isinstance(attribute, DenseArrayBase):
        array = cast("DenseArrayBase[Any]", attribute)
        if isinstance(array.elt_type, IntegerType):
            return helper.make_attribute(name, array.get_values(), attr_type=AttributeProto.INTS)
        return helper.make_attribute(name, array.get_values(), attr_type=AttributeProto.FLOATS)
    assert isinstance(attribute, DenseIntOrFPElementsAttr), f"{attribute} has no ONNX form"
    dense = cast("DenseIntOrFPElementsAttr[Any]", attribute)
    return helper.make_attribute(name, numpy_helper.from_array(constant_array(dense, cast(Any, dense.type))))


def import_tensor(tensor: onnx.TensorProto) -> npt.NDArray[Any] | None:
    """The values of a tensor, or None if its element type is none of numpy's."""
    if tensor.data_type == onnx.TensorProto.STRING:
        return None
    values = numpy_helper.to_array(tensor)
    return values if element_type_of(values.dtype) is not None else None


def _text(data: bytes) -> str | None:
    """The text of UTF-8 bytes, None for other bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
