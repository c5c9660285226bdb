"""Values of the reference between Dequantize and QuantizeLinear: bounds become integers where they can, exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.interpret.exact_value import Exact, plain

BOUNDS = st.one_of(
    st.just(None), st.integers(-200, 200).map(float), st.integers(-4000, 4000).map(lambda number: number / 64)
)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=20), st.integers(-6, 12), BOUNDS, BOUNDS)
def test_bounds_taken_into_the_integers_change_no_value(
    integers: list[int], position: int, first: float | None, second: float | None
) -> None:
    low = -np.inf if first is None else first if second is None else min(first, second)
    high = np.inf if second is None else second if first is None else max(first, second)
    value = Exact(np.array(integers, np.int64), np.array(2.0**-position), bounds=(low, high))
    found = plain(value)
    assert found is not None
    assert found.is_plain
    wanted = [min(max(Fraction(number) / Fraction(2) ** position, low), high) for number in integers]
    assert [Fraction(int(number)) * Fraction(found.scale.item()) for number in found.integers] == wanted


@pytest.mark.parametrize(
    "value",
    [
        Exact(np.array([1]), np.array(0.3), bounds=(-1.0, 1.0)),
        Exact(np.array([1]), np.array([0.5, 0.25]), bounds=(-1.0, 1.0)),
        Exact(np.array([1]), np.array(0.5), bounds=(-0.1, 1.0)),
        Exact(np.array([1]), np.array(0.5), divisor=np.array(3)),
        Exact(np.array([1]), np.array(0.5), addend=Exact(np.array([1]), np.array(0.25))),
    ],
    ids=["general scale", "a scale for each channel", "bound that is no fraction of two", "mean", "sum"],
)
def test_what_no_integers_stand_for_has_no_plain_form(value: Exact) -> None:
    assert plain(value) is None


def test_a_general_scale_may_be_held_at_zero() -> None:
    found = plain(Exact(np.array([-3, 5]), np.array(0.3), bounds=(0.0, np.inf)))
    assert found is not None
    assert found.integers.tolist() == [0, 5]
