"""Tensors as the 4-byte words that DMA moves: how many there are, and tensors to words and back, bit for bit."""

from __future__ import annotations

from math import prod
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType
from xdsl.ir import Attribute

from dialects.constants import dtype_of

WORD_BYTES = 4


def words_of_type(type: Attribute) -> int:
    """Words of a tensor whose elements are one word or several; 0 for any other type and for a tensor of nothing."""
    if not isinstance(type, TensorType):
        return 0
    shape, dtype = type.get_shape(), dtype_of(cast("TensorType[Attribute]", type).element_type)
    if dtype is None or dtype.itemsize % WORD_BYTES or DYNAMIC_INDEX in shape:
        return 0
    return prod(shape) * dtype.itemsize // WORD_BYTES


def to_words(values: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """A tensor as its words, flat."""
    return np.ascontiguousarray(values).reshape(-1).view(np.int32)


def from_words(words: npt.NDArray[np.int32], type: Attribute) -> npt.NDArray[Any]:
    """The inverse of `to_words` for a tensor of this type."""
    assert isinstance(type, TensorType), "words are those of a tensor"
    dtype = dtype_of(cast("TensorType[Attribute]", type).element_type)
    assert dtype is not None, "verified types are numpy's"
    return np.ascontiguousarray(words).view(dtype).reshape(type.get_shape())
