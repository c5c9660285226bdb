"""Scalars, and what arithmetic does lane by lane: `arith`, and words of memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from xdsl.dialects import arith, memref
from xdsl.ir import Operation, SSAValue

from compiler.jit.lowering import Fault, Lowering, element_bits, is_vector, llvm_type, suffix
from compiler.kernels.bodies.faults import unsigned_comparison

Handlers = Mapping[type[Operation], Callable[[Lowering, Any], None]]

_BINARY: dict[type[Operation], str] = {
    arith.AddiOp: "add",
    arith.SubiOp: "sub",
    arith.MuliOp: "mul",
    arith.AndIOp: "and",
    arith.OrIOp: "or",
    arith.ShLIOp: "shl",
    arith.ShRSIOp: "ashr",
    arith.ShRUIOp: "lshr",
}
_EXTREMES: dict[type[Operation], str] = {arith.MinSIOp: "smin", arith.MaxSIOp: "smax"}
_SHIFTS = (arith.ShLIOp, arith.ShRSIOp, arith.ShRUIOp)
_RELATIONS = ("eq", "ne", "slt", "sle", "sgt", "sge")
"""The signed predicates of `arith.cmpi` in the order of their numbers."""


def _binary(lowering: Lowering, op: Operation) -> None:
    left, right = op.operands
    if isinstance(op, _SHIFTS):
        _check_shift(lowering, right)
    lowering.emit(op, f"{_BINARY[type(op)]} {llvm_type(left.type)} {lowering[left]}, {lowering[right]}")


def _check_shift(lowering: Lowering, amount: SSAValue) -> None:
    """No amount is the width or more; as unsigned numbers, negative ones are."""
    writer, bits, largest = lowering.writer, element_bits(amount.type), lowering[amount]
    if is_vector(amount.type):
        intrinsic = f"llvm.vector.reduce.umax.{suffix(amount.type)}"
        largest = writer.call(f"i{bits}", intrinsic, lowering.typed(amount))
    beyond = writer.emit(f"icmp uge i{bits} {largest}, {bits}")
    lowering.fail_if(beyond, Fault.SHIFT, ("i64", str(bits)), (f"i{bits}", largest))


def _extreme(lowering: Lowering, op: Operation) -> None:
    kind = op.results[0].type
    operands = [lowering.typed(operand) for operand in op.operands]
    intrinsic = f"llvm.{_EXTREMES[type(op)]}.{suffix(kind)}"
    lowering.values[op.results[0]] = lowering.writer.call(llvm_type(kind), intrinsic, *operands)


def _compare(lowering: Lowering, op: arith.CmpiOp) -> None:
    number = op.predicate.value.data
    if number >= len(_RELATIONS):
        raise unsigned_comparison()
    lowering.emit(op, f"icmp {_RELATIONS[number]} {llvm_type(op.lhs.type)} {lowering[op.lhs]}, {lowering[op.rhs]}")


def _select(lowering: Lowering, op: arith.SelectOp) -> None:
    kind = llvm_type(op.lhs.type)
    lowering.emit(op, f"select i1 {lowering[op.cond]}, {kind} {lowering[op.lhs]}, {kind} {lowering[op.rhs]}")


def _cast(lowering: Lowering, op: Operation) -> None:
    """Between an index and an i32 nothing changes."""
    source, target = llvm_type(op.operands[0].type), llvm_type(op.results[0].type)
    if source == target:
        lowering.values[op.results[0]] = lowering[op.operands[0]]
    else:
        lowering.emit(op, f"trunc {source} {lowering[op.operands[0]]} to {target}")


def _load(lowering: Lowering, op: memref.LoadOp) -> None:
    lowering.values[op.res] = lowering.writer.load("i32", lowering.place(op.memref, op.indices[0], 1))


def _store(lowering: Lowering, op: memref.StoreOp) -> None:
    place = lowering.place(op.memref, op.indices[0], 1)
    lowering.writer.store("i32", lowering[op.value], place)


SCALARS: Handlers = {
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_EXTREMES, _extreme),
    **dict.fromkeys((arith.IndexCastOp, arith.TruncIOp), _cast),
    arith.CmpiOp: _compare,
    arith.SelectOp: _select,
    memref.LoadOp: _load,
    memref.StoreOp: _store,
}
