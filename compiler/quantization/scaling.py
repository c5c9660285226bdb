"""
General scales in integers: `round(accumulator · m · 2^-s)` with a multiplier m of 31 bits and a shift s.

    real = scale · (q - zero)        y = saturate(zero_y + round(Σ (x - zero_x) · w · m · 2^-s))

For the exact ratio r = scale_x · scale_w / scale_y, s is what brings r · 2^s into [2^30, 2^31), and m is r · 2^s
rounded half to even. A ratio that is a power of two has m = 2^30, and then this is the shift of `arithmetic`, bit for
bit. One multiplier belongs to one output channel; scales are float32, so products of two are exact in float64.

How far from ONNX Runtime, which computes rint(f32(accumulator) · f32(scale))? m is wrong by at most one part in 2^31,
and each of its four roundings to float32 (accumulator, scale_x · scale_w, the quotient by scale_y, the last product) by
one part in 2^24. Where the result is not saturated, |accumulator · r| is at most 256, so the two real numbers are
less than `DIFFERENCE_BEFORE_ROUNDING` apart: results differ by one at most, and only next to a tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from compiler.quantization.arithmetic import INT8_RANGE, Clamp, Integers, Rounding, round_divide

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

MULTIPLIER_BITS = 31
WIDEST_SHIFT = 62
"""An int32 times a multiplier, plus the half that rounds, stays below 2^63 with a shift up to this."""

MEAN_SHIFT = 46
"""The divisor of a mean is shifted instead: windows of up to 2^16 cells stay below 2^62."""
LARGEST_WINDOW = 1 << (WIDEST_SHIFT - MEAN_SHIFT)

DIFFERENCE_BEFORE_ROUNDING = 256 * (5 * 2.0**-24)
"""Bound of the distance to ONNX Runtime's number before both are rounded: four relative errors of 2^-24 and one of
2^-31, their products included, on at most 256."""


@dataclass(frozen=True)
class Multipliers:
    """Multiplier and shift, for all elements or one for each; both broadcast."""

    factors: npt.NDArray[np.int64]
    shifts: npt.NDArray[np.int64]

    def reshaped(self, *shape: int) -> Multipliers:
        """The same in another shape, so that they broadcast along another axis."""
        return Multipliers(self.factors.reshape(shape), self.shifts.reshape(shape))


class ScaleError(ValueError):
    """Why there is no multiplier for a ratio of scales."""


def multiplier(ratio: Fraction, widest_shift: int = WIDEST_SHIFT) -> tuple[int, int]:
    """(m, s) for one positive ratio. Raises ScaleError for one that needs a left shift of an int32."""
    if ratio <= 0:
        raise ScaleError(f"the ratio of scales is {float(ratio):g}; scales are positive")
    exponent = ratio.numerator.bit_length() - ratio.denominator.bit_length()
    if ratio < Fraction(2) ** exponent:
        exponent -= 1
    shift = MULTIPLIER_BITS - 1 - exponent  # now 2^exponent <= ratio < 2^(exponent + 1)
    factor = round(ratio * Fraction(2) ** shift) if shift <= widest_shift else round(ratio * 2**widest_shift)
    shift = min(shift, widest_shift)
    if factor == 1 << MULTIPLIER_BITS:
        factor, shift = factor >> 1, shift - 1
    if shift < 0:
        raise ScaleError(
            f"the ratio of scales is {float(ratio):g}, and a multiplier reaches 2^{MULTIPLIER_BITS}; scales nearer to "
            "each other would fit"
        )
    return factor, shift


def multipliers(products: npt.NDArray[np.float64], result: float, widest_shift: int = WIDEST_SHIFT) -> Multipliers:
    """Multiplier and shift of every element of `products`, exact scales of accumulators, for a result of one scale."""
    values, places = np.unique(products, return_inverse=True)
    pairs = [multiplier(Fraction(float(value)) / Fraction(result), widest_shift) for value in values]
    chosen = np.array(pairs, np.int64).reshape(-1, 2)[places.reshape(products.shape)]
    return Multipliers(chosen[..., 0], chosen[..., 1])


def sum_multipliers(scales: Sequence[float], result: float) -> tuple[tuple[int, ...], int]:
    """
    Multipliers for the operands of a sum and the one shift they share, so that the sum is rounded once.

    The largest ratio decides the shift; the others have fewer bits, with the same absolute error of half a unit.
    """
    ratios = [Fraction(scale) / Fraction(result) for scale in scales]
    _, shift = multiplier(max(ratios))
    return tuple(round(ratio * Fraction(2) ** shift) for ratio in ratios), shift


def scale_round(accumulator: Integers, by: Multipliers, rounding: Rounding = "half_even") -> npt.NDArray[np.int64]:
    """`accumulator · m · 2^-s` rounded to an integer; the accumulator is an int32."""
    return round_shifts(accumulator.astype(np.int64) * by.factors, by.shifts, rounding)


def round_shifts(
    values: npt.NDArray[np.int64], shifts: npt.NDArray[np.int64], rounding: Rounding
) -> npt.NDArray[np.int64]:
    """`values · 2^-shifts` rounded; a shift for each element, 0 … 62, and |values| below 2^62."""
    half = (np.int64(1) << shifts) >> 1
    if rounding == "half_up":
        return (values + half) >> shifts
    odd = (values >> shifts) & 1
    return np.where(shifts == 0, values, (values + half - 1 + odd) >> shifts)


def scale_mean(total: Integers, count: Integers, ratio: tuple[int, int], rounding: Rounding) -> npt.NDArray[np.int64]:
    """`total / count · m · 2^-s` as an exact fraction, rounded once."""
    factor, shift = ratio
    return round_divide(total.astype(np.int64) * factor, count.astype(np.int64) << shift, rounding)


def integer_bounds(bounds: tuple[float, float], scale: float, zero_point: int, rounding: Rounding) -> Clamp:
    """
    The int8 clamp after rounding that equals real bounds before it.

    Rounding is monotone, so it commutes with minimum and maximum: round(min(x, b)) = min(round(x), round(b)).
    """
    limits: list[int] = []
    for bound, end in zip(bounds, INT8_RANGE, strict=True):
        if not np.isfinite(bound):
            limits.append(end)
            continue
        exact = Fraction(bound) / Fraction(scale)
        rounded = round(exact) if rounding == "half_even" else (exact + Fraction(1, 2)).__floor__()
        limits.append(min(max(zero_point + rounded, INT8_RANGE[0]), INT8_RANGE[1]))
    return limits[0], limits[1]


def is_bias_scale(bias: Floats, products: npt.NDArray[np.float64]) -> bool:
    """
    Whether a bias lies at the scale of the products, so that its integers are added as they are.

    Quantisers write the product rounded to float32, or next to it; ONNX Runtime's integer operators take no scale at
    all.
    """
    nearest = products.astype(np.float32)
    return bool(np.all(np.abs(bias.astype(np.float64) - nearest) <= np.spacing(nearest)))
