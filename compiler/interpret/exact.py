"""
Exact values of a quantised ONNX graph: every float tensor between Dequantize and QuantizeLinear as integers.

    real = integers * 2**-position / divisor

A graph with power-of-two scales computes nothing but such values between its roundings: products and sums of
integers times powers of two, and means, whose divisor is the number of cells. So nothing is rounded until a
QuantizeLinear rounds, once. Each function below is one ONNX operator on such values; it returns None when the
result is no such value (Softmax, a Mul of two means), and the caller computes in floating point instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from compiler.quantization.arithmetic import Rounding, average, requantise
from dialects.onnx import OnnxOp
from dialects.onnx_fixed_point import constant_of, is_absent
from dialects.onnx_window import Window, shape_of_value, window_of

Integers: TypeAlias = npt.NDArray[np.signedinteger[Any]]
WIDEST_ALIGNMENT = 30
"""Positions further apart than this could leave 64 bits when one value is brought to the other's."""


@dataclass(frozen=True)
class Exact:
    """A tensor of exact real values; the divisor is positive and broadcasts to the integers."""

    integers: Integers
    position: int
    divisor: Integers | None = None

    def at(self, position: int) -> Integers:
        """The integers at a position that is not coarser."""
        return self.integers.astype(np.int64) << (position - self.position)

    def real(self) -> npt.NDArray[np.float32]:
        """The values in floating point, rounded once; exact up to 24 significant bits."""
        scaled = np.ldexp(self.integers.astype(np.float64), -self.position)
        return (scaled if self.divisor is None else scaled / self.divisor).astype(np.float32)

    def quantised(self, position: int, rounding: Rounding) -> npt.NDArray[np.int8]:
        """Rounded to int8 at `position`."""
        shift = self.position - position
        if self.divisor is None:
            return requantise(self.integers, shift, rounding)
        return average(self.integers, self.divisor, shift, rounding)


Operator: TypeAlias = Callable[[OnnxOp, "Sequence[Exact | None]"], "Exact | None"]


