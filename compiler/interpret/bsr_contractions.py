"""
Sums of products at the bsr level: convolutions, dense layers and matrix products.

Of weights only the stored blocks are looked at, those that Γ marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import Attribute, SSAValue

from compiler.quantization.arithmetic import add_int8, requantise, saturate_int8
from compiler.quantization.scaling import Multipliers, scale_round
from dialects.bsr import (
    BLOCK,
    Conv2dOp,
    GemmOp,
    MatMulOp,
    WeightsOp,
    contraction_multipliers,
    position_of,
    shape_of,
    zero_point_of,
)

Array: TypeAlias = npt.NDArray[Any]
Values: TypeAlias = Mapping[SSAValue, Array]


def around_zero(values: Array, type: Attribute) -> npt.NDArray[np.int64]:
    """The integers of a map less its zero-point: proportional to what they mean."""
    return values.astype(np.int64) - zero_point_of(type)


def _contract(weights: WeightsOp, columns: Array, taps: int) -> npt.NDArray[np.int64]:
    """`Σ w·x + bias` per output channel: `columns` is (taps, input blocks, 8, pixels), the result (outputs, pixels)."""
    gamma, blocks = weights.gamma_mask(), weights.block_values()
    filters = blocks.reshape(len(blocks), taps, BLOCK, BLOCK)
    values = columns.astype(np.float32)
    total = np.zeros((gamma.shape[0] * BLOCK, columns.shape[-1]))
    first = 0
    for row, marked in enumerate(gamma):
        where = np.flatnonzero(marked)
        stored = filters[first : first + len(where)]
        first += len(where)
        if len(where) == 0:
            continue
        taken = values if len(where) == len(marked) else values[:, where]
        # (blocks, taps, 8 inputs, 8 outputs) against (taps, blocks, 8 inputs, pixels)
        matrix = stored.transpose(1, 0, 2, 3).reshape(-1, BLOCK)
        dtype = _exact_dtype(matrix)
        products = matrix.T.astype(dtype) @ taken.reshape(len(matrix), -1).astype(dtype, copy=False)
        total[row * BLOCK : (row + 1) * BLOCK] = products
    return total[: weights.shape[0]].astype(np.int64) + weights.bias_values().astype(np.int64)[:, None]


def _exact_dtype(matrix: npt.NDArray[np.int8]) -> type[np.float32 | np.float64]:
    """The narrowest float that adds every product with int8 exactly: float32 holds all integers up to 2**24."""
    bound = 128 * int(np.abs(matrix, dtype=np.int16).sum(axis=0, dtype=np.int64).max())
    return np.float32 if bound <= 2**24 else np.float64


def _in_blocks(values: Array) -> Array:
    """Channels padded with zeros to whole blocks: (blocks, 8, rows, columns) of a (1, channels, rows, columns) map."""
    _, channels, rows, columns = values.shape
    padded = np.pad(values[0], ((0, -channels % BLOCK), (0, 0), (0, 0)))
    return padded.reshape(-1, BLOCK, rows, columns)


def conv2d(op: Conv2dOp, values: Values) -> Array:
    _, outputs, rows, columns = shape_of(op.result.type)
    top, left, bottom, right = op.pads
    blocks, zero = _in_blocks(values[op.input]), zero_point_of(op.input.type)
    padded = np.pad(blocks, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=zero)
    taps = [
        padded[
            :,
            :,
            row * op.dilations[0] : row * op.dilations[0] + (rows - 1) * op.strides[0] + 1 : op.strides[0],
            column * op.dilations[1] : column * op.dilations[1] + (columns - 1) * op.strides[1] + 1 : op.strides[1],
        ].reshape(*padded.shape[:2], rows * columns)
        for row in range(op.kernel[0])
        for column in range(op.kernel[1])
    ]
    accumulator = _contract(op.weights_op(), np.stack(taps), len(taps)).reshape(1, outputs, rows, columns)
    if op.is_scaled:
        return _rescaled(accumulator, contraction_multipliers(op).reshaped(1, -1, 1, 1), op)
    if op.skip is None:
        return requantise(accumulator, op.shift, op.rounding, op.clamp)
    inner = requantise(accumulator, op.shift, op.rounding, op.inner_clamp)
    skip, position = values[op.skip], position_of(op.skip.type)
    return add_int8(inner, op.inner_position, skip, position, position_of(op.result.type), op.rounding, op.clamp)


def _rescaled(accumulator: Array, by: Multipliers, op: Conv2dOp | GemmOp) -> Array:
    """An accumulator as int8 of a general scale: the zero-point takes part before saturation."""
    return saturate_int8(zero_point_of(op.result.type) + scale_round(accumulator, by, op.rounding), op.clamp)


def gemm(op: GemmOp, values: Values) -> Array:
    source = values[op.input]
    blocks = _in_blocks(source.reshape(1, source.shape[1], *(*source.shape[2:], 1, 1)[:2]))
    taps = blocks.reshape(*blocks.shape[:2], -1).transpose(2, 0, 1)[..., None]
    accumulator = _contract(op.weights_op(), taps, len(taps)).reshape(1, -1)
    if op.is_scaled:
        return _rescaled(accumulator, contraction_multipliers(op).reshaped(1, -1), op)
    return requantise(accumulator, op.shift, op.rounding, op.clamp)


def matmul(op: MatMulOp, values: Values) -> Array:
    """Head by head, in float64, which adds integers below 2**53 exactly."""
    left, right = (
        around_zero(values[value], value.type).astype(np.float64).reshape(op.heads, -1, shape_of(value.type)[3])
        for value in (op.left, op.right)
    )
    if op.transposed:
        right = right.transpose(0, 2, 1)
    total = (right @ left).astype(np.int64).reshape(shape_of(op.result.type))
    if op.is_scaled:
        rounded = scale_round(total, op.multipliers(), op.rounding)
        return saturate_int8(zero_point_of(op.result.type) + rounded, op.clamp)
    return requantise(total, op.shift, op.rounding, op.clamp)
