"""
Write a kernel function as MLIR with one short call per operation.

    body = Assembler("conv", arena_words=14336)
    with body.loop(body.index(0), width, 4) as group:
        body.store(body.load(body.add(row, group.index), W8), address)

Every kernel has the same operands: the parameter buffer, the arena, and the scalars of `semantics.Call` as index
values. Both memories are counted in 32-bit words, so an address here is an offset of `parameters.py`. Only operations
that upstream lowers for a core are used: func, scf, arith, memref, vector, `aievec.srs` and two declared intrinsics.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import arith, func, memref, scf, vector
from xdsl.dialects.builtin import (
    AnyDenseElement,
    BytesAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    VectorType,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from compiler.kernels.parameters import CORE_PARAMETER_WORDS, PARAMETER_WORDS, Parameter

INDEX = IndexType()
W2 = VectorType(i32, (2,))
W4 = VectorType(i32, (4,))
W8 = VectorType(i32, (8,))
"""Eight words: four pixels of eight int8 channels."""
W16 = VectorType(i32, (16,))
W32 = VectorType(i32, (32,))
"""Four pixels of eight int32 channels."""
H32 = VectorType(i16, (32,))
B32 = VectorType(i8, (32,))
B64 = VectorType(i8, (64,))
ACCUMULATOR = VectorType(i64, (16,))
"""32 int32 sums in the type that the matrix intrinsic has for them."""

BinaryOp = type[arith.SignlessIntegerBinaryOperation] | type[arith.SignlessIntegerBinaryOperationWithOverflow]


@dataclass(frozen=True)
class Arguments:
    """Operands of a kernel function: `memref`s, then the fields of `semantics.Call` in their order."""

    params: SSAValue
    arena: SSAValue
    weights: SSAValue
    out: SSAValue
    partial: SSAValue
    blocks: SSAValue
    first: SSAValue
    last: SSAValue
    row: SSAValue
    rows: SSAValue


SCALARS = len(fields(Arguments)) - 2
"""Operands beside the memories."""


@dataclass
class Loop:
    """One `scf.for`: inside it `index` and `values`, after it `results`."""

    index: SSAValue
    values: Sequence[SSAValue]
    results: Sequence[SSAValue]


@dataclass
class Assembler:
    """Builds one function; operations go to the end of `block`."""

    name: str
    arena_words: int
    function: func.FuncOp = field(init=False)
    arguments: Arguments = field(init=False)
    block: Block = field(init=False)
    _constants: dict[tuple[int, Attribute], SSAValue] = field(
        default_factory=dict[tuple[int, Attribute], SSAValue], init=False
    )

    def __post_init__(self) -> None:
        inputs = (MemRefType(i32, (CORE_PARAMETER_WORDS,)), MemRefType(i32, (self.arena_words,)), *[INDEX] * SCALARS)
        self.function = func.FuncOp(self.name, (inputs, ()))
        self.block = self.function.body.block
        self.arguments = Arguments(*self.block.args)
        for argument, name in zip(self.block.args, Arguments.__dataclass_fields__, strict=True):
            argument.name_hint = name

    def finish(self) -> func.FuncOp:
        """The function, with its return."""
        self.block.add_op(func.ReturnOp())
        return self.function

    def emit(self, op: Operation) -> SSAValue:
        """Append an operation with one result."""
        self.block.add_op(op)
        return op.results[0]

    def _constant(self, value: int, kind: IndexType | IntegerType) -> SSAValue:
        known = self._constants.get((value, kind))
        if known is None:
            op = arith.ConstantOp(IntegerAttr(value, kind))
            entry = self.function.body.block
            if entry.first_op is None:
                entry.add_op(op)
            else:
                entry.insert_op_before(op, entry.first_op)
            known = self._constants[value, kind] = op.result
        return known

    def index(self, value: int) -> SSAValue:
        """A constant of type index."""
        return self._constant(value, INDEX)

    def word(self, value: int) -> SSAValue:
        """A constant of type i32."""
        return self._constant(value, i32)

    def words(self, values: npt.NDArray[np.int32], kind: VectorType) -> SSAValue:
        """A constant vector from its memory image."""
        dense = DenseIntOrFPElementsAttr(cast("VectorType[AnyDenseElement]", kind), BytesAttr(values.tobytes()))
        return self.emit(arith.ConstantOp(dense, kind))

    def as_index(self, value: SSAValue) -> SSAValue:
        """i32 → index"""
        return self.emit(arith.IndexCastOp(value, INDEX))

    def as_word(self, value: SSAValue) -> SSAValue:
        """index → i32"""
        return self.emit(arith.IndexCastOp(value, i32))

    def parameter_word(self, parameter: Parameter) -> SSAValue:
        """A parameter as i32."""
        return self.emit(memref.LoadOp.get(self.arguments.params, [self.index(parameter)]))

    def parameter(self, parameter: Parameter) -> SSAValue:
        """A parameter as index."""
        return self.as_index(self.parameter_word(parameter))

    def tap(self, tap: SSAValue, table: SSAValue | None = None) -> SSAValue:
        """Word offset of a tap's row, or -1, as index; `table` is where the entries of an output row begin."""
        where = self.add(tap, table or self.index(PARAMETER_WORDS))
        return self.as_index(self.emit(memref.LoadOp.get(self.arguments.params, [where])))

    def load_word(self, address: SSAValue) -> SSAValue:
        """One word of the arena as i32."""
        return self.emit(memref.LoadOp.get(self.arguments.arena, [address]))

    def load_index(self, address: SSAValue) -> SSAValue:
        """One word of the arena as index."""
        return self.as_index(self.load_word(address))

    def load(self, address: SSAValue, kind: VectorType) -> SSAValue:
        """Consecutive words of the arena."""
        return self.emit(vector.LoadOp(self.arguments.arena, [address], kind))

    def store(self, value: SSAValue, address: SSAValue) -> None:
        """Write consecutive words of the arena."""
        self.block.add_op(vector.StoreOp(value, self.arguments.arena, [address]))

    def store_word(self, word: SSAValue, address: SSAValue) -> None:
        """Write one word of the arena."""
        self.block.add_op(memref.StoreOp.get(word, self.arguments.arena, [address]))

    def binary(self, kind: BinaryOp, left: SSAValue, right: SSAValue) -> SSAValue:
        """Any two-operand integer operation, on scalars or vectors."""
        return self.emit(kind(left, right))

    def add(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """left + right"""
        return self.binary(arith.AddiOp, left, right)

    def subtract(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """left − right"""
        return self.binary(arith.SubiOp, left, right)

    def multiply(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """left · right"""
        return self.binary(arith.MuliOp, left, right)

    def minimum(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """The smaller, signed."""
        return self.binary(arith.MinSIOp, left, right)

    def maximum(self, left: SSAValue, right: SSAValue) -> SSAValue:
        """The larger, signed."""
        return self.binary(arith.MaxSIOp, left, right)

    def shift_left(self, value: SSAValue, amount: SSAValue) -> SSAValue:
        """value · 2^amount"""
        return self.binary(arith.ShLIOp, value, amount)

    def shift_right(self, value: SSAValue, amount: SSAValue) -> SSAValue:
        """⌊value / 2^amount⌋"""
        return self.binary(arith.ShRSIOp, value, amount)

    def compare(self, left: SSAValue, relation: str, right: SSAValue) -> SSAValue:
        """An i1: `relation` is MLIR's, as in `sge`."""
        return self.emit(arith.CmpiOp(left, right, relation))

    def select(self, condition: SSAValue, chosen: SSAValue, otherwise: SSAValue) -> SSAValue:
        """One of two values, without a branch."""
        return self.emit(arith.SelectOp(condition, chosen, otherwise))

    def broadcast(self, value: SSAValue, kind: VectorType) -> SSAValue:
        """A scalar in every lane."""
        return self.emit(vector.BroadcastOp(value, kind))

    def bitcast(self, value: SSAValue, kind: VectorType) -> SSAValue:
        """The same bits as other lanes."""
        return value if value.type == kind else self.emit(vector.BitcastOp(value, kind))

    def shuffle(self, left: SSAValue, right: SSAValue, lanes: Sequence[int], kind: VectorType) -> SSAValue:
        """Lanes of two vectors, those of `right` counted on from those of `left`."""
        return self.emit(vector.ShuffleOp(left, right, DenseArrayBase.from_list(i64, lanes), result_type=kind))

    def call(self, symbol: str, arguments: Sequence[SSAValue], result: Attribute) -> SSAValue:
        """Call a function of the device."""
        return self.emit(func.CallOp(symbol, arguments, [result]))

    def call_kernel(self, symbol: str, arguments: Arguments) -> None:
        """Call another kernel."""
        operands = [getattr(arguments, name) for name in Arguments.__dataclass_fields__]
        self.block.add_op(func.CallOp(symbol, operands, []))

    @contextmanager
    def loop(
        self, lower: SSAValue, upper: SSAValue, step: int = 1, carried: Sequence[SSAValue] = ()
    ) -> Generator[Loop]:
        """`for index in [lower, upper)`; a loop that carries values ends with `yield_`."""
        block = Block(arg_types=[INDEX, *(value.type for value in carried)])
        op = scf.ForOp(lower, upper, self.index(step), carried, block)
        self.block.add_op(op)
        outer, self.block = self.block, block
        yield Loop(block.args[0], block.args[1:], op.results)
        if not carried:
            block.add_op(scf.YieldOp())
        self.block = outer

    def yield_(self, *values: SSAValue) -> None:
        """The carried values of the next round."""
        self.block.add_op(scf.YieldOp(*values))

    def choose(self, condition: SSAValue, then: Callable[[], SSAValue], otherwise: Callable[[], SSAValue]) -> SSAValue:
        """`scf.if` with one result: only the chosen side runs."""
        return self.choose_all(condition, lambda: [then()], lambda: [otherwise()])[0]

    def choose_all(
        self, condition: SSAValue, then: Callable[[], Sequence[SSAValue]], otherwise: Callable[[], Sequence[SSAValue]]
    ) -> Sequence[SSAValue]:
        """`scf.if` with several results."""
        outer = self.block
        chosen = self.block = Block()
        values = then()
        self.yield_(*values)
        other = self.block = Block()
        self.yield_(*otherwise())
        self.block = outer
        op = scf.IfOp(condition, [value.type for value in values], Region(chosen), Region(other))
        self.block.add_op(op)
        return op.results

    def branch(self, condition: SSAValue, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """`scf.if` without a result."""
        outer = self.block
        chosen = self.block = Block()
        then()
        self.yield_()
        other = self.block = Block()
        otherwise()
        self.yield_()
        self.block = outer
        self.block.add_op(scf.IfOp(condition, [], Region(chosen), Region(other)))
