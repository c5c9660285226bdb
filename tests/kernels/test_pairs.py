"""Differences, products and extrema of pairs of rows: bodies against meanings, and meanings against fractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.cases import INT8, Case, Words, check, elementwise, noise, output, table
from kernels.test_scaled_bodies import scaled_rows

from compiler.kernels.parameters import FACTOR_DIGIT_BITS, LARGEST_WEIGHT_SHIFT, Kernel, Parameter, Rounding, pack
from compiler.kernels.rescaling import DIGIT_BITS, Rescaling
from compiler.kernels.semantics import KERNELS, Call
from compiler.quantization.scaling import multipliers

P = Parameter
CALL = Call(0, 1000, 0, 1, 1, 1, 0)
ROWS = {P.TAPS: 2, P.WIDTH: 32, P.BLOCK_STRIDE: 64, **INT8}
EVERY = np.arange(-128, 128).astype(np.int8)
SOME = (*range(-128, 128, 17), 127, 0, -1, 64)


def rounded(exact: Fraction, rounding: Rounding, zero: int = 0) -> int:
    """Once, then saturated."""
    nearest = round(exact) if rounding is Rounding.HALF_EVEN else floor(exact + Fraction(1, 2))
    return min(max(nearest + zero, -128), 127)


def assert_every_byte_gives(kernel: Kernel, params: Words, exact: Callable[[int, int], int]) -> None:
    """Every first operand with some second ones."""
    words = np.concatenate([params, table([0, 64])])
    for other in SOME:
        arena = noise(3)
        arena[:64], arena[64:128] = EVERY.view(np.int32), np.full(256, other, np.int8).view(np.int32)
        check(kernel, Case(words, arena, CALL, *output(CALL, 32)))
        KERNELS[kernel](words, arena, CALL)
        assert arena[1000:1064].view(np.int8).tolist() == [exact(value, other) for value in EVERY.tolist()]


@given(elementwise(taps=2))
def test_subtraction(case: Case) -> None:
    check(Kernel.SUBTRACT, case)


@given(elementwise(taps=2, largest_shift=LARGEST_WEIGHT_SHIFT))
def test_multiplication(case: Case) -> None:
    check(Kernel.MULTIPLY, case)


@given(case=elementwise(taps=2), kernel=st.sampled_from((Kernel.MAXIMUM, Kernel.MINIMUM)))
def test_extrema(case: Case, kernel: Kernel) -> None:
    check(kernel, case)


@given(scaled_rows(operands=2))
def test_scaled_subtraction(case: Case) -> None:
    check(Kernel.SCALED_SUBTRACT, case)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize(("left", "right", "shift"), [(0, 0, 0), (0, 3, 2), (6, 0, 7), (7, 1, 9), (0, 12, 31)])
def test_every_difference_of_bytes_is_rounded_as_a_fraction(
    left: int, right: int, shift: int, rounding: Rounding
) -> None:
    params = pack({**ROWS, P.SHIFT: shift, P.SHIFT_A: left, P.SHIFT_B: right, P.ROUNDING: rounding})
    assert_every_byte_gives(
        Kernel.SUBTRACT, params, lambda a, b: rounded(Fraction((a << left) - (b << right), 1 << shift), rounding)
    )


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize(("left", "right", "shift"), [(0, 0, 0), (0, 0, 7), (0, 0, 14), (0, 0, 31), (6, 2, 0)])
def test_every_product_of_bytes_is_rounded_as_a_fraction(left: int, right: int, shift: int, rounding: Rounding) -> None:
    params = pack({**ROWS, P.SHIFT: shift, P.SHIFT_A: left, P.SHIFT_B: right, P.ROUNDING: rounding})
    assert_every_byte_gives(
        Kernel.MULTIPLY, params, lambda a, b: rounded(Fraction((a << left) * (b << right), 1 << shift), rounding)
    )


@pytest.mark.parametrize(("kernel", "chosen"), [(Kernel.MAXIMUM, max), (Kernel.MINIMUM, min)])
def test_every_extremum_of_bytes_is_clamped(kernel: Kernel, chosen: Callable[[int, int], int]) -> None:
    params = pack({**ROWS, P.CLAMP_LOW: -100, P.CLAMP_HIGH: 90})
    assert_every_byte_gives(kernel, params, lambda a, b: min(max(chosen(a, b), -100), 90))


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("zeros", [(0, 0, 0), (-128, 127, -3), (5, -7, 127)])
@pytest.mark.parametrize("ratio", [2.0**-2, 3 * 2.0**-9, 0.0123, 0.499, 2.0**-20, 2.0**-31])
def test_every_scaled_product_of_bytes_is_rounded_as_a_fraction(
    ratio: float, zeros: tuple[int, int, int], rounding: Rounding
) -> None:
    by = multipliers(np.array(ratio), 1.0)
    name = "half_even" if rounding is Rounding.HALF_EVEN else "half_up"
    rescaling = Rescaling.of_products(by, name)
    low, high = rescaling.digits
    scaled = {P.FACTOR_A: low, P.FACTOR_B: high, P.TIE_MASK: int(rescaling.masks[0]), P.SHIFT: rescaling.shift}
    around = {P.ZERO_A: zeros[0], P.ZERO_B: zeros[1], P.ZERO: zeros[2], P.ROUNDING: rounding}
    exact = Fraction(int(by.factors), 1 << int(by.shifts))

    def expected(a: int, b: int) -> int:
        return rounded((a - zeros[0]) * (b - zeros[1]) * exact, rounding, zeros[2])

    assert_every_byte_gives(Kernel.SCALED_MULTIPLY, pack({**ROWS, **scaled, **around}), expected)
    assert low < 1 << 2 * DIGIT_BITS


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("factors", [(1 << 30, 1 << 30), (3 << 28, 1 << 29), (1518500250, 7)])
def test_every_scaled_difference_of_bytes_is_rounded_as_a_fraction(
    factors: tuple[int, int], rounding: Rounding
) -> None:
    numbers = {P.FACTOR_A: factors[0], P.FACTOR_B: factors[1], P.ZERO_A: -3, P.ZERO_B: 7, P.ZERO: 5}
    params = pack({**ROWS, **numbers, P.SHIFT: 31 - FACTOR_DIGIT_BITS, P.ROUNDING: rounding})
    assert_every_byte_gives(
        Kernel.SCALED_SUBTRACT,
        params,
        lambda a, b: rounded(Fraction((a + 3) * factors[0] - (b - 7) * factors[1], 1 << 31), rounding, 5),
    )
