"""A device that holds the kernels and calls one from a core is text that we, and MLIR's own parser, read back."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import fields
from io import StringIO

import pytest
from xdsl.context import Context
from xdsl.dialects import get_all_dialects
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IndexType, IntegerAttr, MemRefType, ModuleOp, i32
from xdsl.dialects.func import CallOp
from xdsl.ir import Block, Region
from xdsl.parser import Parser
from xdsl.printer import Printer

from compiler.kernels.bodies import kernel_functions
from compiler.kernels.bodies.core_program import core_program
from compiler.kernels.bodies.program_builder import CoreResources
from compiler.kernels.parameters import CORE_PARAMETER_WORDS, Kernel
from dialects.aie import Aie, BufferOp, CoreOp, DeviceOp, EndOp, TileOp
from dialects.aievec import Aievec, ShiftRoundSaturateOp

ARENA_WORDS = 1024
MLIR_OPT = shutil.which("mlir-opt-22")


def device() -> ModuleOp:
    """One core that calls the addition."""
    tile = TileOp(0, 2)
    params = BufferOp(tile.result, MemRefType(i32, (CORE_PARAMETER_WORDS,)), sym_name="params", address=1024)
    arena = BufferOp(tile.result, MemRefType(i32, (ARENA_WORDS,)), sym_name="arena", address=2048)
    zero = ConstantOp(IntegerAttr(0, IndexType()))
    functions = kernel_functions(ARENA_WORDS)
    add = next(function for function in functions if function.sym_name.data == Kernel.ADD.symbol)
    _, _, *numbers = add.function_type.inputs
    call = CallOp(Kernel.ADD.symbol, [params.buffer, arena.buffer, *[zero.result] * len(numbers)], [])
    core = CoreOp(tile.result, Region(Block([zero, call, EndOp()])))
    return ModuleOp([DeviceOp("npu1", Region(Block([*functions, tile, params, arena, core])))])


def printed(module: ModuleOp, *, generic: bool) -> str:
    stream = StringIO()
    Printer(stream=stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_a_device_with_kernels_is_read_back(generic: bool) -> None:
    module = device()
    module.verify()
    context = Context()
    for name, factory in get_all_dialects().items():
        context.register_dialect(name, factory)
    for dialect in (Aie, Aievec):
        context.load_dialect(dialect)
    again = Parser(context, printed(module, generic=generic)).parse_module()
    again.verify()
    assert again.is_structurally_equivalent(module)


def test_the_core_itself_holds_what_makes_upstream_set_its_rounding() -> None:
    """Upstream looks for an `aievec.srs` in the core's body, not in the functions that it calls."""
    arguments = Block(arg_types=[MemRefType(i32, (1,))] * len(fields(CoreResources))).args
    program = core_program(CoreResources(*arguments), [Kernel.CONV])
    assert any(isinstance(op, ShiftRoundSaturateOp) for op in program.block.ops)


@pytest.mark.skipif(MLIR_OPT is None, reason="mlir-opt-22 is not installed")
def test_mlirs_own_parser_reads_the_generic_form() -> None:
    """MLIR knows every operation but those of `aie` and `aievec`, and checks the types of all it knows."""
    assert MLIR_OPT is not None
    flags = ["--allow-unregistered-dialect", "--mlir-very-unsafe-disable-verifier-on-parsing"]
    text = printed(device(), generic=True)
    result = subprocess.run([MLIR_OPT, *flags], input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
