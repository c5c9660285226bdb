"""What networks need of a core's program memory."""

from __future__ import annotations

from dataclasses import fields

import pytest
from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import MemRefType, i32
from xdsl.ir import Block

from compiler.hardware.chip import PRESETS
from compiler.kernels.bodies.core_program import core_program
from compiler.kernels.bodies.program_builder import CoreResources
from compiler.kernels.code_size import EMPTY_BYTES, OPERATION_BYTES, bytes_for_kernels, kernel_bytes, kernels_bytes
from compiler.kernels.parameters import Kernel
from compiler.kernels.pieces import PIECES

K = Kernel
POWERS_OF_TWO = (K.CONV, K.ADD, K.REQUANTISE, K.MAX_POOL, K.AVG_POOL)
GENERAL = (K.SCALED_CONV, K.SCALED_ADD, K.SCALED_REQUANTISE, K.REQUANTISE, K.MAX_POOL)


@pytest.mark.parametrize("kernels", [POWERS_OF_TWO, GENERAL], ids=["powers of two", "general scales"])
def test_the_kernels_of_one_kind_of_scales_fit(kernels: tuple[Kernel, ...]) -> None:
    assert kernels_bytes(kernels) <= bytes_for_kernels(PRESETS["npu1"])


def test_the_program_around_the_kernels_takes_half_of_what_is_left_to_it() -> None:
    """An operation in four bytes each, and behind each loop and choice two branches with five empty cycles."""
    memory = MemRefType(i32, (1,))
    resources = Block(arg_types=[memory] * len(fields(CoreResources))).args
    # no program has both kernels that compute convolutions
    program = core_program(CoreResources(*resources), set(Kernel) - {Kernel.CONV_20})
    issued = [op for op in program.walk() if not isinstance(op, arith.ConstantOp | arith.IndexCastOp | scf.YieldOp)]
    branches = sum(2 if isinstance(op, scf.ForOp) else 1 for op in issued if isinstance(op, scf.ForOp | scf.IfOp))
    passed = sum(len(op.arguments) for op in issued if isinstance(op, func.CallOp))
    taken = OPERATION_BYTES * (len(issued) + passed) + branches * 5 * EMPTY_BYTES
    chip = PRESETS["npu1"]
    assert 2 * taken <= chip.program_memory_bytes - bytes_for_kernels(chip)


def test_a_scaled_convolution_brings_the_convolution_that_it_calls() -> None:
    assert kernels_bytes([K.SCALED_CONV]) == kernel_bytes(K.SCALED_CONV) + kernel_bytes(K.CONV)
    assert kernels_bytes([K.SCALED_CONV, K.CONV]) == kernels_bytes([K.SCALED_CONV])


def test_a_loop_that_is_pipelined_is_there_four_times() -> None:
    # two loads of 64 bytes and a store of 32 are five slots, and 6 products, 4 vectors, 4 narrowings
    step, around, start = (PIECES[K.ADD][way] for way in ("/if0+/for0", "/if0+", ""))
    assert (step.loads, step.stores, step.products, step.vectors, step.narrowings) == ((32,) * 4, (64,), 6, 4, 4)
    others = kernel_bytes(K.ADD) - 4 * 4 * (4 + 2 + 6 + 4 + 4)
    lanes = 4 * 4 * (2 + 1 + 3 + 10 + 2)
    straight = sum(4 * (len(code.loads) + code.vectors + code.scalars) + 2 * code.straight for code in (around, start))
    assert others == lanes + straight + 4 * PIECES[K.ADD]["/if0-"].vectors + 2 * PIECES[K.ADD]["/if0-"].straight
