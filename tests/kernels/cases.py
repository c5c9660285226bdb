"""Calls of kernels on an arena of noise, and holding a body against its numpy meaning."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from compiler.interpret.kernel_body import run_kernel_body
from compiler.jit.kernels import CompiledKernels
from compiler.jit.machine import has_jit
from compiler.kernels.bodies import kernel_function
from compiler.kernels.parameters import TABLE_WORDS, Kernel, Parameter, Rounding, pack
from compiler.kernels.row_steps import SURPLUS_WORDS
from compiler.kernels.semantics import KERNELS, Call

ARENA_WORDS = 4096
BY_STEPS = (Kernel.CONV, Kernel.CONV_20)
"""One convolution, in steps of other sizes."""
SLACK_WORDS = SURPLUS_WORDS
"""More than a group of four pixels with one real pixel writes too much."""

Words = npt.NDArray[np.int32]
INT8 = {Parameter.CLAMP_LOW: -128, Parameter.CLAMP_HIGH: 127}
BODIES = {kernel: kernel_function(kernel, ARENA_WORDS) for kernel in Kernel}
COMPILED = CompiledKernels(BODIES.values()) if has_jit() else None
FUNCTIONS = {kernel.symbol: body for kernel, body in BODIES.items()}


@dataclass(frozen=True)
class Case:
    """Memory before a call, the call, and which words it defines."""

    params: Words
    arena: Words
    call: Call
    defined: npt.NDArray[np.bool_]
    """The output region, without the lanes of surplus pixels in partial sums."""
    touched: npt.NDArray[np.bool_]
    """`defined` plus slack."""


def check(kernel: Kernel, case: Case) -> None:
    """Run the meaning and the body, and compare."""
    expected, found = case.arena.copy(), case.arena.copy()
    KERNELS[kernel](case.params, expected, case.call)
    params = case.params.copy()
    run_kernel_body(BODIES[kernel], [params, found, *astuple(case.call)], FUNCTIONS)
    if COMPILED is not None:
        again, arena = params.copy(), case.arena.copy()
        COMPILED.run(kernel.symbol, [again, arena], astuple(case.call))
        np.testing.assert_array_equal(arena, found)
        np.testing.assert_array_equal(again, params)
    np.testing.assert_array_equal(found[case.defined], expected[case.defined])
    np.testing.assert_array_equal(found[~case.touched], case.arena[~case.touched])
    np.testing.assert_array_equal(params, case.params)


def table(taps: list[int]) -> Words:
    """The row table, with what no kernel may look at behind it."""
    padded = np.full(TABLE_WORDS, 0x7FFFFFFF, np.int32)
    padded[: len(taps)] = taps
    return padded


def noise(seed: int) -> Words:
    """An arena of random words."""
    return np.random.default_rng(seed).integers(-(2**31), 2**31, ARENA_WORDS, np.int32)


def region(start: int, words: int) -> npt.NDArray[np.bool_]:
    """Those words of the arena."""
    mask = np.zeros(ARENA_WORDS, np.bool_)
    mask[start : start + words] = True
    return mask


def output(call: Call, width: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The output row of a call, without slack and with it."""
    words = call.blocks * width * 2
    return region(call.out, words), region(call.out, words + SLACK_WORDS)


clamps = st.sampled_from([(-128, 127), (0, 127), (0, 48), (-7, 3)])
roundings = st.sampled_from(Rounding)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def elementwise(draw: st.DrawFn, taps: int, largest_shift: int = 12) -> Case:
    """Rows of the operands of an addition or its kin, or of the one operand of a copy."""
    blocks, width = draw(st.integers(1, 3)), draw(st.integers(1, 9))
    low, high = draw(clamps)
    words = blocks * width * 2
    params = pack(
        {
            Parameter.TAPS: taps,
            Parameter.WIDTH: width,
            Parameter.BLOCK_STRIDE: 2 * width,
            Parameter.SHIFT: draw(st.integers(0, 12)),
            Parameter.SHIFT_A: draw(st.integers(0, largest_shift)),
            Parameter.SHIFT_B: draw(st.integers(0, largest_shift)),
            Parameter.ROUNDING: draw(roundings),
            Parameter.CLAMP_LOW: low,
            Parameter.CLAMP_HIGH: high,
        }
    )
    call = Call(0, 1000, 0, blocks, 1, 1, 0)
    rows = [10 + tap * words for tap in range(taps)]
    return Case(np.concatenate([params, table(rows)]), noise(draw(seeds)), call, *output(call, width))
