"""Every sum that a window can have is divided by its number of cells, and rounded, as exact fractions say."""

from dataclasses import astuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compiler.interpret.kernel_body import run_kernel_body
from compiler.kernels.bodies.assembler import W32, Assembler
from compiler.kernels.bodies.quotient import Divisors, Reciprocal, divided
from compiler.kernels.bodies.vector_unit import store_pairs
from compiler.kernels.parameters import TABLE_WORDS, Parameter, Rounding, pack
from compiler.kernels.pool_steps import MOST_CELLS, MOST_QUOTIENT_SHIFT
from compiler.kernels.semantics import Call

Sums = npt.NDArray[np.int64]
GROUPS = 16
OUT = 32 * GROUPS


def program(by_products: bool) -> Assembler:
    """Divides GROUPS groups of sums by `Call.blocks` cells."""
    body = Assembler("divides", OUT + 8 * GROUPS)
    divisors = Divisors.of(body, body.arguments.blocks)
    cells = body.as_word(body.arguments.blocks)
    totals = [body.load(body.index(32 * group), W32) for group in range(GROUPS)]
    if by_products:
        store_pairs(body, totals, body.index(OUT), Reciprocal.of(divisors, cells).quotients)
    else:
        for group, total in enumerate(totals):
            body.store(divided(divisors, total, cells), body.index(OUT + 8 * group))
    return body


PROGRAMS = {by_products: program(by_products).finish() for by_products in (True, False)}


def quotients(sums: Sums, cells: int, by_products: bool, shifts: tuple[int, int], rounding: Rounding) -> Sums:
    """What the code of a core makes of sums."""
    bounds = {Parameter.CLAMP_LOW: -128, Parameter.CLAMP_HIGH: 127, Parameter.ROUNDING: rounding}
    scales = {Parameter.NUMERATOR_SHIFT: shifts[0], Parameter.DENOMINATOR_SHIFT: shifts[1]}
    params = np.concatenate([pack({**bounds, **scales}), np.zeros(TABLE_WORDS, np.int32)])
    found: list[npt.NDArray[np.int8]] = []
    for begin in range(0, sums.size, 32 * GROUPS):
        arena = np.zeros(OUT + 8 * GROUPS, np.int32)
        part = sums[begin : begin + 32 * GROUPS]
        arena[: part.size] = part
        run_kernel_body(PROGRAMS[by_products], [params, arena, *astuple(Call(0, 0, 0, cells, 1, 1, 0))])
        found.append(arena[OUT:].view(np.int8)[: part.size])
    return np.concatenate(found).astype(np.int64)


def exact(sums: Sums, cells: int, shifts: tuple[int, int], rounding: Rounding) -> Sums:
    """Σ·2^a / (cells·2^b) to the nearest integer, in int64."""
    divisor = cells << shifts[1]
    quotient, rest = np.divmod(sums << shifts[0], divisor)
    tie_up = (quotient & 1 == 1) | (rounding is Rounding.HALF_UP)
    return np.clip(quotient + ((2 * rest > divisor) | ((2 * rest == divisor) & tie_up)), -128, 127)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("cells", [*range(1, 28), 30, 35, 36, 48, 49, 63, 64, 65, 81, 99, 100, 101, 125, 126, 127, 128])
def test_every_sum_is_divided_exactly(cells: int, rounding: Rounding) -> None:
    sums = np.arange(-128 * cells, 128 * cells + 1)
    np.testing.assert_array_equal(quotients(sums, cells, True, (0, 0), rounding), exact(sums, cells, (0, 0), rounding))


@given(
    st.integers(1, MOST_CELLS),
    st.tuples(st.integers(0, MOST_QUOTIENT_SHIFT), st.just(0)) | st.tuples(st.just(0), st.integers(0, 8)),
    st.sampled_from(Rounding),
)
@example(127, (MOST_QUOTIENT_SHIFT, 0), Rounding.HALF_EVEN)
@example(113, (MOST_QUOTIENT_SHIFT, 0), Rounding.HALF_EVEN)
def test_sums_near_ties_are_divided_exactly_when_scaled(
    cells: int, shifts: tuple[int, int], rounding: Rounding
) -> None:
    """The ties of every result, with the sums beside them, and the ends of what a sum can be."""
    up, down = shifts
    halves = np.arange(-257, 258) * (cells << down) >> (up + 1)
    sums = np.concatenate([halves + near for near in (-1, 0, 1)] + [np.array([-128, 127]) * cells])
    sums = sums[(sums >= -128 * cells) & (sums <= 127 * cells)]
    np.testing.assert_array_equal(quotients(sums, cells, True, shifts, rounding), exact(sums, cells, shifts, rounding))


@given(
    st.integers(1, 4096),
    st.tuples(st.integers(0, 10), st.just(0)) | st.tuples(st.just(0), st.integers(0, 9)),
    st.sampled_from(Rounding),
    st.integers(0, 99),
)
def test_sums_of_any_window_are_divided_digit_by_digit(
    cells: int, shifts: tuple[int, int], rounding: Rounding, seed: int
) -> None:
    up, down = shifts
    halves = np.arange(-257, 258) * (cells << down) >> (up + 1)
    some = np.random.default_rng(seed).integers(-128 * cells, 127 * cells + 1, 300)
    sums = np.concatenate([halves, halves + 1, some, np.array([-128, 127]) * cells])
    sums = sums[(sums >= -128 * cells) & (sums <= 127 * cells)]
    np.testing.assert_array_equal(quotients(sums, cells, False, shifts, rounding), exact(sums, cells, shifts, rounding))
