"""Write a core's program as MLIR with one short call per operation: arithmetic on indices, locks, loops, branches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from compiler.kernels.parameters import Parameter
from dialects.aie import LockAction, UseLockOp

INDEX = IndexType()


@dataclass(frozen=True)
class CoreResources:
    """What the device gives to a core's program: two buffers and four pairs of locks."""

    params: SSAValue
    arena: SSAValue
    parameters_empty: SSAValue
    parameters_full: SSAValue
    input_empty: SSAValue
    input_full: SSAValue
    weights_empty: SSAValue
    weights_full: SSAValue
    output_empty: SSAValue
    output_full: SSAValue


class ProgramBuilder:
    """Appends operations to the current block; constants and parameters are read once."""

    def __init__(self, resources: CoreResources):
        self.r = resources
        self.entry = Block()
        self.block = self.entry
        self.constants: dict[int, SSAValue] = {}
        self.read: dict[Parameter, SSAValue] = {}

    def emit(self, op: Operation) -> SSAValue:
        """Append an operation with one result."""
        self.block.add_op(op)
        return op.results[0]

    def index(self, value: int) -> SSAValue:
        """A constant, at the head of the program."""
        if value not in self.constants:
            op = arith.ConstantOp(IntegerAttr(value, INDEX))
            if self.entry.first_op is None:
                self.entry.add_op(op)
            else:
                self.entry.insert_op_before(op, self.entry.first_op)
            self.constants[value] = op.result
        return self.constants[value]

    def load_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Parameters that the program itself uses, at the start of a launch."""
        for parameter in parameters:
            word = self.emit(memref.LoadOp.get(self.r.params, [self.index(parameter)]))
            self.read[parameter] = self.emit(arith.IndexCastOp(word, INDEX))

    def add(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """left + right"""
        return self.emit(arith.AddiOp(left, right))

    def subtract(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """left − right"""
        return self.emit(arith.SubiOp(left, right))

    def multiply(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """left · right"""
        return self.emit(arith.MuliOp(left, right))

    def clamp(self, value: SSAValue, low: SSAValue, high: SSAValue) -> SSAValue:
        """`value` within [low, high]."""
        return self.emit(arith.MaxSIOp(self.emit(arith.MinSIOp(value, high)), low))

    def compare(self, left: SSAValue, relation: str, right: SSAValue) -> SSAValue:
        """An i1."""
        return self.emit(arith.CmpiOp(left, right, relation))

    def select(self, condition: SSAValue, chosen: SSAValue, otherwise: SSAValue) -> SSAValue:
        """One of two."""
        return self.emit(arith.SelectOp(condition, chosen, otherwise))

    def minimum(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """The smaller."""
        return self.emit(arith.MinSIOp(left, right))

    def place(self, base: Parameter, slot: SSAValue, size: Parameter) -> SSAValue:
        """Word offset of a slot."""
        return self.add(self.read[base], self.multiply(slot, self.read[size]))

    def ring(self, base: Parameter, slot: Parameter, slots: Parameter) -> Ring:
        """The ring of these parameters."""
        words = self.multiply(self.read[slot], self.read[slots])
        return Ring(self, self.read[base], self.read[slot], words, self.add(self.read[base], words))

    def lock(self, lock: SSAValue, action: LockAction) -> None:
        """One unit of a lock."""
        self.block.add_op(UseLockOp(lock, action, 1))

    def loop(
        self,
        upper: SSAValue,
        body: Callable[[SSAValue, tuple[SSAValue, ...]], tuple[SSAValue, ...]],
        carried: tuple[SSAValue, ...] = (),
        lower: SSAValue | None = None,
        step: SSAValue | None = None,
    ) -> tuple[SSAValue, ...]:
        """`for index in [lower, upper)` with carried values, from 0 on by one if nothing else is said."""
        inner = Block(arg_types=[INDEX, *(value.type for value in carried)])
        outer, self.block = self.block, inner
        self.block.add_op(scf.YieldOp(*body(inner.args[0], tuple(inner.args[1:]))))
        self.block = outer
        op = scf.ForOp(lower or self.index(0), upper, step or self.index(1), list(carried), inner)
        self.block.add_op(op)
        return tuple(op.results)

    def when(self, condition: SSAValue, body: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        """`scf.if` without a result."""
        outer, sides = self.block, list[Block]()
        for side in (body, otherwise):
            self.block = Block()
            sides.append(self.block)
            if side is not None:
                side()
            self.block.add_op(scf.YieldOp())
        self.block = outer
        self.block.add_op(scf.IfOp(condition, [], Region(sides[0]), Region(sides[1])))

    def repeat_lock(self, count: SSAValue, lock: SSAValue, action: LockAction) -> None:
        """`count` units, one by one: the count is data, and upstream takes only constants."""

        def once(_: SSAValue, __: tuple[SSAValue, ...]) -> tuple[SSAValue, ...]:
            self.lock(lock, action)
            return ()

        self.loop(count, once)


@dataclass(frozen=True)
class Ring:
    """Slots of the arena that are used in turn; places in it are word offsets of the arena."""

    program: ProgramBuilder
    base: SSAValue
    slot: SSAValue
    words: SSAValue
    """Of all slots."""
    end: SSAValue

    def further(self, place: SSAValue, words: SSAValue) -> SSAValue:
        """A place so many words further on, at most one turn."""
        p = self.program
        there = p.add(place, words)
        return p.select(p.compare(there, "sge", self.end), p.subtract(there, self.words), there)
