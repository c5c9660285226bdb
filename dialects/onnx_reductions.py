"""Reductions: which axes a node reduces, and into which element of the result each element of the input goes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dialects.onnx import OnnxOp
from dialects.onnx_fixed_point import constant_of, is_absent
from dialects.onnx_window import shape_of_value


def reduced_axes(node: OnnxOp) -> tuple[int, ...] | None:
    """The axes from 0 on, in order; None if they, or the shape of the input, are not known when compiling."""
    shape = shape_of_value(node.inputs[0])
    axes = node.integers("axes", ())
    if len(node.inputs) > 1 and not is_absent(node.inputs[1]):
        given = constant_of(node.inputs[1])
        if given is None:
            return None
        axes = tuple(int(axis) for axis in given.reshape(-1))
    if shape is None:
        return None
    if not axes:
        return () if node.integer("noop_with_empty_axes", 0) else tuple(range(len(shape)))
    return tuple(sorted({axis % len(shape) for axis in axes}))


def reduced_count(node: OnnxOp) -> int | None:
    """Elements of the input that make one of the result."""
    axes, shape = reduced_axes(node), shape_of_value(node.inputs[0])
    return None if axes is None or shape is None else int(np.prod([shape[axis] for axis in axes], dtype=np.int64))


def reduced_into(axes: tuple[int, ...], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """For each element of an input of this shape, in order, the element of the result that it goes into."""
    kept = [1 if axis in axes else size for axis, size in enumerate(shape)]
    places = np.arange(int(np.prod(kept, dtype=np.int64))).reshape(kept)
    return np.broadcast_to(places, shape).reshape(-1)
