"""What kernels mean, against definitions that know nothing of arenas: exact fractions, plain loops over pixels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.kernels.footprint import footprint
from compiler.kernels.parameters import TABLE_WORDS, Kernel, Parameter, Rounding, pack
from compiler.kernels.semantics import KERNELS, Call, requantise
from compiler.kernels.weight_chunk import encode_chunk

Words = npt.NDArray[np.int32]
P = Parameter
ROUNDINGS = st.sampled_from(Rounding)
CLAMPS = st.sampled_from([(-128, 127), (0, 127), (-3, 40)])
OUT = 600


def rounded(value: Fraction, rounding: Rounding, clamp: tuple[int, int] = (-128, 127)) -> int:
    """To the nearest integer, ties as the rounding says; then saturated and clamped."""
    low = value.numerator // value.denominator
    rest = value - low
    tie_up = rounding is Rounding.HALF_UP or low % 2 == 1
    result = low + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and tie_up))
    return min(max(min(max(result, -128), 127), clamp[0]), clamp[1])


@given(st.integers(-(2**30), 2**30), st.integers(0, 30), ROUNDINGS, CLAMPS)
def test_requantising_rounds_the_exact_quotient_once(
    value: int, shift: int, rounding: Rounding, clamp: tuple[int, int]
) -> None:
    params = pack({P.SHIFT: shift, P.ROUNDING: rounding, P.CLAMP_LOW: clamp[0], P.CLAMP_HIGH: clamp[1]})
    found = requantise(params, np.array([value], np.int64))
    assert found.tolist() == [rounded(Fraction(value, 1 << shift), rounding, clamp)]


@pytest.mark.parametrize(
    ("rounding", "expected"), [(Rounding.HALF_EVEN, [-2, -2, 0, 0, 2, 2]), (Rounding.HALF_UP, [-2, -1, 0, 1, 2, 3])]
)
def test_ties_go_where_the_rounding_says(rounding: Rounding, expected: list[int]) -> None:
    params = pack({P.SHIFT: 1, P.ROUNDING: rounding, P.CLAMP_LOW: -128, P.CLAMP_HIGH: 127})
    assert requantise(params, np.array([-5, -3, -1, 1, 3, 5])).tolist() == expected


def memory(rows: list[npt.NDArray[np.int8]], values: dict[Parameter, int]) -> tuple[Words, Words]:
    """Parameters with a row table, and an arena that holds each row [block][pixel][8] in a slot of its own."""
    arena = np.zeros(1024, np.int32)
    taps = np.full(TABLE_WORDS, -1, np.int32)
    for index, row in enumerate(rows):
        taps[index] = 100 * index
        arena.view(np.int8)[400 * index : 400 * index + row.size] = row.reshape(-1)
    return np.concatenate([pack(values), taps]), arena


def stored(arena: Words, blocks: int, width: int) -> npt.NDArray[np.int8]:
    return arena.view(np.int8)[4 * OUT : 4 * OUT + blocks * width * 8].reshape(blocks, width, 8)


def random_rows(count: int, blocks: int, width: int, seed: int) -> list[npt.NDArray[np.int8]]:
    random = np.random.default_rng(seed)
    return [random.integers(-128, 128, (blocks, width, 8)).astype(np.int8) for _ in range(count)]


def call(blocks: int, row: int = 0) -> Call:
    return Call(weights=0, out=OUT, partial=0, blocks=blocks, first=1, last=1, row=row)


@given(
    blocks=st.integers(1, 2),
    width=st.integers(1, 6),
    shifts=st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 8)),
    rounding=ROUNDINGS,
    seed=st.integers(0, 99),
)
def test_an_addition_is_exact_until_it_is_rounded(
    blocks: int, width: int, shifts: tuple[int, int, int], rounding: Rounding, seed: int
) -> None:
    left, right = random_rows(2, blocks, width, seed)
    params, arena = memory(
        [left, right],
        {
            P.TAPS: 2,
            P.WIDTH: width,
            P.BLOCK_STRIDE: 2 * width,
            P.SHIFT_A: shifts[0],
            P.SHIFT_B: shifts[1],
            P.SHIFT: shifts[2],
            P.ROUNDING: rounding,
            P.CLAMP_LOW: -128,
            P.CLAMP_HIGH: 127,
        },
    )
    KERNELS[Kernel.ADD](params, arena, call(blocks))
    found = stored(arena, blocks, width)
    for index in np.ndindex(found.shape):
        exact = Fraction((int(left[index]) << shifts[0]) + (int(right[index]) << shifts[1]), 1 << shifts[2])
        assert found[index] == rounded(exact, rounding)


@given(
    kernel=st.sampled_from((Kernel.MAX_POOL, Kernel.AVG_POOL)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    origin=st.tuples(st.integers(-2, 0), st.integers(-2, 0)),
    counted=st.booleans(),
    finer=st.integers(-3, 3),
    rounding=ROUNDINGS,
    seed=st.integers(0, 99),
)
def test_a_pool_looks_at_the_cells_of_its_window_on_the_map(
    kernel: Kernel,
    size: tuple[int, int],
    stride: int,
    origin: tuple[int, int],
    counted: bool,
    finer: int,
    rounding: Rounding,
    seed: int,
) -> None:
    map_width, width = 5, 2
    # the window has at least one cell on the map
    top, left = max(origin[0], 1 - size[0]), max(origin[1], 1 - size[1])
    rows = random_rows(size[0], 1, map_width, seed)
    params, arena = memory(
        rows,
        {
            P.TAPS: size[0],
            P.WIDTH: width,
            P.BLOCK_STRIDE: 2 * map_width,
            P.KERNEL_WIDTH: size[1],
            P.COLUMN_STRIDE: stride,
            P.COLUMN_ORIGIN: left,
            P.MAP_WIDTH: map_width,
            P.ROW_ORIGIN: top,
            P.COUNT_LEFT: left if counted else 0,
            P.COUNT_RIGHT: map_width,
            P.COUNT_TOP: top if counted else 0,
            P.COUNT_BOTTOM: size[0],
            P.NUMERATOR_SHIFT: max(finer, 0),
            P.DENOMINATOR_SHIFT: max(-finer, 0),
            P.ROUNDING: rounding,
            P.CLAMP_LOW: -128,
            P.CLAMP_HIGH: 127,
        },
    )
    # rows above the map are border
    params[64 : 64 - top] = -1
    KERNELS[kernel](params, arena, call(1))
    found = stored(arena, 1, width)
    for pixel, channel in np.ndindex(width, 8):
        start = left + pixel * stride
        columns = range(max(start, 0), min(start + size[1], map_width))
        cells = [int(rows[tap][0, column, channel]) for tap in range(-top, size[0]) for column in columns]
        if kernel is Kernel.MAX_POOL:
            assert found[0, pixel, channel] == max(cells)
            continue
        outside = 0 if counted else -min(start, 0)
        high = size[0] if counted else size[0] + top
        divisor = high * (min(start + size[1], map_width) - start - outside)
        exact = Fraction(sum(cells), divisor) * Fraction(2) ** finer
        assert found[0, pixel, channel] == rounded(exact, rounding)


def test_a_call_touches_what_its_footprint_says() -> None:
    chunk = encode_chunk(
        np.array([0, 1], np.int32), np.zeros(8, np.int32), np.array([0], np.int32), np.ones((1, 8, 8), np.int8)
    )
    params, arena = memory(random_rows(1, 1, 3, 0), {P.TAPS: 1, P.WIDTH: 3, P.INPUT_SLOT: 6})
    arena[800 : 800 + chunk.size] = chunk
    last = Call(weights=800, out=OUT, partial=700, blocks=1, first=1, last=1, row=0)
    touched = footprint(Kernel.CONV, params, arena, last)
    assert touched.reads == ((0, 6), (800, 800 + chunk.size))
    assert touched.writes == ((OUT, OUT + 6),)
    # a middle chunk reads and writes sums of whole steps of eight pixels instead of an output
    middle = footprint(Kernel.CONV, params, arena, Call(800, OUT, 700, 1, 0, 0, 0))
    assert middle.reads[-1] == middle.writes[0] == (700, 764)


@given(
    width=st.integers(1, 9),
    rounding=ROUNDINGS,
    shifts=st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 8)),
    clamps=st.tuples(CLAMPS, CLAMPS),
    seed=st.integers(0, 99),
)
def test_a_skip_gives_what_an_addition_after_the_convolution_gives(
    width: int,
    rounding: Rounding,
    shifts: tuple[int, int, int],
    clamps: tuple[tuple[int, int], tuple[int, int]],
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    row, skip = random_rows(2, 2, width, seed)
    values = random.integers(-128, 128, (2, 8, 8)).astype(np.int8)
    bias = random.integers(-9999, 9999, 16).astype(np.int32)
    chunk = encode_chunk(np.array([0, 1, 2], np.int32), bias, np.array([0, 2 * width], np.int32), values)
    (inner_low, inner_high), (low, high) = clamps
    own = {P.SHIFT: 8, P.CLAMP_LOW: inner_low, P.CLAMP_HIGH: inner_high, P.ROUNDING: rounding}
    geometry = {P.TAPS: 1, P.WIDTH: width}
    between = {P.SHIFT_A: shifts[0], P.SHIFT_B: shifts[1]}

    params, arena = memory([row], {**geometry, **own})
    arena[800 : 800 + chunk.size] = chunk
    KERNELS[Kernel.CONV](params, arena, Call(800, OUT, 0, 2, 1, 1, 0))
    made = stored(arena, 2, width)
    ends = {P.SHIFT: shifts[2], P.CLAMP_LOW: low, P.CLAMP_HIGH: high, P.ROUNDING: rounding}
    params, arena = memory([made, skip], {P.TAPS: 2, P.WIDTH: width, P.BLOCK_STRIDE: 2 * width, **between, **ends})
    KERNELS[Kernel.ADD](params, arena, call(2))
    expected = stored(arena, 2, width)

    sums = {P.SUM_SHIFT: shifts[2], P.SUM_CLAMP_LOW: low, P.SUM_CLAMP_HIGH: high}
    together = np.concatenate([row, skip])
    params, arena = memory([together], {**geometry, **own, **between, **sums, P.SKIP: 4 * width})
    arena[800 : 800 + chunk.size] = chunk
    KERNELS[Kernel.CONV](params, arena, Call(800, OUT, 0, 2, 1, 1, 0))
    np.testing.assert_array_equal(stored(arena, 2, width), expected)


def test_operands_too_far_apart_are_no_skip() -> None:
    params, arena = memory(random_rows(1, 1, 1, 0), {P.TAPS: 1, P.WIDTH: 1, P.SKIP: 1, P.SHIFT_B: 7})
    chunk = encode_chunk(
        np.array([0, 0], np.int32), np.zeros(8, np.int32), np.zeros(0, np.int32), np.zeros((0, 8, 8), np.int8)
    )
    arena[800 : 800 + chunk.size] = chunk
    with pytest.raises(AssertionError, match="by 0 and a skip row by 7, by at most 6 each"):
        KERNELS[Kernel.CONV](params, arena, Call(800, OUT, 0, 1, 1, 1, 0))


@given(st.integers(0, 99), st.integers(1, 5))
def test_input_chunks_add_up_to_the_whole(seed: int, width: int) -> None:
    """Two chunks through partial sums give what one chunk over all inputs gives."""
    random = np.random.default_rng(seed)
    row = random_rows(1, 2, width, seed)
    values = random.integers(-128, 128, (2, 8, 8)).astype(np.int8)
    bias = random.integers(-9999, 9999, 8).astype(np.int32)
    constants = {
        P.TAPS: 1,
        P.WIDTH: width,
        P.SHIFT: 7,
        P.CLAMP_LOW: -128,
        P.CLAMP_HIGH: 127,
    }
    results: list[npt.NDArray[np.int8]] = []
    for parts in ([[0, 1]], [[0], [1]]):
        params, arena = memory(row, constants)
        for number, part in enumerate(parts):
            offsets = np.array([block * width * 2 for block in part], np.int32)
            chunk = encode_chunk(np.array([0, len(part)], np.int32), bias, offsets, values[part])
            arena[800 : 800 + chunk.size] = chunk
            first, last = int(number == 0), int(number + 1 == len(parts))
            KERNELS[Kernel.CONV](params, arena, Call(800, OUT, 700, 1, first, last, 0))
        results.append(stored(arena, 1, width).copy())
    np.testing.assert_array_equal(results[0], results[1])
