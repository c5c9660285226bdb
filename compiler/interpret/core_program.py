"""
The program of a core as a Python generator, made from its IR once: what it yields are the locks it has to wait for.

Op by op interpretation of the endless loop would cost more than the arithmetic it controls; the translation is one
line of Python per op. Kernel calls go to `Host.call`, so that what a kernel means stays in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, cast

from xdsl.dialects import arith, func, memref, scf, vector
from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.ir import Block, Operation, SSAValue

from compiler.errors import BlockloomError
from compiler.kernels.bodies.core_program import FOREVER
from dialects.aie import EndOp, LockAction, UseLockOp, int_value
from dialects.aievec import ShiftRoundSaturateOp

Request = tuple[SSAValue, int]
"""A lock, and how much of it."""

LONGEST_LOOP = 1 << 20
"""Turns of a loop that no launch has: a core that does more reads its trip count from words that are no parameters."""


class Host(Protocol):
    """What a core's program can do beside arithmetic."""

    def load(self, buffer: SSAValue, index: int) -> int:
        """A word of one of the core's buffers."""
        ...

    def store(self, buffer: SSAValue, index: int, value: int) -> None:
        """Write a word."""
        ...

    def release(self, lock: SSAValue, value: int) -> None:
        """Add to a lock."""
        ...

    def call(self, name: str, arguments: Sequence[Any]) -> None:
        """Call a kernel; buffers are given as their values."""
        ...


_BINARY = {
    arith.AddiOp: "{} + {}",
    arith.SubiOp: "{} - {}",
    arith.MuliOp: "{} * {}",
    arith.RemSIOp: "remainder({}, {})",
    arith.MinSIOp: "min({}, {})",
    arith.MaxSIOp: "max({}, {})",
    arith.AndIOp: "{} & {}",
    arith.XOrIOp: "{} ^ {}",
}
_COMPARE = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")
"""By MLIR's predicate number; the last four compare unsigned."""
_UNSIGNED_FROM = 6


