"""
Every kernel body, run operation by operation, writes the bytes that its numpy meaning writes.

Compiled for this processor, where llvmlite is installed, it writes every word of memory as it does operation by
operation, and stops at the same faults with the same words.

The arena starts as noise, so a read of a byte that the kernel has no business with changes the result. Each case
compares the whole output region, and everything beyond it except the slack that a last group of pixels may touch.
"""

from __future__ import annotations

from dataclasses import astuple
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.cases import (
    ARENA_WORDS,
    BODIES,
    BY_STEPS,
    INT8,
    Case,
    Words,
    check,
    clamps,
    elementwise,
    noise,
    output,
    region,
    roundings,
    seeds,
    table,
)
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from compiler.interpret.kernel_body import run_kernel_body
from compiler.jit.kernels import CompiledKernels
from compiler.jit.machine import has_jit
from compiler.kernels.bodies import KERNEL_BODIES, kernel_functions
from compiler.kernels.bodies.assembler import W8, W16, W32, Assembler
from compiler.kernels.bodies.faults import KernelBodyError
from compiler.kernels.bodies.vector_unit import ACCUMULATOR, B64, MULTIPLY_ACCUMULATE, SET, SHUFFLE, Requantiser
from compiler.kernels.parameters import LARGEST_WEIGHT_SHIFT, Kernel, Parameter, Rounding, pack
from compiler.kernels.row_steps import computed_pixels, steps_of, steps_of_row, surplus_reach
from compiler.kernels.semantics import Call, requantise
from compiler.kernels.weight_chunk import encode_chunk
from compiler.quantization.arithmetic import LARGEST_ACCUMULATOR


@st.composite
def skips(draw: st.DrawFn, far: int) -> dict[Parameter, int]:
    """Parameters of the addition of a skip row that lies `far` behind the input row."""
    low, high = draw(clamps)
    return {
        Parameter.SKIP: far,
        Parameter.SHIFT_A: draw(st.integers(0, LARGEST_WEIGHT_SHIFT)),
        Parameter.SHIFT_B: draw(st.integers(0, LARGEST_WEIGHT_SHIFT)),
        Parameter.SUM_SHIFT: draw(st.integers(0, 8)),
        Parameter.SUM_CLAMP_LOW: low,
        Parameter.SUM_CLAMP_HIGH: high,
    }


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    """One call: border rows, empty rows of Γ, first and last input chunk in every combination, skips."""
    blocks, inputs, taps, columns = (draw(st.integers(1, most)) for most in (3, 2, 3, 3))
    width, kernel = draw(st.integers(1, 41)), draw(st.sampled_from(BY_STEPS))
    sizes = steps_of(kernel)
    first, last = draw(st.booleans()), draw(st.booleans())
    seed = draw(seeds)
    rng = np.random.default_rng(seed)
    row_pixels = width - 1 + columns
    block_words = 2 * row_pixels
    chosen = [
        [
            (channel, column)
            for channel in range(inputs)
            for column in range(columns)
            if rng.random() < draw(st.sampled_from((0.0, 0.5, 1.0)))
        ]
        for _ in range(blocks * taps)
    ]
    offsets = np.array([c * block_words + 2 * x for cells in chosen for c, x in cells], np.int32)
    chunk = encode_chunk(
        np.cumsum([0, *map(len, chosen)], dtype=np.int32),
        rng.integers(-5000, 5000, blocks * 8, np.int32),
        offsets,
        rng.integers(-128, 128, (offsets.size, 8, 8), np.int8),
    )
    slot, weights = inputs * block_words, 1400
    on_map = range(draw(st.integers(0, 1)), taps - draw(st.integers(0, 1)))
    rows = [tap * slot if tap in on_map else -1 for tap in range(taps)]
    arena = noise(seed)
    arena[weights : weights + chunk.size] = chunk
    partial, out = 3000, 2370
    kept = region(partial, 0)
    sums = rng.integers(-(2**20), 2**20, (blocks, width, 8), np.int32)
    for one in steps_of_row(width, sizes):
        for block in range(blocks):
            words = partial + 8 * (one.done * blocks + block * one.size)
            pixels = sums[block, one.pixel : one.pixel + one.size].reshape(-1)
            arena[words : words + pixels.size] = pixels
            kept |= region(words, pixels.size)
    low, high = draw(clamps)
    # the words behind all rows are a skip row as well as any
    skip = draw(st.just({}) | skips(taps * slot)) if rows[0] == 0 else {}
    params = pack(
        {
            Parameter.KERNEL: kernel,
            Parameter.TAPS: taps,
            Parameter.WIDTH: width,
            Parameter.BLOCK_STRIDE: block_words,
            Parameter.SHIFT: draw(st.integers(0, 14)),
            Parameter.ROUNDING: draw(roundings),
            Parameter.CLAMP_LOW: low,
            Parameter.CLAMP_HIGH: high,
            **skip,
        }
    )
    call = Call(weights, out, partial, blocks, int(first), int(last), 0)
    if last:
        defined, touched = output(call, width)
    else:
        defined, touched = kept, region(partial, blocks * computed_pixels(width, sizes) * 8)
    return Case(np.concatenate([params, table(rows)]), arena, call, defined, touched)


