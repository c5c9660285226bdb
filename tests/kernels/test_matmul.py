"""The product of two matrices in a core: its body against its meaning, and that against matrices."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernels.cases import Case, check, clamps, noise, output, region, roundings, seeds, table

from compiler.kernels.call import requantise
from compiler.kernels.footprint import footprint
from compiler.kernels.parameters import Kernel, Parameter, pack
from compiler.kernels.semantics import KERNELS, Call
from compiler.kernels.weight_chunk import ChunkView

P = Parameter
SLOT, OUT, PARTIAL = 16, 2000, 3600


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


@given(matmuls())
def test_the_body_computes_what_it_means(case: Case) -> None:
    check(Kernel.MATMUL, case)


@given(matmuls())
def test_it_multiplies_matrices(case: Case) -> None:
    params, arena, call = case.params, case.arena.copy(), case.call
    depth, width = int(params[P.DEPTH]), int(params[P.WIDTH])
    words = 16 * call.blocks * depth
    right = arena[SLOT : SLOT + words].view(np.int8).reshape(call.blocks, depth, 8, 8).astype(np.int64)
    row = arena[SLOT + words : SLOT + words + depth * width * 2].view(np.int8).reshape(depth, width, 8)
    if params[P.TRANSPOSED]:
        right = right.swapaxes(2, 3)
    matrix = right.transpose(1, 2, 0, 3).reshape(8 * depth, 8 * call.blocks)
    total = row.transpose(1, 0, 2).reshape(width, -1).astype(np.int64) @ matrix
    touched = footprint(Kernel.MATMUL, params, arena, call)
    KERNELS[Kernel.MATMUL](params, arena, call)
    found = arena[OUT : OUT + call.blocks * width * 2].view(np.int8).reshape(call.blocks, width, 8)
    np.testing.assert_array_equal(found, requantise(params, total).reshape(width, call.blocks, 8).swapaxes(0, 1))
    changed = np.flatnonzero(arena != case.arena)
    assert all(any(low <= word < high for low, high in touched.writes) for word in changed)
    assert touched.reads == ((SLOT, SLOT + words + depth * width * 2),)
