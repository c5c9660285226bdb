"""A table of values: the body against the meaning, and every byte against the table."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernels.cases import INT8, Case, check, noise, output, seeds, table

from compiler.hardware.chip import PRESETS
from compiler.kernels.cycles import Work, kernel_cycles
from compiler.kernels.footprint import footprint
from compiler.kernels.parameters import LOOKUP_WORDS, Kernel, Parameter, pack
from compiler.kernels.pieces import LOOKUP
from compiler.kernels.semantics import KERNELS, Call

P = Parameter


@given(seed=seeds, blocks=st.integers(1, 3), width=st.integers(1, 9))
def test_any_table(seed: int, blocks: int, width: int) -> None:
    """Words of the table are whole bytes: what is above the lowest one would reach the neighbours."""
    arena = noise(seed)
    arena[2000 : 2000 + LOOKUP_WORDS] &= 255
    params = pack({P.TAPS: 1, P.WIDTH: width, P.BLOCK_STRIDE: 2 * width, **INT8})
    call = Call(2000, 1000, 0, blocks, 1, 1, 0)
    defined, _ = output(call, width)
    check(Kernel.LOOKUP, Case(np.concatenate([params, table([10])]), arena, call, defined, defined))


def test_each_byte_is_what_the_table_says() -> None:
    arena, call = noise(1), Call(2000, 1000, 0, 1, 1, 1, 0)
    arena[:64] = np.arange(-128, 128).astype(np.int8).view(np.int32)
    cubes = np.arange(-128, 128) ** 3 >> 14
    arena[2000 : 2000 + LOOKUP_WORDS] = np.roll(cubes, 128) & 255
    params = np.concatenate([pack({P.TAPS: 1, P.WIDTH: 32, P.BLOCK_STRIDE: 64}), table([0])])
    KERNELS[Kernel.LOOKUP](params, arena, call)
    assert arena[1000:1064].view(np.int8).tolist() == cubes.tolist()
    assert (2000, 2000 + LOOKUP_WORDS) in footprint(Kernel.LOOKUP, params, arena, call).reads


def test_a_word_takes_its_scalar_operations() -> None:
    """Three shifts and four masks take four bytes apart, three shifts and three ors put them together."""
    cycles = kernel_cycles(
        PRESETS["npu1"], Kernel.LOOKUP, pack({P.BLOCK_STRIDE: 20}), Call(0, 0, 0, 2, 1, 1, 0), Work(1)
    )
    assert cycles == 40 + LOOKUP[""].straight + 40 * 13 + 10
