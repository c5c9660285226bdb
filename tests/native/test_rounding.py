"""Compiled rounding is that of `compiler.quantization.arithmetic`, at every shift, and at the ends of 32 bits."""

import ctypes
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compiler.jit.machine import Library, has_jit
from compiler.jit.writer import Writer, module_text
from compiler.native.rounding import WIDEST_CLAMPED_SHIFT, WIDEST_SHIFT, requantised
from compiler.quantization.arithmetic import INT8_RANGE, LARGEST_ACCUMULATOR, Clamp, Rounding, requantise

pytestmark = pytest.mark.skipif(not has_jit(), reason="llvmlite is an extra")
LANES = 16
roundings = st.sampled_from(get_args(Rounding))
clamps = st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(lambda ends: (min(ends), max(ends)))


def compiled(values: np.ndarray, shift: int, rounding: Rounding, clamp: Clamp) -> np.ndarray:
    """`values` int32[n · 16] through a compiled function."""
    body = Writer("narrow", [("ptr", "values"), ("i64", "count")])
    with body.loop(0, "%count") as loop:
        place = body.offset("%values", body.multiply_add(loop.index, 4 * LANES))
        body.store(
            "<16 x i32>", requantised(body, body.load("<16 x i32>", place), LANES, shift, rounding, clamp), place
        )
    body.do("ret void")
    library = Library(module_text([body.written()]))
    result = values.astype(np.int32)
    library.function("narrow", [ctypes.c_void_p, ctypes.c_int64])(result.ctypes.data, result.size // LANES)
    return result


@given(st.integers(-40, 40), roundings, clamps, st.integers(0, 2**16))
@example(-5, "half_even", INT8_RANGE, 0)
@example(0, "half_up", (-3, 100), 0)
@example(WIDEST_CLAMPED_SHIFT, "half_even", INT8_RANGE, 0)
@example(WIDEST_CLAMPED_SHIFT + 1, "half_even", INT8_RANGE, 0)
@example(WIDEST_SHIFT, "half_up", INT8_RANGE, 0)
@example(WIDEST_SHIFT + 1, "half_up", (3, 100), 0)
def test_every_shift_and_tie(shift: int, rounding: Rounding, clamp: Clamp, seed: int) -> None:
    random = np.random.default_rng(seed)
    ends = [LARGEST_ACCUMULATOR, -LARGEST_ACCUMULATOR, 0, 1, -1]
    halves = (random.integers(-300, 300, 75) << max(min(shift, 22) - 1, 0)) + random.integers(-1, 2, 75)
    anywhere = random.integers(-LARGEST_ACCUMULATOR, LARGEST_ACCUMULATOR + 1, 80) >> random.integers(0, 31, 80)
    values = np.concatenate([ends, halves, anywhere])
    np.testing.assert_array_equal(compiled(values, shift, rounding, clamp), requantise(values, shift, rounding, clamp))
