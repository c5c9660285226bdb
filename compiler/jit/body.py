"""
Lower a kernel body to LLVM: the same operations, one by one, and a check before each that a core could answer wrongly.

    i32 kernel(ptr params, i64 words, ptr arena, i64 words, i32 weights, i32 out, …, ptr fault)

Memories come with their sizes, so that arenas of all sizes share their code. The result is 0, or 1 for a fault;
`lowering` says which there are. `body_scalars` and `body_vectors` hold what single operations become, this file the
structure around them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from xdsl.dialects import func, scf
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Region

from compiler.jit.body_scalars import SCALARS
from compiler.jit.body_vectors import VECTORS
from compiler.jit.lowering import Lowering, llvm_type
from compiler.jit.writer import Writer, Written
from compiler.kernels.bodies.faults import unknown_operation

HANDLERS = {**SCALARS, **VECTORS}


def write_body(function: func.FuncOp, kernels: Collection[str] = ()) -> Written:
    """
    The LLVM function of a kernel, under its own name, which may call other `kernels`.

    Raises KernelBodyError for what no kernel may hold.
    """
    block = function.body.block
    arguments: list[tuple[str, str]] = []
    lowering = Lowering(Writer(function.sym_name.data, arguments, "i32"), {}, {}, kernels)
    memories = [argument for argument in block.args if isinstance(argument.type, MemRefType)]
    for argument in block.args:
        name = f"argument{argument.index}"
        lowering.values[argument] = f"%{name}"
        arguments.append((llvm_type(argument.type), name))
        if argument in memories:
            lowering.sizes[argument] = f"%{name}.size"
            arguments.append(("i64", f"{name}.size"))
    arguments.append(("ptr", "fault"))
    writer = lowering.writer
    _write_block(lowering, block)
    writer.do("ret i32 0")
    parts = (*lowering.helpers.values(), writer.written())
    return Written(
        tuple(text for part in parts for text in part.functions),
        frozenset(line for part in parts for line in part.declarations),
    )


def _write_block(lowering: Lowering, block: Block) -> list[str]:
    """Write up to the terminator; its operands."""
    for op in block.ops:
        match op:
            case scf.YieldOp() | func.ReturnOp():
                return [lowering[operand] for operand in op.operands]
            case scf.ForOp():
                _for(lowering, op)
            case scf.IfOp():
                _if(lowering, op)
            case _ if type(op) in HANDLERS:
                HANDLERS[type(op)](lowering, op)
            case _:
                raise unknown_operation(op.name)
    return []


def _for(lowering: Lowering, op: scf.ForOp) -> None:
    """The counter has 64 bits, so that it does not wrap behind the last turn."""
    writer = lowering.writer
    bounds = [writer.emit(f"sext i32 {lowering[bound]} to i64") for bound in (op.lb, op.ub, op.step)]
    with writer.loop(*bounds, carried=[lowering.typed(value) for value in op.iter_args]) as loop:
        arguments = op.body.block.args
        lowering.values[arguments[0]] = writer.emit(f"trunc i64 {loop.index} to i32")
        lowering.values.update(zip(arguments[1:], loop.values, strict=True))
        loop.carry(*_write_block(lowering, op.body.block))
    lowering.values.update(zip(op.results, loop.values, strict=True))


def _if(lowering: Lowering, op: scf.IfOp) -> None:
    def side(region: Region) -> Callable[[], Sequence[str]]:
        return lambda: _write_block(lowering, region.block) if region.blocks else []

    kinds = [llvm_type(result.type) for result in op.results]
    results = lowering.writer.choose(lowering[op.cond], side(op.true_region), side(op.false_region), kinds)
    lowering.values.update(zip(op.results, results, strict=True))