class _Translator:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[SSAValue, str] = {}
        self.outside: list[SSAValue] = []

    def name(self, value: SSAValue) -> str:
        """The Python name of a value; values from outside the core are kept in a list."""
        if value not in self.names:
            owner = value.owner
            inside = isinstance(owner, Operation) and owner.parent_op() is not None and self._local(owner)
            if inside:
                self.names[value] = f"v{len(self.names)}"
            else:
                self.names[value] = f"outside[{len(self.outside)}]"
                self.outside.append(value)
        return self.names[value]

    def _local(self, op: Operation) -> bool:
        parent = op.parent_op()
        while parent is not None:
            if parent.name == "aie.core":
                return True
            parent = parent.parent_op()
        return False

    def define(self, value: SSAValue) -> str:
        """A new Python name for a result or block argument."""
        self.names[value] = f"v{len(self.names)}"
        return self.names[value]

    def emit(self, depth: int, text: str) -> None:
        """One line of Python."""
        self.lines.append("    " * depth + text)

    def block(self, block: Block, depth: int, results: Sequence[str] = ()) -> None:
        """All ops of a block; a yield assigns to `results`."""
        before = len(self.lines)
        for op in block.ops:
            if isinstance(op, scf.YieldOp):
                if results:
                    values = ", ".join(self.name(value) for value in op.operands)
                    self.emit(depth, f"{', '.join(results)} = {values}")
            else:
                self.op(op, depth)
        if len(self.lines) == before:
            self.emit(depth, "pass")

    def op(self, op: Operation, depth: int) -> None:
        """One op."""
        for kind, text in _BINARY.items():
            if type(op) is kind:
                left, right = (self.name(value) for value in op.operands)
                self.emit(depth, f"{self.define(op.results[0])} = {text.format(left, right)}")
                return
        match op:
            case arith.ConstantOp():
                if isinstance(op.value, IntegerAttr):
                    number = cast("IntegerAttr[Any]", op.value).value.data
                    self.emit(depth, f"{self.define(op.result)} = {number}")
            case arith.IndexCastOp() | arith.ExtUIOp():
                self.emit(depth, f"{self.define(op.results[0])} = int({self.name(op.operands[0])})")
            case arith.CmpiOp():
                self._compare(op, depth)
            case arith.SelectOp():
                chosen, other = self.name(op.lhs), self.name(op.rhs)
                condition = self.name(op.cond)
                self.emit(depth, f"{self.define(op.result)} = {chosen} if {condition} else {other}")
            case memref.LoadOp():
                index = self.name(op.indices[0])
                self.emit(depth, f"{self.define(op.res)} = host.load({self.name(op.memref)}, {index})")
            case memref.StoreOp():
                index = self.name(op.indices[0])
                self.emit(depth, f"host.store({self.name(op.memref)}, {index}, {self.name(op.value)})")
            case UseLockOp() if op.lock_action is LockAction.Release:
                self.emit(depth, f"host.release({self.name(op.lock)}, {int_value(op.value)})")
            case UseLockOp() if op.lock_action is LockAction.AcquireGreaterEqual:
                self.emit(depth, f"yield {self.name(op.lock)}, {int_value(op.value)}")
            case func.CallOp():
                arguments = ", ".join(self.name(value) for value in op.arguments)
                self.emit(depth, f"host.call({op.callee.string_value()!r}, ({arguments},))")
            case scf.ForOp():
                self._loop(op, depth)
            case scf.IfOp():
                if op.results:
                    raise BlockloomError("a core program's scf.if has no results")
                self.emit(depth, f"if {self.name(op.cond)}:")
                self.block(op.true_region.block, depth + 1)
                if op.false_region.blocks and len(op.false_region.block.ops) > 1:
                    self.emit(depth, "else:")
                    self.block(op.false_region.block, depth + 1)
            case ShiftRoundSaturateOp() | vector.BitcastOp() | vector.StoreOp() | EndOp():
                # the prologue that makes upstream set rounding and saturation; it computes nothing
                pass
            case _:
                raise BlockloomError(f"a core program may not hold {op.name}")

    def _compare(self, op: arith.CmpiOp, depth: int) -> None:
        number = op.predicate.value.data
        left, right = self.name(op.lhs), self.name(op.rhs)
        if number >= _UNSIGNED_FROM:
            assert isinstance(op.lhs.type, IndexType), "unsigned comparisons are of indices"
            left, right = f"({left}) % 2**64", f"({right}) % 2**64"
        self.emit(depth, f"{self.define(op.result)} = int({left} {_COMPARE[number]} {right})")

    def _loop(self, op: scf.ForOp, depth: int) -> None:
        bounds = ", ".join(self.name(value) for value in (op.lb, op.ub, op.step))
        carried = [self.define(value) for value in op.body.block.args[1:]]
        for target, value in zip(carried, op.iter_args, strict=True):
            self.emit(depth, f"{target} = {self.name(value)}")
        self.emit(depth, f"for {self.define(op.body.block.args[0])} in trips({bounds}):")
        self.block(op.body.block, depth + 1, carried)
        for target, value in zip(op.results, carried, strict=True):
            self.emit(depth, f"{self.define(target)} = {value}")


def trips(low: int, high: int, step: int) -> range:
    """The turns of a loop. Raises BlockloomError for one that would hardly end, and for a step that is none."""
    if step <= 0:
        raise BlockloomError(f"a core program goes into a loop with a step of {step}; steps are at least 1")
    if LONGEST_LOOP < high - low < FOREVER:
        raise BlockloomError(f"a core program goes into a loop from {low} to {high}; it has taken data for parameters")
    return range(low, high, step)


def remainder(left: int, right: int) -> int:
    """What a division towards zero leaves. Raises BlockloomError for a division by 0, which means nothing on a core."""
    if right == 0:
        raise BlockloomError(f"a core program divides {left} by 0; it has taken data for parameters")
    rest = abs(left) % abs(right)
    return rest if left >= 0 else -rest


Program = Callable[[Host], Generator[Request, None, None]]


def translate(body: Block) -> Program:
    """The program of a core: a function that starts it. Raises BlockloomError for an op that no core program has."""
    translator = _Translator()
    translator.block(body, 1)
    source = "\n".join(["def program(host, outside):", *translator.lines])
    scope: dict[str, Any] = {"trips": trips, "remainder": remainder}
    exec(compile(source, "<core program>", "exec"), scope)
    outside = translator.outside

    def start(host: Host) -> Generator[Request, None, None]:
        return cast("Generator[Request, None, None]", scope["program"](host, outside))

    return start
