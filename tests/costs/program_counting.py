"""
Counts the cycles of the core program between its locks in the program itself, for the table in `compiler.costs`.

The program is built and its operations are counted, block by block, under the rules by which cores execute scalar code
(one cycle each, a branch per iteration and per choice, a division where one is needed).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import MemRefType, i32
from xdsl.ir import Block, Operation

from compiler.costs.program import ProgramCycles
from compiler.hardware.chip import Chip
from compiler.kernels.bodies.core_program import core_program
from compiler.kernels.bodies.program_builder import CoreResources
from compiler.kernels.parameters import Kernel
from dialects.aie import EndOp

_FREE = (arith.ConstantOp, arith.IndexCastOp, arith.ExtUIOp, arith.ExtSIOp, arith.TruncIOp, func.CallOp, EndOp)
_DIVISIONS = (arith.RemUIOp, arith.RemSIOp, arith.DivUIOp)


@dataclass(frozen=True)
class Piece:
    """One block of the program: cycles before, between and after the loops and choices in it."""

    gaps: tuple[int, ...]
    inner: tuple[Piece, ...]

    def cycles(self, first: int, last: int) -> int:
        """Of gaps `first` to before `last`."""
        return sum(self.gaps[first:last])


def _count(block: Block, chip: Chip, head: int) -> Piece:
    gaps, inner = [head], list[Piece]()
    for op in block.ops:
        match op:
            case scf.ForOp():
                inner.append(_count(op.body.block, chip, chip.branch_cycles))
                gaps.append(0)
            case scf.IfOp():
                gaps[-1] += chip.branch_cycles
                inner.append(_count(op.true_region.block, chip, 0))
                if len(op.false_region.block.ops) > 1:
                    inner.append(_count(op.false_region.block, chip, 0))
                gaps.append(0)
            case scf.YieldOp():
                pass
            case _:
                gaps[-1] += _cycles(op, chip)
    return Piece(tuple(gaps), tuple(inner))


def _cycles(op: Operation, chip: Chip) -> int:
    if isinstance(op, _DIVISIONS):
        return chip.division_cycles
    return 0 if isinstance(op, _FREE) else 1


def _program(chip: Chip, kernels: tuple[Kernel, ...]) -> Piece:
    """The launch loop's body, of a program that serves `kernels`."""
    memory = MemRefType(i32, (1,))
    resources = Block(arg_types=[memory] * len(fields(CoreResources))).args
    region = core_program(CoreResources(*resources), kernels)
    (launch,) = _count(region.block, chip, 0).inner
    return launch


def counted_cycles(chip: Chip, kernels: Iterable[Kernel], kernel: Kernel) -> ProgramCycles:
    """The program's cycles around calls of `kernel`, in a device that has `kernels`."""
    used = tuple(sorted(set(kernels)))
    launch = _program(chip, used)
    mint, _, chunk, *_ = launch.inner
    _, _, each_pass = chunk.inner
    _, rows, _, _, _ = each_pass.inner
    _, taps, *_ = rows.inner
    # in a row: rows taken, table, output space, the first kernel or else the others, output released, rows released
    assert len(rows.inner) == 6 + (len(used) > 1), "the program of a row has another shape than the table knows"
    choice, asked = rows, rows.gaps[3]
    for number in range(used.index(kernel)):
        choice = choice.inner[4 if number == 0 else 1]
        asked += choice.gaps[0]
    return ProgramCycles(
        begin=launch.gaps[0] - chip.branch_cycles - 1,
        lock=mint.gaps[0],
        chunk=chunk.gaps[0],
        drained=chunk.cycles(1, 3),
        each_pass=each_pass.gaps[0],
        row=rows.gaps[0],
        tap=sum(taps.gaps),
        output=rows.cycles(1, 3),
        call=asked,
        after=rows.gaps[4],
        rows_end=rows.gaps[5],
        rest=each_pass.gaps[2],
        weights_end=each_pass.gaps[4],
        end=launch.gaps[3],
    )
