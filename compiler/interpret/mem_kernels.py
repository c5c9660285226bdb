"""
What a core computes at the memory level: its whole share at once, from its input stream and its weight chunks.

    stream   int8[passes, rows of one pass, bytes of a row]     result   int8[rows, blocks, width, 8]

No slots, rings or partial sums here: those are the array level's way of getting the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from compiler.interpret.mem_convolutions import conv, scaled_conv
from compiler.interpret.mem_parameters import Bytes, Parameters, clamp_of, rounding_of, rows_of
from compiler.interpret.mem_pools import avg_pool, max_pool
from compiler.kernels.parameters import FACTOR_DIGIT_BITS, Kernel
from compiler.kernels.rescaling import DIGIT_BITS, DIGITS, DISTANCE
from compiler.kernels.weight_chunk import BLOCK_WORDS
from compiler.quantization.arithmetic import requantise, saturate_int8
from compiler.quantization.scaling import round_shifts


def _pairs(parameters: Parameters, stream: Bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of two operands, which alternate, each shifted left or less a zero-point."""
    rows = rows_of(parameters, stream).astype(np.int64)
    left, right = (
        (rows[number::2] - parameters.get(f"zero_{name}", 0)) << parameters.get(f"shift_{name}", 0)
        for number, name in enumerate("ab")
    )
    return left, right


def _narrowed(parameters: Parameters, total: npt.NDArray[np.int64]) -> Bytes:
    return requantise(total, parameters["shift"], rounding_of(parameters), clamp_of(parameters))


def add(parameters: Parameters, stream: Bytes) -> Bytes:
    """The sum of two rows."""
    left, right = _pairs(parameters, stream)
    return _narrowed(parameters, left + right)


def subtract(parameters: Parameters, stream: Bytes) -> Bytes:
    """The difference of two rows."""
    left, right = _pairs(parameters, stream)
    return _narrowed(parameters, left - right)


def multiply(parameters: Parameters, stream: Bytes) -> Bytes:
    """The product of two rows."""
    left, right = _pairs(parameters, stream)
    return _narrowed(parameters, left * right)


def scaled_multiply(parameters: Parameters, stream: Bytes) -> Bytes:
    """The product of two rows, times one multiplier, whose lowest places are 0."""
    left, right = _pairs(parameters, stream)
    return _rescaled(parameters, left * right)


def _rescaled(parameters: Parameters, total: npt.NDArray[np.int64]) -> Bytes:
    """Sums times the one multiplier of all channels."""
    factor = parameters["factor_b"] << 2 * DIGIT_BITS | parameters["factor_a"]
    shift = np.array(parameters["shift"] + DIGITS * DIGIT_BITS - DISTANCE)
    rounded = round_shifts(total * (factor >> DISTANCE), shift, rounding_of(parameters))
    return saturate_int8(rounded + parameters["zero"], clamp_of(parameters))


def lookup(parameters: Parameters, stream: Bytes, table: npt.NDArray[np.int32]) -> Bytes:
    """What a table, in the order of bytes without a sign, has for each value."""
    return table[rows_of(parameters, stream).astype(np.int64) & 255].astype(np.int8)


def _matrices(parameters: Parameters, stream: Bytes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """
    [pixel][term] and [block][term][8] from the blocks of the right operand, then one row of the left one, whose pixels
    are as many as the result's.
    """
    blocks, depth, width = parameters["blocks"], parameters["depth"], parameters["width"]
    words = blocks * depth * BLOCK_WORDS
    right = stream[0, 0, : 4 * words].reshape(blocks, depth, 8, 8)
    if parameters["transposed"]:
        right = right.swapaxes(2, 3)
    left = stream[0, 0, 4 * words :].reshape(depth, width, 8).transpose(1, 0, 2).reshape(width, -1)
    return left.astype(np.float64), right.reshape(blocks, -1, 8).astype(np.float64)


def matmul(parameters: Parameters, stream: Bytes) -> Bytes:
    """One row of a matrix product."""
    left, right = _matrices(parameters, stream)
    return _narrowed(parameters, (left @ right).astype(np.int64)[None])


def scaled_matmul(parameters: Parameters, stream: Bytes) -> Bytes:
    """The same of as many terms as count, less their zero-points."""
    left, right = _matrices(parameters, stream)
    terms = slice(parameters["terms"])
    total = (left[:, terms] - parameters["zero_a"]) @ (right[:, terms] - parameters["zero_b"])
    return _rescaled(parameters, total.astype(np.int64)[None])


def extremum(parameters: Parameters, stream: Bytes, chosen: np.ufunc) -> Bytes:
    """The larger or the smaller of two rows."""
    return saturate_int8(chosen(*_pairs(parameters, stream)), clamp_of(parameters))


def scaled_rows(parameters: Parameters, stream: Bytes, signs: tuple[int, ...]) -> Bytes:
    """Rows of the operands alternate; each has a multiplier and a zero-point."""
    rows = rows_of(parameters, stream).astype(np.int64)
    total = np.zeros(rows[:: len(signs)].shape, np.int64)
    for number, (sign, name) in enumerate(zip(signs, "ab", strict=False)):
        around = rows[number :: len(signs)] - parameters[f"zero_{name}"]
        total += sign * around * parameters[f"factor_{name}"]
    shift = np.array(parameters["shift"] + FACTOR_DIGIT_BITS)
    rounded = round_shifts(total, shift, rounding_of(parameters)) + parameters["zero"]
    return saturate_int8(rounded, clamp_of(parameters))


def requantise_rows(parameters: Parameters, stream: Bytes) -> Bytes:
    """Another fixed-point position."""
    rows = rows_of(parameters, stream).astype(np.int64)
    shift = parameters.get("shift", 0) - parameters.get("shift_a", 0)
    return requantise(rows, shift, rounding_of(parameters), clamp_of(parameters))


def compute(
    kernel: Kernel, parameters: Parameters, stream: Bytes, chunks: Sequence[npt.NDArray[np.int32]]
) -> list[Bytes]:
    """A core's output, one array [rows][blocks][width][8] per output chunk."""
    match kernel:
        case Kernel.CONV | Kernel.CONV_20:
            return conv(parameters, stream, chunks)
        case Kernel.SCALED_CONV:
            return scaled_conv(parameters, stream, chunks)
        case Kernel.SCALED_ADD:
            return [scaled_rows(parameters, stream, (1, 1))]
        case Kernel.SCALED_SUBTRACT:
            return [scaled_rows(parameters, stream, (1, -1))]
        case Kernel.SCALED_REQUANTISE:
            return [scaled_rows(parameters, stream, (1,))]
        case Kernel.SCALED_MULTIPLY:
            return [scaled_multiply(parameters, stream)]
        case Kernel.ADD:
            return [add(parameters, stream)]
        case Kernel.SUBTRACT:
            return [subtract(parameters, stream)]
        case Kernel.MULTIPLY:
            return [multiply(parameters, stream)]
        case Kernel.LOOKUP:
            return [lookup(parameters, stream, chunks[0])]
        case Kernel.MATMUL:
            return [matmul(parameters, stream)]
        case Kernel.SCALED_MATMUL:
            return [scaled_matmul(parameters, stream)]
        case Kernel.MAXIMUM:
            return [extremum(parameters, stream, np.maximum)]
        case Kernel.MINIMUM:
            return [extremum(parameters, stream, np.minimum)]
        case Kernel.REQUANTISE:
            return [requantise_rows(parameters, stream)]
        case Kernel.MAX_POOL:
            return [max_pool(parameters, stream)]
        case Kernel.AVG_POOL:
            return [avg_pool(parameters, stream)]
