"""
Known tensors in the IR: inline `dense` while they are small, `#bsr.blob` beyond, numpy arrays in Python.

Inline values keep small tests self-contained; the limit keeps a module's text readable and fast to parse.
Elements are the little-endian bytes of the array, never Python lists.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    BytesAttr,
    DenseIntOrFPElementsAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
    Signedness,
    TensorType,
)
from xdsl.ir import Attribute

from compiler.errors import BlockloomError
from dialects.blob import BlobAttr

INLINE_LIMIT_BYTES = 4096

_ELEMENT_TYPES: dict[str, Attribute] = {
    "bool": IntegerType(1),
    "int8": IntegerType(8),
    "int16": IntegerType(16),
    "int32": IntegerType(32),
    "int64": IntegerType(64),
    "uint8": IntegerType(8, Signedness.UNSIGNED),
    "uint16": IntegerType(16, Signedness.UNSIGNED),
    "uint32": IntegerType(32, Signedness.UNSIGNED),
    "uint64": IntegerType(64, Signedness.UNSIGNED),
    "float16": Float16Type(),
    "float32": Float32Type(),
    "float64": Float64Type(),
}
_DTYPES = {element: np.dtype(name) for name, element in _ELEMENT_TYPES.items()}


def element_type_of(dtype: np.dtype[Any]) -> Attribute | None:
    """The MLIR element type of a numpy type, or None if there is none."""
    return _ELEMENT_TYPES.get(dtype.name)


def dtype_of(element: Attribute) -> np.dtype[Any] | None:
    """The numpy type of an MLIR element type, or None if there is none."""
    return _DTYPES.get(element)


def constant_type(values: npt.NDArray[Any]) -> TensorType[Attribute]:
    """The tensor type of an array."""
    element = element_type_of(values.dtype)
    if element is None:
        raise BlockloomError(f"an array of {values.dtype} cannot be a tensor; known are {', '.join(_ELEMENT_TYPES)}")
    return TensorType(element, values.shape)


def constant_attribute(values: npt.NDArray[Any], key: str) -> Attribute:
    """The array as an attribute: inline up to INLINE_LIMIT_BYTES, else a blob named `key`, which shares the array."""
    type = constant_type(values)
    if values.nbytes > INLINE_LIMIT_BYTES:
        return BlobAttr.from_array(key, values)
    return dense_attribute(values, type)


def dense_attribute(values: npt.NDArray[Any], type: TensorType[Attribute]) -> DenseIntOrFPElementsAttr[Any]:
    """The array inline, whatever its size, under a type that may carry an encoding."""
    return DenseIntOrFPElementsAttr(cast(Any, type), BytesAttr(values.tobytes()))


def constant_array(attribute: Attribute, type: TensorType[Attribute]) -> npt.NDArray[Any]:
    """The values of such an attribute in the shape and element type of `type`; read-only."""
    if isinstance(attribute, BlobAttr):
        return attribute.array()
    if not isinstance(attribute, DenseIntOrFPElementsAttr):
        raise BlockloomError(f"{attribute.name} is not a known tensor; expected dense or #bsr.blob")
    dtype = dtype_of(type.element_type)
    if dtype is None:
        raise BlockloomError(
            f"a tensor of {type.element_type} has no numpy type; known are {', '.join(_ELEMENT_TYPES)}"
        )
    data = cast("DenseIntOrFPElementsAttr[Any]", attribute).data.data
    return np.frombuffer(data, dtype).reshape(type.get_shape())
