"""Multipliers and shifts against exact fractions, and against what ONNX Runtime computes in float32."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.quantization.arithmetic import Rounding, requantise, saturate_int8
from compiler.quantization.scaling import (
    DIFFERENCE_BEFORE_ROUNDING,
    MEAN_SHIFT,
    ScaleError,
    integer_bounds,
    is_bias_scale,
    multiplier,
    multipliers,
    scale_mean,
    scale_round,
    sum_multipliers,
)

ROUNDINGS = st.sampled_from(("half_even", "half_up"))
SCALES = st.floats(2.0**-20, 2.0**4, width=32)
ACCUMULATORS = st.integers(-(2**31) + 2, 2**31 - 2)


def rounded(value: Fraction, rounding: Rounding) -> int:
    return round(value) if rounding == "half_even" else (value + Fraction(1, 2)).__floor__()


@given(SCALES, SCALES, SCALES)
def test_the_multiplier_has_31_bits_and_an_error_of_one_in_two_to_the_31(x: float, w: float, y: float) -> None:
    ratio = Fraction(x) * Fraction(w) / Fraction(y)
    factor, shift = multiplier(ratio)
    assert 0 <= shift <= 62
    assert 2**30 <= factor < 2**31 or shift == 62
    assert abs(Fraction(factor, 2**shift) - ratio) <= ratio / 2**31 or shift == 62


@given(ACCUMULATORS, SCALES, SCALES, ROUNDINGS)
def test_scale_round_is_the_rounded_product(accumulator: int, x: float, y: float, rounding: Rounding) -> None:
    by = multipliers(np.array([x]), y)
    expected = rounded(accumulator * Fraction(int(by.factors[0]), 2 ** int(by.shifts[0])), rounding)
    assert scale_round(np.array([accumulator]), by, rounding).tolist() == [expected]


@given(ACCUMULATORS, st.integers(0, 31), ROUNDINGS)
def test_powers_of_two_are_shifts(accumulator: int, shift: int, rounding: Rounding) -> None:
    by = multipliers(np.array([2.0**-shift]), 1.0)
    assert by.factors.tolist() == [2**30]
    found = saturate_int8(scale_round(np.array([accumulator]), by, rounding))
    assert found.tolist() == requantise(np.array([accumulator]), shift, rounding).tolist()


@given(st.integers(-1000, 1000), st.integers(1, 12), ROUNDINGS)
def test_exact_ties_follow_the_rounding(odd: int, shift: int, rounding: Rounding) -> None:
    tie = (2 * odd + 1) << (shift - 1)
    by = multipliers(np.array([2.0**-shift]), 1.0)
    expected = odd + 1 if rounding == "half_up" else odd + (odd & 1)
    assert scale_round(np.array([tie]), by, rounding).tolist() == [expected]


@given(st.lists(ACCUMULATORS, min_size=1, max_size=50), SCALES, SCALES, SCALES)
def test_onnx_runtimes_formula_differs_only_next_to_a_tie(values: list[int], x: float, w: float, y: float) -> None:
    x, w, y = (float(np.float32(scale)) for scale in (x, w, y))
    accumulators = np.array(values, np.int64)
    theirs = accumulators.astype(np.float32) * (np.float32(x) * np.float32(w) / np.float32(y))
    ours = scale_round(accumulators, multipliers(np.array([x * w]), y))
    inside = np.abs(theirs) <= 255
    difference = np.abs(np.rint(theirs[inside]) - ours[inside])
    assert np.all(difference <= 1)
    from_tie = np.abs(np.abs(theirs[inside].astype(np.float64) % 1) - 0.5)
    assert np.all(from_tie[difference == 1] <= DIFFERENCE_BEFORE_ROUNDING)


@given(st.integers(-(2**20), 2**20), st.integers(1, 2**12), SCALES, SCALES, ROUNDINGS)
def test_a_mean_is_one_fraction_rounded_once(total: int, count: int, x: float, y: float, rounding: Rounding) -> None:
    factor, shift = multiplier(Fraction(x) / Fraction(y), MEAN_SHIFT)
    expected = rounded(Fraction(total * factor, count << shift), rounding)
    assert scale_mean(np.array([total]), np.array([count]), (factor, shift), rounding).tolist() == [expected]


@given(SCALES, SCALES, SCALES)
def test_operands_of_a_sum_share_a_shift(a: float, b: float, y: float) -> None:
    factors, shift = sum_multipliers((a, b), y)
    for factor, scale in zip(factors, (a, b), strict=True):
        assert abs(Fraction(factor, 2**shift) - Fraction(scale) / Fraction(y)) <= Fraction(1, 2 ** (shift + 1))
    assert max(factors) < 2**31


@given(st.floats(-10, 10), st.floats(-10, 10), SCALES, st.integers(-128, 127), ROUNDINGS)
def test_bounds_commute_with_rounding(value: float, bound: float, scale: float, zero: int, rounding: Rounding) -> None:
    clamp = integer_bounds((-np.inf, bound), scale, zero, rounding)
    first = max(-128, min(127, zero + rounded(Fraction(min(value, bound)) / Fraction(scale), rounding)))
    later = max(-128, min(127, zero + rounded(Fraction(value) / Fraction(scale), rounding)))
    assert max(clamp[0], min(clamp[1], later)) == first


def test_a_ratio_beyond_the_multiplier_is_refused() -> None:
    with pytest.raises(ScaleError, match=r"ratio of scales is 4.29497e\+09, and a multiplier reaches 2\^31"):
        multiplier(Fraction(2**32))


def test_the_scale_of_a_bias_is_the_product_rounded_to_float32() -> None:
    products = np.array([0.1, 0.3]).astype(np.float32).astype(np.float64) * float(np.float32(0.7))
    assert is_bias_scale(products.astype(np.float32), products)
    assert not is_bias_scale((products * 1.001).astype(np.float32), products)
