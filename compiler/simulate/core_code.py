"""
A core's program as a Python generator, so that a network's million of program steps take seconds.

The body of `aie.core` is translated to Python source, operation by operation. The generator keeps the core's own
clock as the cycles since it was last resumed. It stops only where it may have to wait, at an acquire, and yields
(lock, amount, cycles since resumed); releases and kernel calls are told to the core with those cycles as they happen.

    scf.for %i = %c0 to %n step %c1 {            for v7 in range(0, v3, 1):
      aie.use_lock(%in_f, AcquireGreaterEqual, 1)    c += 7
      …                                              yield 0, 1, c
                                                     c = 0

Scalar code is charged one cycle per operation, a branch per iteration and per choice, a division where one is needed.
Vector operations of the program itself only set up the core: they are charged and produce nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import CodeType
from typing import Any, cast

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import IntegerAttr, VectorType
from xdsl.ir import Block, Operation, SSAValue

from compiler.hardware.chip import Chip
from compiler.simulate.events import SimulationError
from compiler.simulate.memory import Memory
from dialects.aie import BufferOp, CoreOp, EndOp, LockAction, UseLockOp, int_value

Request = tuple[int, int, int]
"""Number of a lock, amount, and cycles since the core was resumed."""
Program = Generator[Request]

END = -1
"""In place of a lock's number: the program is over."""

INDEX_MASK = 0xFFFF_FFFF

_OPERATORS: dict[type[Operation], str] = {
    arith.AddiOp: "{0} + {1}",
    arith.SubiOp: "{0} - {1}",
    arith.MuliOp: "{0} * {1}",
    arith.AndIOp: "{0} & {1}",
    arith.OrIOp: "{0} | {1}",
    arith.XOrIOp: "{0} ^ {1}",
    arith.MinSIOp: "min({0}, {1})",
    arith.MaxSIOp: "max({0}, {1})",
    arith.ShLIOp: "{0} << {1}",
    arith.ShRSIOp: "{0} >> {1}",
    arith.RemUIOp: "{0} % {1}",
    arith.RemSIOp: "{0} % {1} if {0} >= 0 else -(-{0} % {1})",
    arith.DivUIOp: "{0} // {1}",
    arith.SelectOp: "{1} if {0} else {2}",
    arith.IndexCastOp: "{0}",
    arith.ExtUIOp: "{0}",
    arith.ExtSIOp: "{0}",
    arith.TruncIOp: "{0}",
}
_FREE = (arith.ConstantOp, arith.IndexCastOp, arith.ExtUIOp, arith.ExtSIOp, arith.TruncIOp)
_DIVISIONS = (arith.RemUIOp, arith.RemSIOp, arith.DivUIOp)
_RELATIONS = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")
FIRST_UNSIGNED = 6


