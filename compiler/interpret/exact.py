"""
ONNX operators on exact values: what a quantised graph computes between its roundings.

Such a graph computes nothing but sums of products of integers there, at the product of their scales, and means, whose
divisor is the number of cells. So nothing is rounded until a QuantizeLinear rounds. Each function below is one operator
on values of `compiler.interpret.exact_value`; it returns None when the result is no such value (Softmax, a Mul of two
means), and the caller computes in floating point instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from compiler.interpret.exact_pointwise import VALUE_BY_VALUE, summed
from compiler.interpret.exact_resize import resize
from compiler.interpret.exact_value import Exact, Integers, Operator, Scales, plain
from compiler.quantization.scaling import is_bias_scale
from dialects.onnx import OnnxOp
from dialects.onnx_fixed_point import is_absent
from dialects.onnx_moves import move
from dialects.onnx_reductions import reduced_axes, reduced_count
from dialects.onnx_transposed import transposed_window, weights_by_output
from dialects.onnx_window import Window, shape_of_value, window_of


def _conv(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source, weights = plain(inputs[0]), plain(inputs[1])
    rest = inputs[2:]
    window = window_of(op)
    bias = rest[0] if rest else None
    if source is None or weights is None or window is None or source.scale.size != 1:
        return None
    if len(source.integers) != 1:
        return None
    if weights.scale.size > 1 and weights.scale.shape != (len(weights.integers), 1, 1, 1):
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
    products = _channel_scales(source, weights, (1, -1, 1, 1))
    return _with_bias(Exact(total.reshape(1, outputs, rows, columns).astype(np.int64), products), bias, (1, -1, 1, 1))


def _conv_transpose(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    """Each input goes, times each weight, to its place in a result that is as large as all of them reach."""
    source, weights = plain(inputs[0]), plain(inputs[1])
    bias = inputs[2] if len(inputs) > 2 else None
    window = transposed_window(op)
    if source is None or weights is None or window is None or source.scale.size != 1 or len(source.integers) != 1:
        return None
    groups = op.integer("group", 1)
    if weights.scale.size > 1 and (groups > 1 or weights.scale.shape != (1, weights.integers.shape[1], 1, 1)):
        return None
    if len(op.inputs) > 2 and bias is None and not is_absent(op.inputs[2]):
        return None
    filters = weights_by_output(weights.integers, groups).astype(np.float64)
    filters = filters.reshape(groups, -1, *filters.shape[1:])
    cells = source.integers.astype(np.float64).reshape(groups, filters.shape[2], -1)
    reach = [
        max(s * (size - 1) + d * (k - 1) + 1, first + count)
        for s, size, d, k, first, count in zip(
            window.strides,
            window.source,
            window.dilations,
            window.kernel,
            window.first_pads,
            window.result,
            strict=True,
        )
    ]
    total = np.zeros((groups, filters.shape[1], *reach))
    for row, column in np.ndindex(window.kernel):
        first, across = row * window.dilations[0], column * window.dilations[1]
        rows = slice(first, first + window.strides[0] * (window.source[0] - 1) + 1, window.strides[0])
        columns = slice(across, across + window.strides[1] * (window.source[1] - 1) + 1, window.strides[1])
        product = filters[..., row, column] @ cells
        total[:, :, rows, columns] += product.reshape(*product.shape[:2], *window.source)
    top, left = window.first_pads
    cut = total[:, :, top : top + window.result[0], left : left + window.result[1]]
    integers = cut.reshape(1, -1, *window.result).astype(np.int64)
    scales = source.scale.item() * weights.scale
    return _with_bias(Exact(integers, scales if scales.size > 1 else scales.reshape(())), bias, (1, -1, 1, 1))


def _channel_scales(source: Exact, weights: Exact, shape: tuple[int, ...]) -> Scales:
    """The exact scale of the products, one or one for each output channel, which `shape` has as its -1."""
    products = source.scale.item() * weights.scale
    return products.reshape(shape if products.size > 1 else ())


def _with_bias(products: Exact, bias: Exact | None, shape: tuple[int, ...]) -> Exact | None:
    """Products plus the bias, which is at the scale of the products or at a binary position of its own."""
    if bias is None or not bias.integers.any():
        return products
    if not bias.is_plain:
        return None
    integers = bias.integers.reshape(shape)
    scale = bias.scale.reshape(shape if bias.scale.size > 1 else ())
    total = summed(products, Exact(integers, scale))
    if total is not None and total.addend is None:
        return total
    if is_bias_scale(*np.broadcast_arrays(scale, products.scale)):
        return Exact(products.integers + integers, products.scale)
    return None


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
    left, right = plain(inputs[0]), plain(inputs[1])
    rest = inputs[2:]
    if left is None or right is None or left.scale.size != 1:
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
    scales = right.scale.T if op.integer("transB", 0) else right.scale
    if scales.size > 1 and scales.shape not in ((1, columns.shape[1]), (columns.shape[1],)):
        return None
    products = Exact(_product(rows, columns).astype(np.int64), _channel_scales(left, Exact(columns, scales), (1, -1)))
    shape = (1, -1) if bias is not None and bias.integers.ndim == 1 else () if bias is None else bias.integers.shape
    return _with_bias(products, bias, shape)


def _matmul(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    """Of two matrices as a layer; of stacks of them, whose sums of int8 products float64 holds exactly."""
    left, right = plain(inputs[0]), plain(inputs[1])
    if left is None or right is None or min(left.integers.ndim, right.integers.ndim) < 2:
        return None
    if left.integers.ndim == right.integers.ndim == 2:
        return _gemm(op, inputs)
    if left.scale.size != 1 or (right.scale.size > 1 and right.scale.size != right.scale.shape[-1]):
        return None
    integers = (left.integers.astype(np.float64) @ right.integers.astype(np.float64)).astype(np.int64)
    products = left.scale.item() * right.scale
    return Exact(integers, products.reshape(-1) if products.size > 1 else products.reshape(()))


def _product(rows: Integers, columns: Integers) -> npt.NDArray[np.float64]:
    """`rows @ columns`, exact as in `_conv`; a part of the columns at a time, because float64 is eight times int8."""
    result = np.empty((rows.shape[0], columns.shape[1]))
    for first in range(0, columns.shape[1], 256):
        part = slice(first, first + 256)
        result[:, part] = rows.astype(np.float64) @ columns[:, part].astype(np.float64)
    return result


def _max_pool(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source, window = inputs[0], window_of(op)
    if source is None or window is None or source.divisor is not None or source.addend is not None:
        return None
    if source.rival is not None or len(op.outputs) != 1:
        return None
    size = cast("tuple[int, ...]", shape_of_value(op.output))[2:]
    lowest = int(np.iinfo(np.int64).min)
    taps = _taps(source.integers.astype(np.int64), window, (size[0], size[1]), lowest)
    return replace(source, integers=np.maximum.reduce([cells for _, _, cells in taps]))


def _average_pool(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source, window = plain(inputs[0]), window_of(op)
    if source is None or window is None or source.scale.size != 1:
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
    return Exact(cast(Integers, sums), source.scale, cast(Integers, counts))


def _reduce_mean(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    sums, cells = _reduce_sum(op, inputs), reduced_count(op)
    return None if sums is None or cells is None else replace(sums, divisor=np.asarray(cells, np.int64))


def _reduce_sum(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    source, axes = plain(inputs[0]), reduced_axes(op)
    if source is None or source.scale.size != 1 or not axes:
        return None
    sums = source.integers.astype(np.int64).sum(axis=axes, keepdims=True)
    return Exact(sums.reshape(cast("tuple[int, ...]", shape_of_value(op.output))), source.scale)


def _concat(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    parts = [part for part in inputs if part is not None and part.is_single and part.divisor is None]
    if len(parts) != len(inputs) or len({part.bounds for part in parts}) > 1:
        return None
    axis = op.integer("axis", 0)
    integers = np.concatenate([part.integers for part in parts], axis=axis)
    if len({part.scale.item() for part in parts if part.scale.size == 1}) == 1 == max(p.scale.size for p in parts):
        return replace(parts[0], integers=integers)
    scales = [np.broadcast_to(part.scale, part.integers.shape) for part in parts]
    return Exact(integers, np.concatenate(scales, axis=axis), bounds=parts[0].bounds)


def moved(value: SSAValue, source: Exact | None) -> Exact | None:
    """The result `value` of an operator that moves elements: the same numbers in other places."""
    if source is None or not source.is_single:
        return None

    def along(values: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        return values if values.size == 1 else move(value, np.broadcast_to(values, source.integers.shape))

    integers, scale = move(value, source.integers), along(source.scale)
    divisor = None if source.divisor is None else along(source.divisor)
    if integers is None or scale is None or (divisor is None) != (source.divisor is None):
        return None
    return replace(source, integers=integers, scale=scale, divisor=divisor)


EXACT_OPERATORS: dict[str, Operator] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    **VALUE_BY_VALUE,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _average_pool,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "Resize": resize,
    "Concat": _concat,
}