@st.composite
def pools(draw: st.DrawFn) -> Case:
    """A row of windows over a map, with borders on every side and both ways to count the padded cells."""
    blocks, taps, columns = draw(st.integers(1, 9)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    map_rows, map_columns = draw(st.integers(1, 4)), draw(st.integers(1, 31))
    row_stride, column_stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    top_pad, left_pad = draw(st.integers(0, taps - 1)), draw(st.integers(0, columns - 1))
    rows_out = (map_rows - 1 + top_pad) // row_stride + 1
    width = (map_columns - 1 + left_pad) // column_stride + 1
    row = draw(st.integers(0, rows_out - 1))
    slot = blocks * map_columns * 2
    tops = [row * row_stride - top_pad + tap for tap in range(taps)]
    counted = draw(st.booleans())
    scaled_up = draw(st.booleans())
    low, high = draw(clamps)
    params = pack(
        {
            Parameter.TAPS: taps,
            Parameter.WIDTH: width,
            Parameter.BLOCK_STRIDE: 2 * map_columns,
            Parameter.ROW_STRIDE: row_stride,
            Parameter.ROW_ORIGIN: -top_pad,
            Parameter.KERNEL_WIDTH: columns,
            Parameter.COLUMN_STRIDE: column_stride,
            Parameter.COLUMN_ORIGIN: -left_pad,
            Parameter.MAP_WIDTH: map_columns,
            Parameter.COUNT_TOP: -top_pad if counted else 0,
            Parameter.COUNT_LEFT: -left_pad if counted else 0,
            Parameter.COUNT_BOTTOM: map_rows + taps if counted else map_rows,
            Parameter.COUNT_RIGHT: map_columns + columns if counted else map_columns,
            Parameter.NUMERATOR_SHIFT: draw(st.integers(0, 10)) if scaled_up else 0,
            Parameter.DENOMINATOR_SHIFT: 0 if scaled_up else draw(st.integers(0, 10)),
            Parameter.ROUNDING: draw(roundings),
            Parameter.CLAMP_LOW: low,
            Parameter.CLAMP_HIGH: high,
        }
    )
    call = Call(0, 3000, 0, blocks, 1, 1, row)
    taken = [10 + y * slot if 0 <= y < map_rows else -1 for y in tops]
    return Case(np.concatenate([params, table(taken)]), noise(draw(seeds)), call, *output(call, width))


@given(convolutions())
def test_convolution(case: Case) -> None:
    check(Kernel(int(case.params[Parameter.KERNEL])), case)


@pytest.mark.parametrize("kernel", BY_STEPS)
@pytest.mark.parametrize("width", [1, 5, 8, 9, 13, 16, 17, 20, 21, 23, 29])
def test_loads_for_surplus_pixels_reach_no_further_than_planned(width: int, kernel: Kernel) -> None:
    """The input lies at the end of the arena, with exactly the words behind it that a launch makes sure of."""
    chunk = encode_chunk(
        np.array([0, 1], np.int32), np.zeros(8, np.int32), np.zeros(1, np.int32), np.ones((1, 8, 8), np.int8)
    )
    row = ARENA_WORDS - surplus_reach(width, steps_of(kernel)) - 2 * width
    params = pack({Parameter.TAPS: 1, Parameter.WIDTH: width, Parameter.CLAMP_HIGH: 127})
    arena = noise(width)
    arena[: chunk.size] = chunk
    call = Call(0, 100, 0, 1, 1, 1, 0)
    check(kernel, Case(np.concatenate([params, table([row])]), arena, call, *output(call, width)))


@given(elementwise(taps=2))
def test_addition(case: Case) -> None:
    check(Kernel.ADD, case)


@given(elementwise(taps=1))
def test_requantisation(case: Case) -> None:
    check(Kernel.REQUANTISE, case)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("left", [0, 3, 6, 7, 12])
@pytest.mark.parametrize("right", [0, 1, 2, 5, 8, 13, 19])
def test_every_byte_is_rounded_as_it_is_defined(left: int, right: int, rounding: Rounding) -> None:
    """All ties among them, both ends of int8, and left shifts by products and lane by lane."""
    bounds = {Parameter.CLAMP_LOW: -128, Parameter.CLAMP_HIGH: 127, Parameter.ROUNDING: rounding}
    shifts = {Parameter.SHIFT_A: left, Parameter.SHIFT: right}
    params = pack({Parameter.TAPS: 1, Parameter.WIDTH: 32, Parameter.BLOCK_STRIDE: 64, **bounds, **shifts})
    arena = noise(0)
    arena[:64] = np.arange(256).astype(np.uint8).view(np.int32)
    call = Call(0, 1000, 0, 1, 1, 1, 0)
    check(Kernel.REQUANTISE, Case(np.concatenate([params, table([0])]), arena, call, *output(call, 32)))


@given(pools())
def test_largest_value(case: Case) -> None:
    check(Kernel.MAX_POOL, case)


@given(pools())
def test_average(case: Case) -> None:
    check(Kernel.AVG_POOL, case)


@pytest.mark.parametrize("kernel", [Kernel.MAX_POOL, Kernel.AVG_POOL])
@pytest.mark.parametrize("origin", [-1, 0, 2])
@pytest.mark.parametrize("blocks", [1, 7, 8, 9, 16])
def test_a_row_of_one_pixel(kernel: Kernel, origin: int, blocks: int) -> None:
    """Of an average, blocks are computed together, and the last of them may be there twice."""
    geometry = {Parameter.TAPS: 3, Parameter.WIDTH: 1, Parameter.BLOCK_STRIDE: 10, Parameter.MAP_WIDTH: 5}
    window = {Parameter.KERNEL_WIDTH: 3, Parameter.COLUMN_STRIDE: 2, Parameter.COLUMN_ORIGIN: origin}
    counted = {Parameter.COUNT_RIGHT: 6, Parameter.COUNT_BOTTOM: 3, Parameter.NUMERATOR_SHIFT: 1}
    params = pack({**geometry, **window, **counted, Parameter.CLAMP_LOW: -128, Parameter.CLAMP_HIGH: 127})
    call = Call(0, 1000, 0, blocks, 1, 1, 0)
    rows = [10 + 10 * blocks * tap for tap in range(3)]
    check(kernel, Case(np.concatenate([params, table(rows)]), noise(blocks), call, *output(call, 1)))


@pytest.mark.parametrize("rounding", list(Rounding))
def test_a_window_of_many_cells_is_divided_digit_by_digit(rounding: Rounding) -> None:
    """13 x 10 cells are more than a product divides."""
    geometry = {Parameter.TAPS: 13, Parameter.WIDTH: 5, Parameter.BLOCK_STRIDE: 24, Parameter.MAP_WIDTH: 12}
    window = {Parameter.KERNEL_WIDTH: 10, Parameter.COLUMN_STRIDE: 1, Parameter.COLUMN_ORIGIN: -1}
    counted = {Parameter.COUNT_RIGHT: 12, Parameter.COUNT_BOTTOM: 13, Parameter.NUMERATOR_SHIFT: 4}
    params = pack({**geometry, **window, **counted, **INT8, Parameter.ROUNDING: rounding})
    call = Call(0, 3500, 0, 9, 1, 1, 0)
    rows = [10 + 9 * 24 * tap for tap in range(13)]
    check(Kernel.AVG_POOL, Case(np.concatenate([params, table(rows)]), noise(5), call, *output(call, 5)))


def test_a_device_gets_the_intrinsics_and_one_function_per_kernel() -> None:
    module = ModuleOp(kernel_functions(ARENA_WORDS))
    module.verify()
    names = [op.sym_name.data for op in module.ops if isinstance(op, FuncOp)]
    own = [name for name in names if not name.startswith("llvm.aie2.")]
    assert own == [kernel.symbol for kernel in Kernel]
    assert names[-len(own) :] == own
    assert list(KERNEL_BODIES) == list(Kernel)


RUNNERS = ["interpreted", "compiled"]


def run(how: str, body: FuncOp, arguments: list[Any]) -> None:
    """Operation by operation, or compiled."""
    if how == "interpreted":
        run_kernel_body(body, arguments)
    elif not has_jit():
        pytest.skip("llvmlite is an extra")
    else:
        CompiledKernels([body]).run(body.sym_name.data, arguments[:2], arguments[2:])


@pytest.mark.parametrize("how", RUNNERS)
@pytest.mark.parametrize("first", [ARENA_WORDS - 4, -3])
def test_leaving_the_arena_is_refused(first: int, how: str) -> None:
    params = np.concatenate([pack({Parameter.BLOCK_STRIDE: 2}), table([first])])
    with pytest.raises(KernelBodyError, match=rf"words \[{first}, {first + 8}\) of a memory of 4096 words"):
        run(how, BODIES[Kernel.REQUANTISE], [params, noise(0), *astuple(Call(0, 0, 0, 1, 1, 1, 0))])


@pytest.mark.parametrize("how", RUNNERS)
def test_the_operands_are_counted(how: str) -> None:
    with pytest.raises(KernelBodyError, match="'conv' takes 10 operands, but was given 1"):
        run(how, BODIES[Kernel.CONV], [noise(0)])


@pytest.mark.parametrize("how", RUNNERS)
def test_an_unknown_operation_is_named(how: str) -> None:
    body = Assembler("odd", ARENA_WORDS)
    body.binary(arith.XOrIOp, body.word(1), body.word(2))
    arguments = [np.zeros(128, np.int32), noise(0), *astuple(Call(0, 0, 0, 1, 1, 1, 0))]
    with pytest.raises(KernelBodyError, match=r"holds 'arith\.xori', which is not run here"):
        run(how, body.finish(), arguments)


def test_no_kernel_touches_a_control_register() -> None:
    """Upstream declares that function itself when it lowers a core, and refuses a device that has one already."""
    symbols = {op.sym_name.data for op in kernel_functions(ARENA_WORDS) if op.is_declaration}
    assert {SET, MULTIPLY_ACCUMULATE} <= symbols
    assert not any("ctrl.reg" in symbol for symbol in symbols)


@pytest.mark.parametrize("how", RUNNERS)
def test_an_unknown_function_is_named(how: str) -> None:
    body = Assembler("odd", ARENA_WORDS)
    body.call("llvm.aie2.set.ctrl.reg", [body.word(6)], W8)
    arguments = [np.zeros(128, np.int32), noise(0), *astuple(Call(0, 0, 0, 1, 1, 1, 0))]
    with pytest.raises(KernelBodyError, match=r"calls 'llvm\.aie2\.set\.ctrl\.reg'; only"):
        run(how, body.finish(), arguments)


@pytest.mark.parametrize("how", RUNNERS)
def test_an_unknown_way_to_multiply_or_to_shuffle_is_named(how: str) -> None:
    body = Assembler("odd", ARENA_WORDS)
    left, right = body.load(body.index(0), W16), body.load(body.index(16), W16)
    sums = body.bitcast(body.load(body.index(32), W32), ACCUMULATOR)
    body.call(MULTIPLY_ACCUMULATE, [body.bitcast(left, B64), right, sums, body.word(8)], ACCUMULATOR)
    with pytest.raises(KernelBodyError, match="multiplies with configuration 8; only 776"):
        run(how, body.finish(), [np.zeros(128, np.int32), noise(0), *astuple(Call(0, 0, 0, 1, 1, 1, 0))])
    body = Assembler("odd", ARENA_WORDS)
    block = body.load(body.index(0), W16)
    body.call(SHUFFLE, [block, block, body.word(34)], W16)
    with pytest.raises(KernelBodyError, match="shuffles in the order 34; only 35"):
        run(how, body.finish(), [np.zeros(128, np.int32), noise(0), *astuple(Call(0, 0, 0, 1, 1, 1, 0))])


@pytest.mark.parametrize("how", RUNNERS)
def test_numbers_are_compared_with_their_signs(how: str) -> None:
    body = Assembler("odd", ARENA_WORDS)
    body.compare(body.word(1), "ult", body.word(2))
    with pytest.raises(KernelBodyError, match="a kernel compares unsigned"):
        run(how, body.finish(), [np.zeros(128, np.int32), noise(0), *astuple(Call(0, 0, 0, 1, 1, 1, 0))])


def rounded_by_the_vector_unit(totals: Words, params: Words) -> npt.NDArray[np.int8]:
    """What the code around every kernel's sums makes of int32[n], n a multiple of 32."""
    body = Assembler("rounds", ARENA_WORDS)
    requantiser = Requantiser.of(body)
    addresses = [body.index(word) for word in range(0, totals.size, 32)]
    requantiser.store([body.load(address, W32) for address in addresses], body.index(2048))
    arena = noise(0)
    arena[: totals.size] = totals
    run_kernel_body(body.finish(), [params, arena, *astuple(Call(0, 0, 0, 1, 1, 1, 0))])
    return arena[2048 : 2048 + totals.size // 4].view(np.int8)


def requantised_by_fractions(value: int, shift: int, rounding: Rounding) -> int:
    quotient = Fraction(value, 1 << shift)
    nearest = round(quotient) if rounding is Rounding.HALF_EVEN else floor(quotient + Fraction(1, 2))
    return min(max(nearest, -128), 127)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("shift", [0, 1, 2, 5, 17, 23])
def test_every_tie_is_rounded_as_it_is_defined(shift: int, rounding: Rounding) -> None:
    """Every result and every tie between two, with the sums beside them, and far beyond both ends of int8."""
    halves = np.arange(-264, 264) << max(shift - 1, 0)
    beside = np.concatenate([halves + near for near in (-1, 0, 1)])
    sums = np.resize(np.append(beside, [LARGEST_ACCUMULATOR, -LARGEST_ACCUMULATOR]), 50 * 32).astype(np.int32)
    params = np.concatenate([pack({Parameter.SHIFT: shift, Parameter.ROUNDING: rounding, **INT8}), table([])])
    expected = [requantised_by_fractions(int(value), shift, rounding) for value in sums]
    assert rounded_by_the_vector_unit(sums, params).tolist() == expected


@given(st.integers(0, 30), roundings, clamps, st.integers(1, 5), seeds)
def test_any_sum_is_rounded_once(
    shift: int, rounding: Rounding, clamp: tuple[int, int], groups: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    spread = rng.integers(0, 31, 32 * groups)
    sums = (rng.integers(-LARGEST_ACCUMULATOR, LARGEST_ACCUMULATOR + 1, 32 * groups) >> spread).astype(np.int32)
    bounds = {Parameter.CLAMP_LOW: clamp[0], Parameter.CLAMP_HIGH: clamp[1]}
    params = np.concatenate([pack({Parameter.SHIFT: shift, Parameter.ROUNDING: rounding, **bounds}), table([])])
    np.testing.assert_array_equal(rounded_by_the_vector_unit(sums, params), requantise(params, sums.astype(np.int64)))


@pytest.mark.parametrize("how", RUNNERS)
@pytest.mark.parametrize("amount", [32, -1])
def test_a_shift_by_the_width_is_refused(amount: int, how: str) -> None:
    """MLIR leaves its result undefined; a core and a laptop would give different ones."""
    params = np.concatenate([pack({Parameter.BLOCK_STRIDE: 2, Parameter.SHIFT_A: amount}), table([0])])
    with pytest.raises(KernelBodyError, match=rf"shifts 32-bit values by {amount}; amounts lie in \[0, 32\)"):
        run(how, BODIES[Kernel.REQUANTISE], [params, noise(0), *astuple(Call(0, 99, 0, 1, 1, 1, 0))])