@dataclass
class _Translation:
    """Source so far, and what its names stand for."""

    chip: Chip
    locks: list[SSAValue] = field(default_factory=list[SSAValue])
    kernels: list[str] = field(default_factory=list[str])
    used: list[SSAValue] = field(default_factory=list[SSAValue])
    """Buffers."""
    names: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    lines: list[str] = field(default_factory=list[str])
    depth: int = 1
    owed: int = 0
    """Cycles of operations already written, not yet added to the clock."""

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def settle(self) -> None:
        """Bring the clock up to date: before anything that others see, and at the end of a block."""
        if self.owed:
            self.line(f"c += {self.owed}")
            self.owed = 0

    def name(self, value: SSAValue) -> str:
        """The Python name of a scalar."""
        if value not in self.names:
            raise SimulationError(f"a core's program computes with '{value.owner}', which is not simulated")
        return self.names[value]

    def define(self, value: SSAValue) -> str:
        self.names[value] = f"v{len(self.names)}"
        return self.names[value]

    def memory(self, value: SSAValue) -> str:
        """The words of a buffer."""
        return f"m{self.buffer(value)}"

    def buffer(self, value: SSAValue) -> int:
        """The number of a buffer."""
        if not isinstance(value.owner, BufferOp):
            raise SimulationError("a core's program uses a memory that is no buffer of the device")
        return _number(self.used, value)

    def block(self, block: Block, results: list[str]) -> None:
        """All operations; the terminator's operands go to `results`."""
        self.depth += 1
        start = len(self.lines)
        for op in block.ops:
            if isinstance(op, scf.YieldOp):
                if results:
                    values = ", ".join(self.name(operand) for operand in op.operands)
                    self.line(f"{', '.join(results)} = {values}")
            else:
                self.operation(op)
        self.settle()
        if len(self.lines) == start:
            self.line("pass")
        self.depth -= 1

    def operation(self, op: Operation) -> None:
        """One operation of any kind."""
        match op:
            case arith.ConstantOp(value=IntegerAttr()):
                self.names[op.result] = str(int_value(op.value))
            case scf.ForOp():
                self.loop(op)
            case scf.IfOp():
                self.choice(op)
            case UseLockOp():
                self.lock(op)
            case func.CallOp():
                self.call(op)
            case memref.LoadOp():
                self.owed += 1
                source = f"{self.memory(op.memref)}.item({self.name(op.indices[0])})"
                self.line(f"{self.define(op.res)} = {source}")
            case memref.StoreOp():
                self.owed += 1
                self.line(f"{self.memory(op.memref)}[{self.name(op.indices[0])}] = {self.name(op.value)}")
            case arith.CmpiOp():
                self.compare(op)
            case EndOp():
                pass
            case _ if type(op) in _OPERATORS:
                self.owed += self.chip.division_cycles if isinstance(op, _DIVISIONS) else not isinstance(op, _FREE)
                expression = _OPERATORS[type(op)].format(*(self.name(operand) for operand in op.operands))
                self.line(f"{self.define(op.results[0])} = {expression}")
            case _ if any(isinstance(value.type, VectorType) for value in (*op.operands, *op.results)):
                self.owed += 1
            case _:
                raise SimulationError(f"a core's program holds '{op.name}', which is not simulated")

    def compare(self, op: arith.CmpiOp) -> None:
        """An index is 32 bits wide, so as an unsigned number a negative one is large."""
        self.owed += 1
        relation = int_value(op.predicate)
        left, right = self.name(op.lhs), self.name(op.rhs)
        if relation >= FIRST_UNSIGNED:
            left, right = f"({left} & {INDEX_MASK})", f"({right} & {INDEX_MASK})"
        self.line(f"{self.define(op.result)} = {left} {_RELATIONS[relation]} {right}")

    def loop(self, op: scf.ForOp) -> None:
        """Carried values keep one name through all iterations and after them."""
        carried = [self.define(result) for result in op.results]
        for name, value in zip(carried, op.iter_args, strict=True):
            self.line(f"{name} = {self.name(value)}")
        self.settle()
        index, *inside = op.body.block.args
        self.names.update(zip(inside, carried, strict=True))
        bounds = ", ".join(self.name(bound) for bound in (op.lb, op.ub, op.step))
        self.line(f"for {self.define(index)} in range({bounds}):")
        self.owed = self.chip.branch_cycles
        self.block(op.body.block, carried)

    def choice(self, op: scf.IfOp) -> None:
        """Both sides cost a branch."""
        self.owed += self.chip.branch_cycles
        self.settle()
        results = [self.define(result) for result in op.results]
        self.line(f"if {self.name(op.cond)}:")
        self.block(op.true_region.block, results)
        if op.false_region.blocks:
            self.line("else:")
            self.block(op.false_region.block, results)

    def lock(self, op: UseLockOp) -> None:
        """Only an acquire can make the core wait."""
        self.owed += 1
        self.settle()
        number, amount = _number(self.locks, op.lock), int_value(op.value)
        match op.lock_action:
            case LockAction.AcquireGreaterEqual:
                self.line(f"yield {number}, {amount}, c")
                self.line("c = 0")
            case LockAction.Release:
                self.line(f"release({number}, {amount}, c)")
            case LockAction.Acquire:
                raise SimulationError("a core acquires a lock by equality; only AcquireGreaterEqual is simulated")

    def call(self, op: func.CallOp) -> None:
        """A kernel: its parameter buffer, its arena, and scalars."""
        self.settle()
        params, arena, *scalars = op.arguments
        kernel = _number(self.kernels, op.callee.string_value())
        values = "".join(f", {self.name(value)}" for value in scalars)
        self.line(f"c += call({kernel}, c, {self.buffer(params)}, {self.buffer(arena)}{values})")


def _number(known: list[Any], wanted: object) -> int:
    """Position of `wanted` in the list, where it is put if it is new."""
    for index, value in enumerate(known):
        if value is wanted or (isinstance(value, str) and value == wanted):
            return index
    known.append(wanted)
    return len(known) - 1


@dataclass(frozen=True)
class CoreCode:
    """A translated program: `start` makes it run; the numbers it uses are positions in these lists."""

    source: str
    locks: tuple[SSAValue, ...]
    kernels: tuple[str, ...]
    buffers: tuple[SSAValue, ...]

    def start(
        self, memories: Sequence[Memory], release: Callable[[int, int, int], None], call: Callable[..., int]
    ) -> Program:
        """
        A run from the beginning, with the memories behind `buffers`.

        `release(lock, amount, cycles)`; `call(kernel, cycles, params, arena, …)` gives the cycles of the call.
        """
        names: dict[str, Any] = {"release": release, "call": call}
        names |= {f"m{number}": memory.words for number, memory in enumerate(memories)}
        exec(_compiled(self.source), names)
        return cast("Program", names["program"]())


@cache
def _compiled(source: str) -> CodeType:
    """All cores have one program."""
    return compile(source, "<core program>", "exec")


def translate(core: CoreOp, chip: Chip) -> CoreCode:
    """The program of one core."""
    code = _Translation(chip)
    code.lines += ["def program():", "    c = 0"]
    code.depth = 0
    code.block(core.body.block, [])
    code.lines.append(f"    yield {END}, 0, c")
    return CoreCode("\n".join(code.lines), tuple(code.locks), tuple(code.kernels), tuple(code.used))
