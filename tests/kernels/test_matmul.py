"""The product of two matrices in a core: its body against its meaning, and that against matrices."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from kernels.cases import Case, Words, check, clamps, noise, output, region, roundings, seeds, table

from compiler.kernels.call import requantise
from compiler.kernels.footprint import footprint
from compiler.kernels.parameters import Kernel, Parameter, Rounding, pack
from compiler.kernels.rescaling import Rescaling
from compiler.kernels.row_steps import computed_pixels
from compiler.kernels.semantics import KERNELS, Call
from compiler.kernels.weight_chunk import ChunkView, product_head_words
from compiler.quantization.scaling import multipliers

P = Parameter
SLOT, OUT, PARTIAL = 16, 700, 1200


zero_points = st.sampled_from((-128, -3, 0, 7, 127)) | st.integers(-128, 127)


def operands(params: Words, arena: Words, call: Call) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The matrices in the slot: pixels by terms, and terms by output channels."""
    depth, width = int(params[P.DEPTH]), int(params[P.WIDTH])
    words = 16 * call.blocks * depth
    right = arena[SLOT : SLOT + words].view(np.int8).reshape(call.blocks, depth, 8, 8).astype(np.int64)
    row = arena[SLOT + words : SLOT + words + depth * width * 2].view(np.int8).reshape(depth, width, 8)
    if params[P.TRANSPOSED]:
        right = right.swapaxes(2, 3)
    matrix = right.transpose(1, 2, 0, 3).reshape(8 * depth, 8 * call.blocks)
    return row.transpose(1, 0, 2).reshape(width, -1).astype(np.int64), matrix


@st.composite
def matmuls(draw: st.DrawFn) -> Case:
    """Up to three blocks of outputs and of a sum's channels, of up to 33 pixels, in a slot of noise."""
    blocks, depth, width = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 33))
    low, high = draw(clamps)
    transposed = draw(st.booleans())
    params = pack(
        {
            P.TAPS: 1,
            P.WIDTH: width,
            P.BLOCK_STRIDE: 2 * width,
            P.DEPTH: depth,
            P.TRANSPOSED: transposed,
            P.SHIFT: draw(st.integers(0, 16)),
            P.ROUNDING: draw(roundings),
            P.CLAMP_LOW: low,
            P.CLAMP_HIGH: high,
        }
    )
    call = Call(0, OUT, PARTIAL, blocks, 1, 1, 0)
    defined, touched = output(call, width)
    words = ChunkView.of(blocks, 1).offsets + blocks * depth
    touched |= region(PARTIAL, words) | region(SLOT, 16 * blocks * depth)
    return Case(np.concatenate([params, table([SLOT])]), noise(draw(seeds)), call, defined, touched)


@st.composite
def scaled_matmuls(draw: st.DrawFn) -> Case:
    """The same with zero-points and a multiplier; what fills up the last block of terms is 0 in the right operand."""
    case, rounding = draw(matmuls()), draw(roundings)
    depth, width, blocks = int(case.params[P.DEPTH]), int(case.params[P.WIDTH]), case.call.blocks
    terms = 8 * depth - draw(st.integers(0, 7))
    right = case.arena[SLOT : SLOT + 16 * blocks * depth].view(np.int8).reshape(blocks, depth, 8, 8)
    (right.swapaxes(2, 3) if case.params[P.TRANSPOSED] else right)[:, -1, terms - 8 * (depth - 1) :] = 0
    scale = draw(st.floats(2.0**-16, 2.0**-6)) if draw(st.booleans()) else 2.0 ** -draw(st.integers(6, 16))
    name = "half_up" if rounding is Rounding.HALF_UP else "half_even"
    rescaling = Rescaling.of_products(multipliers(np.array(scale), 1.0), name, terms)
    low, high = rescaling.digits
    numbers = {
        P.TERMS: terms,
        P.ZERO_A: draw(zero_points),
        P.ZERO_B: draw(zero_points),
        P.ZERO: draw(zero_points),
        P.FACTOR_A: low,
        P.FACTOR_B: high,
        P.TIE_MASK: int(rescaling.masks[0]),
        P.SHIFT: rescaling.shift,
        P.ROUNDING: rounding,
    }
    for parameter, value in numbers.items():
        case.params[parameter] = value
    sums = region(PARTIAL, product_head_words(blocks, depth) + blocks * computed_pixels(width) * 8)
    return replace(case, touched=case.touched | sums)


@given(scaled_matmuls())
def test_the_body_with_zero_points_and_a_multiplier_computes_what_it_means(case: Case) -> None:
    check(Kernel.SCALED_MATMUL, case)


@given(scaled_matmuls())
def test_zero_points_come_off_before_products(case: Case) -> None:
    """Against fractions, term by term."""
    params, call = case.params, case.call
    arena = case.arena.copy()
    depth, width, terms = (int(params[each]) for each in (P.DEPTH, P.WIDTH, P.TERMS))
    left, right = operands(params, arena, call)
    zero_a, zero_b, zero = (int(params[each]) for each in (P.ZERO_A, P.ZERO_B, P.ZERO))
    total = (left[:, :terms] - zero_a) @ (right[:terms] - zero_b)
    touched = footprint(Kernel.SCALED_MATMUL, params, arena, call)
    KERNELS[Kernel.SCALED_MATMUL](params, arena, call)
    found = arena[OUT : OUT + call.blocks * width * 2].view(np.int8).reshape(call.blocks, width, 8)
    factor = int(params[P.FACTOR_B]) << 30 | int(params[P.FACTOR_A])
    for (pixel, channel), number in np.ndenumerate(total):
        exact = Fraction(int(number) * factor, 1 << int(params[P.SHIFT]) + 45)
        rounded = round(exact) if params[P.ROUNDING] == Rounding.HALF_EVEN else floor(exact + Fraction(1, 2))
        expected = min(max(rounded + zero, int(params[P.CLAMP_LOW])), int(params[P.CLAMP_HIGH]))
        assert found[channel // 8, pixel, channel % 8] == expected
    changed = np.flatnonzero(arena != case.arena)
    assert all(any(low <= word < high for low, high in touched.writes) for word in changed)
    assert touched.reads == ((SLOT, SLOT + 16 * call.blocks * depth + depth * width * 2),)


@given(matmuls())
def test_the_body_computes_what_it_means(case: Case) -> None:
    check(Kernel.MATMUL, case)


@given(matmuls())
def test_it_multiplies_matrices(case: Case) -> None:
    params, arena, call = case.params, case.arena.copy(), case.call
    depth, width = int(params[P.DEPTH]), int(params[P.WIDTH])
    words = 16 * call.blocks * depth
    left, right = operands(params, arena, call)
    total = left @ right
    touched = footprint(Kernel.MATMUL, params, arena, call)
    KERNELS[Kernel.MATMUL](params, arena, call)
    found = arena[OUT : OUT + call.blocks * width * 2].view(np.int8).reshape(call.blocks, width, 8)
    np.testing.assert_array_equal(found, requantise(params, total).reshape(width, call.blocks, 8).swapaxes(0, 1))
    changed = np.flatnonzero(arena != case.arena)
    assert all(any(low <= word < high for low, high in touched.writes) for word in changed)
    assert touched.reads == ((SLOT, SLOT + words + depth * width * 2),)
