"""Shift, round, saturate, add and average against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.quantization.arithmetic import (
    Rounding,
    accumulator_bound,
    add_int8,
    average,
    requantise,
    round_shift,
    saturate_int8,
)

ROUNDINGS = st.sampled_from(("half_even", "half_up"))
INT8 = st.integers(-128, 127)


def rounded(value: Fraction, rounding: Rounding) -> int:
    """The definition: Python's round of a Fraction is half to even; half up is the floor of value + 1/2."""
    return round(value) if rounding == "half_even" else (value + Fraction(1, 2)).__floor__()


def saturated(value: int) -> int:
    return max(-128, min(127, value))


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("half_even", [-4, -2, -2, 0, 0, 2, 2, 4]), ("half_up", [-3, -2, -1, 0, 1, 2, 3, 4])],
)
def test_ties_are_where_the_roundings_differ(rounding: Rounding, expected: list[int]) -> None:
    ties = np.array([-7, -5, -3, -1, 1, 3, 5, 7])
    assert round_shift(ties, 1, rounding).tolist() == expected


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-20, 70), ROUNDINGS)
def test_round_shift_is_a_rounded_fraction(value: int, shift: int, rounding: Rounding) -> None:
    expected = rounded(value * Fraction(2) ** -shift, rounding)
    assert round_shift(np.array([value]), shift, rounding).tolist() == [expected]


@given(st.integers(-(2**31), 2**31 - 1), st.integers(21, 90))
def test_a_huge_left_shift_saturates_instead_of_wrapping(value: int, shift: int) -> None:
    assert saturate_int8(round_shift(np.array([value]), -shift)).tolist() == [saturated(value << shift)]


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 31), ROUNDINGS, INT8, INT8)
def test_requantise_saturates_and_then_clamps(value: int, shift: int, rounding: Rounding, a: int, b: int) -> None:
    low, high = sorted((a, b))
    expected = max(low, min(high, saturated(rounded(Fraction(value, 2**shift), rounding))))
    assert requantise(np.array([value]), shift, rounding, (low, high)).tolist() == [expected]


@given(INT8, st.integers(-5, 12), INT8, st.integers(-5, 12), st.integers(-5, 12), ROUNDINGS)
def test_add_rounds_once(a: int, a_position: int, b: int, b_position: int, position: int, rounding: Rounding) -> None:
    real = a * Fraction(2) ** -a_position + b * Fraction(2) ** -b_position
    expected = saturated(rounded(real * Fraction(2) ** position, rounding))
    found = add_int8(np.array([a]), a_position, np.array([b]), b_position, position, rounding)
    assert found.tolist() == [expected]


@given(st.integers(-(2**20), 2**20), st.integers(1, 300), st.integers(-10, 10), ROUNDINGS)
def test_average_is_an_exact_fraction_rounded_once(total: int, count: int, shift: int, rounding: Rounding) -> None:
    expected = saturated(rounded(Fraction(total, count) * Fraction(2) ** -shift, rounding))
    assert average(np.array([total]), count, shift, rounding).tolist() == [expected]


@given(st.lists(INT8, min_size=1, max_size=20), st.integers(-1000, 1000))
def test_accumulator_bound_is_reached_by_the_worst_input(weights: list[int], bias: int) -> None:
    values = np.array([weights], np.int8)
    worst = np.where(values < 0, 127, -128).astype(np.int64)
    bound = accumulator_bound(values, np.array([bias]))
    reached = max(abs(int((worst * values).sum()) + bias), abs(int((-128 * np.sign(values) * values).sum()) + bias))
    assert reached <= bound <= 128 * sum(map(abs, weights)) + abs(bias)
