"""
Tensors repeated to the shape of a larger one, as operators do whose operands have different shapes.

    gate 1xCx1x1 to 1xCxHxW       a maximum pool: each of its windows holds that one pixel and otherwise pads
    gate 1x1xHxW to 1xCxHxW       a 1x1 convolution whose weights are C ones
    row 1xCx1xW to 1xCxHxW        the pool again, of columns

Pads never win, so a pool of k - 1 pads repeats a pixel k times, whatever its scale and zero-point are. What is longer
than a core's window is interleaved from two such maps or more. A tensor that is no map is one pixel with all its
elements as channels, and a matrix of 0 and 1 repeats them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Protocol

import numpy as np
from xdsl.ir import Operation, SSAValue

from dialects.bsr import InterleaveOp, MaxPoolOp, encoding_of, shape_of
from dialects.bsr_attributes import as_map
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_moves import LARGEST_WEIGHTS, MOST_PHASES
from dialects.onnx_window import shape_of_value
from passes.pixel_phases import Phase, phases_of

Shape = tuple[int, ...]

LONGEST = 56
"""Rows or columns that one pool makes of one: as many rows of the window a core can hold, and as a ring can count."""
FEW_CELLS = 64
"""A window of so few cells repeats rows and columns at once; a larger one takes longer than two pools."""


class Writer(Protocol):
    """What ops are written with: `passes.fixed_point_operands.Operands`."""

    def emit(self, op: Operation, node: OnnxOp) -> SSAValue: ...
    def build(self, make: Callable[[], Operation], node: OnnxOp) -> SSAValue: ...
    def phase(self, source: SSAValue, phase: Phase, key: str, node: OnnxOp) -> SSAValue: ...
    def shaped(self, source: SSAValue, shape: Shape, node: OnnxOp) -> SSAValue: ...


def repetition_fault(own: Shape, shape: Shape) -> str | None:
    """Why the array cannot repeat a tensor of shape `own` until it has this `shape`; None if it can."""
    if own == shape:
        return None
    if not _is_broadcast(own, shape):
        return f"shape {_words(own)} does not broadcast to {_words(shape)}"
    if not _is_map(shape):
        numbers = prod(own) * prod(shape)
        if numbers > LARGEST_WEIGHTS:
            return f"repeating {_words(own)} to {_words(shape)} takes a matrix of {numbers} numbers"
        return None if _matrix(own, shape) is not None else f"{_words(own)} repeated to {_words(shape)} is irregular"
    aligned = _aligned(own, shape)
    if as_map(own) != as_map(aligned):
        return f"a tensor of shape {_words(own)} lies in memory as one pixel, not as a map {_words(aligned)}"
    longest = LONGEST * MOST_PHASES
    longer = [size for before, size in zip(aligned[2:], shape[2:], strict=True) if before != size > longest]
    return f"it repeats a row or column {longer[0]} times, {longest} is the most" if longer else None


def is_repetition(node: OnnxOp) -> bool:
    """Whether a node is an Expand, or a Resize of single rows and columns, that the array can do in this way."""
    if not is_operator(node, "Expand", "Resize"):
        return False
    own, shape = shape_of_value(node.inputs[0]), shape_of_value(node.output)
    if own is None or shape is None or 0 in shape:
        return False
    if is_operator(node, "Resize"):
        # cubic weights add up to 1 only nearly, and a crop has cells outside of the map
        plain = node.string("mode", "nearest") in ("nearest", "linear") and not node.integer("antialias", 0)
        if not plain or node.string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
            return False
    return repetition_fault(own, shape) is None


def repeated(writer: Writer, source: SSAValue, shape: Shape, key: str, node: OnnxOp) -> SSAValue:
    """A tensor repeated until it has this shape, which `repetition_fault` allows; `key` names what weights it takes."""
    own = shape_of(source.type)
    if own == shape:
        return source
    if not _is_map(shape):
        matrix = _matrix(own, shape)
        assert matrix is not None, "the rules allow regular repetitions only"
        return writer.shaped(writer.phase(source, matrix, key, node), shape, node)
    value = writer.shaped(source, _aligned(own, shape), node)
    _, channels, rows, columns = shape_of(value.type)
    if channels != shape[1]:
        value = writer.phase(value, Phase((0,) * shape[1], ((0, 0),) * shape[1], (1, 1), (rows, columns)), key, node)
    down, across = (shape[axis] if size == 1 else 1 for axis, size in ((2, rows), (3, columns)))
    if down > 1 and across > 1 and down * across <= FEW_CELLS:
        return _pooled(writer, value, (down, across), node)
    # columns first: of one row there are few
    value = _along(writer, value, across, 1, node)
    return _along(writer, value, down, 0, node)


def _along(writer: Writer, value: SSAValue, times: int, axis: int, node: OnnxOp) -> SSAValue:
    """One row (axis 0) or column (axis 1) repeated; of many, several maps make every so many-th one."""
    parts = -(-times // LONGEST)
    sizes = [-(-(times - part) // parts) for part in range(parts)]
    windows = {size: (size, 1) if axis == 0 else (1, size) for size in sizes}
    made = {size: _pooled(writer, value, window, node) for size, window in windows.items()}
    if parts == 1:
        return made[times]
    steps = (parts, 1) if axis == 0 else (1, parts)
    inputs = [made[size] for size in sizes]
    return writer.build(lambda: InterleaveOp(inputs, steps, encoding_of(value.type)), node)


def _pooled(writer: Writer, value: SSAValue, window: tuple[int, int], node: OnnxOp) -> SSAValue:
    """One row, column or pixel as a window of them."""
    if window == (1, 1):
        return value
    down, across = (size - 1 for size in window)
    return writer.build(lambda: MaxPoolOp(value, window, pads=(down, across, down, across)), node)


def _matrix(own: Shape, shape: Shape) -> Phase | None:
    """What takes the elements of one tensor to the channels of one pixel."""
    places = np.broadcast_to(np.arange(prod(own), dtype=np.int64).reshape(own), shape)
    found = phases_of(places.reshape(as_map(shape)), as_map(own))
    return found.phases[0] if found is not None and len(found.phases) == 1 else None


def _is_broadcast(own: Shape, shape: Shape) -> bool:
    fits = (before in (1, size) for before, size in zip(_aligned(own, shape), shape, strict=False))
    return len(own) <= len(shape) and all(fits)


def _aligned(own: Shape, shape: Shape) -> Shape:
    """The shape with as many dimensions, those that it lacks in front."""
    return (1,) * (len(shape) - len(own)) + own


def _is_map(shape: Shape) -> bool:
    return len(shape) == 4 and shape[0] == 1


def _words(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "of a scalar"
