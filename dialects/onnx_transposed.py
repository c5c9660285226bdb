"""
The geometry of a transposed convolution, and how it falls apart into ordinary ones.

Element k of the window puts input n at output n·s + k·d - p. So the outputs j·s + r, for one r, read the inputs j - t
for the k with k·d = r + p + t·s: an ordinary convolution of stride 1 with some of the weights. There is one such phase
for each r below s, along each axis, and together they are the result, pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from dialects.onnx import OnnxOp
from dialects.onnx_window import shape_of_value

Pair = tuple[int, int]


@dataclass(frozen=True)
class Line:
    """One phase along one axis: a window of `size` elements whose element `taps[i][1]` has weight `taps[i][0]`."""

    size: int
    taps: tuple[Pair, ...]
    pads: Pair


@dataclass(frozen=True)
class TransposedWindow:
    """Of a two-dimensional ConvTranspose; pairs are rows and columns."""

    kernel: Pair
    strides: Pair
    dilations: Pair
    first_pads: Pair
    """Of the result: what is cut off before it."""
    source: Pair
    result: Pair

    @property
    def steps(self) -> Pair:
        """Phases along each axis that have any pixel."""
        return min(self.strides[0], self.result[0]), min(self.strides[1], self.result[1])

    def phases(self) -> list[tuple[Line, Line]]:
        """Of rows and of columns; the phase of pixel (0, 0) first, then that of (0, 1)."""
        rows, columns = ([self._line(axis, first) for first in range(self.steps[axis])] for axis in (0, 1))
        return list(product(rows, columns))

    def _line(self, axis: int, first: int) -> Line:
        stride, dilation = self.strides[axis], self.dilations[axis]
        begins = [k * dilation - first - self.first_pads[axis] for k in range(self.kernel[axis])]
        reads = [(k, -begin // stride) for k, begin in enumerate(begins) if begin % stride == 0]
        count = -(-(self.result[axis] - first) // stride)
        low, high = min(0, *(at for _, at in reads), 0), max(0, *(at for _, at in reads), 0)
        after = count + high - self.source[axis]
        return Line(high - low + 1 + max(0, -after), tuple((k, at - low) for k, at in reads), (-low, max(0, after)))


def transposed_window(node: OnnxOp) -> TransposedWindow | None:
    """The window of a ConvTranspose; None for other ranks and for unknown shapes."""
    shapes = [shape_of_value(value) for value in (node.inputs[0], node.inputs[1], node.output)]
    known = [shape for shape in shapes if shape is not None and len(shape) == 4]
    if len(known) != len(shapes):
        return None
    source, kernel, result = ((shape[2], shape[3]) for shape in known)
    strides = cast("Pair", node.integers("strides", (1, 1)))
    dilations = cast("Pair", node.integers("dilations", (1, 1)))
    added = node.integers("output_padding", (0, 0))
    given, mode = node.integers("pads", (0, 0, 0, 0)), node.string("auto_pad", "NOTSET")
    first = [0, 0]
    for axis in (0, 1):
        whole = strides[axis] * (source[axis] - 1) + added[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        surplus = max(0, whole - result[axis])
        by_shape = bool(node.integers("output_shape", ())) or mode.startswith("SAME")
        half = surplus // 2 if mode == "SAME_UPPER" else surplus - surplus // 2
        first[axis] = half if by_shape else 0 if mode == "VALID" else given[axis]
    return TransposedWindow(kernel, strides, dilations, (first[0], first[1]), source, result)


def phase_weights(weights: npt.NDArray[Any], rows: Line, columns: Line) -> npt.NDArray[Any]:
    """Weights [outputs][inputs][kernel rows][kernel columns] of the transposed convolution as those of one phase."""
    taken = np.zeros((*weights.shape[:2], rows.size, columns.size), weights.dtype)
    for (row, to_row), (column, to_column) in product(rows.taps, columns.taps):
        taken[:, :, to_row, to_column] = weights[:, :, row, column]
    return taken


def weights_by_output(weights: npt.NDArray[Any], groups: int) -> npt.NDArray[Any]:
    """Weights [inputs][outputs of a group][…] as ordinary ones have them: [outputs][inputs of a group][…]."""
    inputs, outputs = weights.shape[:2]
    apart = weights.reshape(groups, inputs // groups, outputs, *weights.shape[2:]).swapaxes(1, 2)
    return np.ascontiguousarray(apart).reshape(groups * outputs, inputs // groups, *weights.shape[2:])