def _conv(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source, weights, *rest = inputs
    window = window_of(op)
    bias = rest[0] if rest else None
    if source is None or weights is None or window is None or source.divisor is not None:
        return None
    if len(source.integers) != 1:
        return None
    if rest and bias is None and not is_absent(op.inputs[2]):
        return None
    groups = op.integer("group", 1)
    outputs, per_group, *_ = weights.integers.shape
    # Products of int8 are below 2**14 and a float64 holds integers up to 2**53, so sums of up to 2**39 are exact.
    filters = weights.integers.astype(np.float64).reshape(groups, outputs // groups, per_group, *window.kernel)
    _, _, rows, columns = cast("tuple[int, ...]", shape_of_value(op.output))
    total = np.zeros((groups, outputs // groups, rows * columns))
    for kernel_row, kernel_column, cells in _taps(source.integers, window, (rows, columns), 0):
        taken = cells.astype(np.float64).reshape(groups, per_group, rows * columns)
        total += filters[..., kernel_row, kernel_column] @ taken
    return _with_bias(total.reshape(1, outputs, rows, columns), source, weights, bias, (1, -1, 1, 1))


def _with_bias(
    total: npt.NDArray[np.float64], source: Exact, weights: Exact, bias: Exact | None, shape: tuple[int, ...]
) -> Exact | None:
    """Products at the sum of the positions, plus the bias, which is usually at the very same."""
    position = source.position + weights.position
    products = Exact(total.astype(np.int64), position)
    if bias is None:
        return products
    return _sum(products, Exact(bias.integers.reshape(shape), bias.position))


def _sum(left: Exact, right: Exact) -> Exact | None:
    if left.divisor is not None or right.divisor is not None:
        return None
    if abs(left.position - right.position) > WIDEST_ALIGNMENT:
        return None
    finer = max(left.position, right.position)
    return Exact(left.at(finer) + right.at(finer), finer)


def _taps(
    values: Integers, window: Window, size: tuple[int, int], fill: int
) -> list[tuple[int, int, npt.NDArray[np.signedinteger[Any]]]]:
    """For each element of the window: its row, its column, and the cells that it meets for every output pixel."""
    top, left, bottom, right = window.reach
    padded = np.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    taps: list[tuple[int, int, npt.NDArray[np.signedinteger[Any]]]] = []
    for row in range(window.kernel[0]):
        for column in range(window.kernel[1]):
            first, across = row * window.dilations[0], column * window.dilations[1]
            rows = slice(first, first + (size[0] - 1) * window.strides[0] + 1, window.strides[0])
            columns = slice(across, across + (size[1] - 1) * window.strides[1] + 1, window.strides[1])
            taps.append((row, column, padded[:, :, rows, columns]))
    return taps


def _gemm(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    left, right, *rest = inputs
    if left is None or right is None or left.divisor is not None or right.divisor is not None:
        return None
    if op.number("alpha", 1.0) != 1.0 or op.number("beta", 1.0) != 1.0:
        return None
    bias = rest[0] if rest else None
    if rest and bias is None and not is_absent(op.inputs[2]):
        return None
    rows = left.integers.T if op.integer("transA", 0) else left.integers
    columns = right.integers.T if op.integer("transB", 0) else right.integers
    if rows.ndim != 2 or columns.ndim != 2:
        return None
    shape = (1, -1) if bias is not None and bias.integers.ndim == 1 else () if bias is None else bias.integers.shape
    return _with_bias(_product(rows, columns), left, right, bias, shape)


def _product(rows: Integers, columns: Integers) -> npt.NDArray[np.float64]:
    """`rows @ columns`, exact as in `_conv`; a part of the columns at a time, because float64 is eight times int8."""
    result = np.empty((rows.shape[0], columns.shape[1]))
    for first in range(0, columns.shape[1], 256):
        part = slice(first, first + 256)
        result[:, part] = rows.astype(np.float64) @ columns[:, part].astype(np.float64)
    return result


def _add(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    if len(inputs) != 2 or inputs[0] is None or inputs[1] is None:
        return None
    return _sum(inputs[0], inputs[1])


def _clip(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    bounds: list[float] = []
    for index, default in ((1, -np.inf), (2, np.inf)):
        given = index < len(op.inputs) and not is_absent(op.inputs[index])
        values = constant_of(op.inputs[index]) if given else np.asarray(default)
        if values is None or values.size != 1:
            return None
        bounds.append(float(values.reshape(-1)[0]))
    return _between(inputs[0], bounds[0], bounds[1])


def _relu(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    return _between(inputs[0], 0.0, np.inf)


def _between(source: Exact | None, low: float, high: float) -> Exact | None:
    """Bounds are binary fractions as well: the values are brought to a position at which the bounds are integers."""
    if source is None:
        return None
    bounds = [bound for bound in (low, high) if np.isfinite(bound)]
    needed = [int(bound.as_integer_ratio()[1]).bit_length() - 1 for bound in bounds]
    position = max([source.position, *needed])
    if position - source.position > WIDEST_ALIGNMENT:
        return None
    values, divisor = source.at(position), 1 if source.divisor is None else source.divisor
    if np.isfinite(low):
        values = np.maximum(values, int(np.ldexp(low, position)) * divisor)
    if np.isfinite(high):
        values = np.minimum(values, int(np.ldexp(high, position)) * divisor)
    return Exact(values, position, source.divisor)


def _max_pool(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source, window = inputs[0], window_of(op)
    if source is None or window is None or source.divisor is not None or len(op.outputs) != 1:
        return None
    size = cast("tuple[int, ...]", shape_of_value(op.output))[2:]
    lowest = int(np.iinfo(np.int64).min)
    taps = _taps(source.integers.astype(np.int64), window, (size[0], size[1]), lowest)
    return Exact(np.maximum.reduce([cells for _, _, cells in taps]), source.position)


def _average_pool(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source, window = inputs[0], window_of(op)
    if source is None or window is None or source.divisor is not None:
        return None
    size = cast("tuple[int, ...]", shape_of_value(op.output))[2:]
    inside = np.ones_like(source.integers[:, :1], dtype=np.int64)
    counted = window
    if op.integer("count_include_pad", 0):
        top, left, bottom, right = window.pads
        inside = np.pad(inside, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=1)
        counted = Window(window.kernel, window.strides, window.dilations, (0, 0, 0, 0), window.extra)
    sums = sum(cells for _, _, cells in _taps(source.integers.astype(np.int64), window, (size[0], size[1]), 0))
    counts = sum(cells for _, _, cells in _taps(inside, counted, (size[0], size[1]), 0))
    return Exact(cast(Integers, sums), source.position, cast(Integers, counts))


def _reduce_mean(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source = inputs[0]
    axes = op.integers("axes", ())
    if len(op.inputs) > 1 and not is_absent(op.inputs[1]):
        given = constant_of(op.inputs[1])
        axes = None if given is None else tuple(int(axis) for axis in given)
    if source is None or source.divisor is not None or not axes:
        return None
    shape = cast("tuple[int, ...]", shape_of_value(op.output))
    cells = int(np.prod([source.integers.shape[axis] for axis in axes], dtype=np.int64))
    sums = source.integers.astype(np.int64).sum(axis=axes, keepdims=True)
    return Exact(sums.reshape(shape), source.position, np.asarray(cells, np.int64))


def _concat(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    parts = [part for part in inputs if part is not None and part.divisor is None]
    if len(parts) != len(inputs):
        return None
    finer = max(part.position for part in parts)
    if finer - min(part.position for part in parts) > WIDEST_ALIGNMENT:
        return None
    return Exact(np.concatenate([part.at(finer) for part in parts], axis=op.integer("axis", 0)), finer)


def _reshape(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source, shape = inputs[0], shape_of_value(op.output)
    if source is None or shape is None:
        return None
    divisor = source.divisor
    if divisor is not None:
        divisor = np.broadcast_to(divisor, source.integers.shape).reshape(shape)
    return Exact(source.integers.reshape(shape), source.position, divisor)


def _transpose(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source = inputs[0]
    if source is None or source.divisor is not None:
        return None
    axes = op.integers("perm", tuple(reversed(range(source.integers.ndim))))
    return Exact(source.integers.transpose(axes), source.position)


EXACT_OPERATORS: dict[str, Operator] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _gemm,
    "Add": _add,
    "Sum": _add,
    "Relu": _relu,
    "Clip": _clip,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _average_pool,
    "ReduceMean": _reduce_mean,
    "Concat": _concat,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Identity": _reshape,
    "Transpose": _transpose,
}
