"""The bodies of the scaled kernels write what their numpy meanings write; those are held against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.cases import ARENA_WORDS, INT8, Case, check, clamps, noise, output, region, roundings, seeds, table

from compiler.kernels.parameters import FACTOR_DIGIT_BITS, Kernel, Parameter, Rounding, pack
from compiler.kernels.rescaling import HEAD_WORDS, Rescaling
from compiler.kernels.row_steps import computed_pixels, steps_of_row
from compiler.kernels.semantics import KERNELS, Call
from compiler.kernels.weight_chunk import encode_chunk
from compiler.quantization.scaling import multipliers

P = Parameter


@st.composite
def scaled_convolutions(draw: st.DrawFn) -> Case:
    """One call: sides and rows of zero-points or none, the first and last input chunk or others."""
    blocks, inputs, taps = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    width, first, last = draw(st.integers(1, 35)), draw(st.booleans()), draw(st.booleans())
    rounding, rng = draw(roundings), np.random.default_rng(draw(seeds))
    left, right = draw(st.integers(0, 2)), draw(st.integers(0, 1))
    parts = draw(st.integers(1, 2))
    channels, row_pixels = 8 * blocks, (width + 2) * parts
    scales = np.exp2(-rng.uniform(6, 12, channels))
    if draw(st.booleans()):
        scales = np.exp2(np.floor(np.log2(scales)))
    bias = rng.integers(-5000, 5000, channels).astype(np.int32)
    name = "half_up" if rounding is Rounding.HALF_UP else "half_even"
    rescaling = Rescaling.of(multipliers(scales, 1.0), bias, np.full(channels, 2**15), name)
    edges = rng.integers(-3000, 3000, (draw(st.sampled_from((0, taps))), channels)).astype(np.int32)
    words = rescaling.words(slice(0, channels), edges)
    counts = rng.integers(0, 3, blocks * taps)
    offsets = np.concatenate([rng.choice(3 * inputs, count, replace=False) for count in counts])
    places = (offsets // 3 * 2 * (width + 2) + offsets % 3 * 2).astype(np.int32)
    values = rng.integers(-128, 128, (places.size, 8, 8)).astype(np.int8)
    chunk = encode_chunk(np.cumsum([0, *counts], dtype=np.int32), rescaling.bias, places, values, words)
    slot, weights, partial, out = inputs * 2 * row_pixels, 1000, 3000, 2500
    on_map = range(draw(st.integers(0, 1)), taps - draw(st.integers(0, 1)))
    rows = [tap * slot if tap in on_map else -1 for tap in range(taps)]
    arena = noise(draw(seeds))
    arena[weights : weights + chunk.size] = chunk
    sums = blocks * computed_pixels(width) * 8
    row = rng.integers(-(2**15), 2**15, (blocks, 64, 8))
    for step in steps_of_row(width):
        here = row[:, step.pixel : step.pixel + step.size].reshape(-1)
        arena[partial + blocks * step.done * 8 :][: here.size] = here
    low, high = draw(clamps)
    params = pack(
        {
            P.TAPS: taps,
            P.WIDTH: width,
            P.BLOCK_STRIDE: 2 * row_pixels,
            P.COLUMN_STRIDE: parts,
            P.SHIFT: rescaling.shift,
            P.ZERO: draw(st.integers(-128, 127)),
            P.ZERO_A: draw(st.integers(-128, 127)),
            P.RESCALING_WORDS: words.size // blocks,
            P.EDGE_LEFT: left,
            P.EDGE_RIGHT: right,
            P.EDGE_BLOCKS: inputs,
            P.EDGE_STRIDE: 2 * row_pixels // parts,
            P.CLAMP_LOW: low,
            P.CLAMP_HIGH: high,
        }
    )
    call = Call(weights, out, partial, blocks, int(first), int(last), 0)
    defined, touched = output(call, width) if last else (region(0, 0), region(0, 0))
    for tap in on_map:
        for column in (*range(left), *range(row_pixels - right, row_pixels)):
            place, part = divmod(column, parts)
            for block in range(inputs):
                word = (part * inputs + block) * (row_pixels // parts) + place
                defined |= region(tap * slot + 2 * word, 2)
    if not last:
        for step in steps_of_row(width):
            kept = np.zeros((blocks, step.size, 8), np.bool_)
            kept[:, : min(step.size, width - step.pixel)] = True
            first_word = partial + blocks * step.done * 8
            defined[first_word : first_word + kept.size] |= kept.reshape(-1)
    return Case(np.concatenate([params, table(rows)]), arena, call, defined, touched | defined | region(partial, sums))


@given(scaled_convolutions())
def test_scaled_convolution(case: Case) -> None:
    check(Kernel.SCALED_CONV, case)


@st.composite
def scaled_rows(draw: st.DrawFn, operands: int) -> Case:
    """Any multipliers and zero-points; powers of two, which have ties, among them."""
    blocks, width = draw(st.integers(1, 3)), draw(st.integers(1, 21))
    factor = st.integers(0, 2**31 - 1) | st.integers(20, 30).map(lambda bit: 1 << bit)
    numbers = {
        P.FACTOR_A: draw(factor),
        P.ZERO_A: draw(st.integers(-128, 127)),
        P.FACTOR_B: draw(factor) if operands == 2 else 0,
        P.ZERO_B: draw(st.integers(-128, 127)),
        P.ZERO: draw(st.integers(-128, 127)),
    }
    low, high = draw(clamps)
    params = pack(
        {
            P.TAPS: operands,
            P.WIDTH: width,
            P.BLOCK_STRIDE: 2 * width,
            P.SHIFT: draw(st.integers(1, 31)),
            P.ROUNDING: draw(roundings),
            P.CLAMP_LOW: low,
            P.CLAMP_HIGH: high,
            **numbers,
        }
    )
    call = Call(0, 3000, 0, blocks, 1, 1, 0)
    rows = [10 + 2000 * tap for tap in range(operands)]
    return Case(np.concatenate([params, table(rows)]), noise(draw(seeds)), call, *output(call, width))


@given(scaled_rows(operands=2))
def test_scaled_addition(case: Case) -> None:
    check(Kernel.SCALED_ADD, case)


@given(scaled_rows(operands=1))
def test_scaled_requantisation(case: Case) -> None:
    check(Kernel.SCALED_REQUANTISE, case)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("zero", [-128, -3, 0, 7, 127])
@pytest.mark.parametrize("factor", [1 << 30, 3 << 28, 1518500250])
def test_every_byte_is_rounded_as_a_fraction(factor: int, zero: int, rounding: Rounding) -> None:
    """With 2^30 and 3 · 2^28 every second value, and every fourth, is a tie."""
    shift = 31 - FACTOR_DIGIT_BITS
    numbers = {P.FACTOR_A: factor, P.ZERO_A: zero, P.ZERO: zero // 2, P.SHIFT: shift, P.ROUNDING: rounding}
    params = pack({P.TAPS: 1, P.WIDTH: 32, P.BLOCK_STRIDE: 64, **INT8, **numbers})
    words = np.concatenate([params, table([0])])
    arena = noise(0)
    arena[:64] = np.arange(-128, 128).astype(np.int8).view(np.int32)
    call = Call(0, 1000, 0, 1, 1, 1, 0)
    check(Kernel.SCALED_REQUANTISE, Case(words, arena, call, *output(call, 32)))
    KERNELS[Kernel.SCALED_REQUANTISE](words, arena, call)
    expected: list[int] = []
    for value in range(-128, 128):
        exact = Fraction((value - zero) * factor, 1 << 31)
        nearest = round(exact) if rounding is Rounding.HALF_EVEN else floor(exact + Fraction(1, 2))
        expected.append(min(max(nearest + zero // 2, -128), 127))
    assert arena[1000:1064].view(np.int8).tolist() == expected


def test_the_chunk_ends_its_head_with_the_multipliers() -> None:
    assert ARENA_WORDS > HEAD_WORDS
    words = np.arange(2 * HEAD_WORDS, dtype=np.int32)
    empty = encode_chunk(
        np.zeros(3, np.int32), np.zeros(16, np.int32), np.zeros(0, np.int32), np.zeros((0, 8, 8), np.int8), words
    )
    np.testing.assert_array_equal(empty[int(empty[0]) - words.size : int(empty[0])], words)
