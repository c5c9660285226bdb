"""
The integer arithmetic of every level, once: shift and round, saturate, requantise, add, average.

A value is `real = q * 2**-position`. All functions take and return numpy integer arrays; sums are carried in 64 bits
here, and whoever calls them has proved that 32 bits would do. Two roundings
exist and differ only on exact ties:

    half_even   2.5 -> 2   3.5 -> 4   -2.5 -> -2      ONNX QuantizeLinear, the default
    half_up     2.5 -> 3   3.5 -> 4   -2.5 -> -2      the DPU: floor(x + 1/2)

Nothing here knows about tensors' shapes or about the IR, so that interpreters, kernel models and tests share it.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Rounding: TypeAlias = Literal["half_even", "half_up"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
Clamp: TypeAlias = tuple[int, int]
Integers: TypeAlias = npt.NDArray[np.signedinteger[Any]]

INT8_RANGE: Clamp = (-128, 127)
LARGEST_ACCUMULATOR = 2**31 - 2
"""An int32 accumulator stays within this, one less than it could, because rounding half to even may subtract one."""

_WIDEST_SHIFT = 62
"""A 64-bit value shifted further is zero (right) or saturated (left)."""

_WIDEST_MEAN_SHIFT = 32
"""The mean of up to 2**23 int8 shifted further is zero (right), or saturated unless it is zero (left)."""


def round_shift(accumulator: Integers, shift: int, rounding: Rounding = "half_even") -> npt.NDArray[np.int64]:
    """
    `accumulator * 2**-shift`, rounded to an integer; a negative shift multiplies, and saturates at 2**62 rather than
    wrap.

    Half up is one addition before the shift. Half even is the same, except that an even quotient takes one less: a
    tie then stays below.
    """
    wide = accumulator.astype(np.int64)
    if shift == 0:
        return wide
    if shift < 0:
        left = min(-shift, _WIDEST_SHIFT)
        limit = np.int64(1) << (_WIDEST_SHIFT - left)
        return np.clip(wide, -limit, limit) << left
    right = min(shift, _WIDEST_SHIFT)
    half = np.int64(1) << (right - 1)
    if rounding == "half_up":
        return (wide + half) >> right
    return (wide + (half - 1) + ((wide >> right) & 1)) >> right


def saturate_int8(values: Integers, clamp: Clamp = INT8_RANGE) -> npt.NDArray[np.int8]:
    """Values outside `clamp`, itself within int8, become its nearest end."""
    return np.clip(values, clamp[0], clamp[1]).astype(np.int8)


def requantise(
    accumulator: Integers, shift: int, rounding: Rounding = "half_even", clamp: Clamp = INT8_RANGE
) -> npt.NDArray[np.int8]:
    """An accumulator as int8, `shift` binary places coarser."""
    return saturate_int8(round_shift(accumulator, shift, rounding), clamp)


def add_int8(
    left: Integers,
    left_position: int,
    right: Integers,
    right_position: int,
    position: int,
    rounding: Rounding = "half_even",
    clamp: Clamp = INT8_RANGE,
) -> npt.NDArray[np.int8]:
    """The sum of two fixed-point arrays at `position`: both brought to the finer position, then rounded once."""
    finer = max(left_position, right_position)
    total = (left.astype(np.int64) << (finer - left_position)) + (right.astype(np.int64) << (finer - right_position))
    return requantise(total, finer - position, rounding, clamp)


def average(
    total: Integers,
    count: Integers | int,
    shift: int,
    rounding: Rounding = "half_even",
    clamp: Clamp = INT8_RANGE,
) -> npt.NDArray[np.int8]:
    """`total / count * 2**-shift` as an exact fraction, rounded once. `count` is positive and broadcasts."""
    numerator = total.astype(np.int64) << min(max(-shift, 0), _WIDEST_MEAN_SHIFT)
    divisor = np.asarray(count, dtype=np.int64) << min(max(shift, 0), _WIDEST_MEAN_SHIFT)
    return saturate_int8(round_divide(numerator, divisor, rounding), clamp)


def round_divide(
    numerator: npt.NDArray[np.int64], divisor: npt.NDArray[np.int64], rounding: Rounding
) -> npt.NDArray[np.int64]:
    """
    The fraction rounded to an integer; the divisor is positive.

    The quotient is floored; what is left over, doubled, against the divisor says on which side of the tie it lies.
    """
    quotient, remainder = np.divmod(numerator, divisor)
    doubled = 2 * remainder
    up = doubled >= divisor
    if rounding == "half_even":
        up &= (doubled > divisor) | ((quotient & 1) == 1)
    return quotient + up


def accumulator_bound(weights: Integers, bias: Integers, largest: int = 128) -> int:
    """
    The largest |Σ x·w + bias| that any input with |x| at most `largest` can cause, over output channels (first axis).

    Partial sums in any order are bounded by it as well: every term enters with its absolute value.
    """
    if weights.size == 0:
        return int(np.abs(bias.astype(np.int64)).max(initial=0))
    magnitudes = np.abs(weights.reshape(len(weights), -1), dtype=np.int16, casting="unsafe").sum(axis=1, dtype=np.int64)
    return int((largest * magnitudes + np.abs(bias.astype(np.int64))).max())
