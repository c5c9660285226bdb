"""Vectors, and the vector unit's own: `vector`, `aievec.srs` and the two matrix intrinsics, spelled in LLVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from xdsl.dialects import arith, func, vector
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerAttr
from xdsl.ir import SSAValue

from compiler.jit.body_scalars import Handlers
from compiler.jit.lowering import Lowering, element_bits, lanes_of, llvm_type
from compiler.kernels.bodies.faults import unknown_configuration, unknown_function
from compiler.kernels.bodies.vector_unit import (
    MULTIPLY_ACCUMULATE,
    SET,
    SIGNED_4X8X8,
    SIGNED_BY_UNSIGNED_LANES,
)
from dialects.aievec import ShiftRoundSaturateOp

UNSPECIFIED = -0x35014542
"""What an intrinsic leaves undefined: words that no kernel could want."""

WIDEST_SHIFT = 62
"""Of 64-bit sums; further ones give the same."""

SUMS = "<32 x i32>"


def _constant(lowering: Lowering, op: arith.ConstantOp) -> None:
    if isinstance(op.value, IntegerAttr):
        lowering.values[op.result] = str(op.value.value.data)
        return
    assert isinstance(op.value, DenseIntOrFPElementsAttr), f"{op.value} is no integer constant"
    bits = element_bits(op.result.type)
    numbers = np.frombuffer(op.value.data.data, np.dtype(f"<i{bits // 8}"))
    lowering.values[op.result] = f"<{', '.join(f'i{bits} {number}' for number in numbers)}>"


def _load(lowering: Lowering, op: vector.LoadOp) -> None:
    kind = op.result.type
    where = lowering.place(op.base, op.indices[0], lanes_of(kind))
    lowering.values[op.result] = lowering.writer.load(llvm_type(kind), where)


def _store(lowering: Lowering, op: vector.StoreOp) -> None:
    where = lowering.place(op.base, op.indices[0], lanes_of(op.vector.type))
    lowering.writer.store(*lowering.typed(op.vector), where)


def _repeated(lowering: Lowering, element: str, value: str, lanes: int) -> str:
    kind = f"<{lanes} x {element}>"
    first = lowering.writer.emit(f"insertelement {kind} poison, {element} {value}, i64 0")
    return lowering.writer.emit(f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer")


def _broadcast(lowering: Lowering, op: vector.BroadcastOp) -> None:
    kind, value = lowering.typed(op.source)
    lowering.values[op.vector] = _repeated(lowering, kind, value, lanes_of(op.vector.type))


def _bitcast(lowering: Lowering, op: vector.BitcastOp) -> None:
    kind, value = lowering.typed(op.source)
    lowering.emit(op, f"bitcast {kind} {value} to {llvm_type(op.result.type)}")


def _picked(kind: str, left: str, right: str, lanes: Sequence[int]) -> str:
    mask = ", ".join(f"i32 {lane}" for lane in lanes)
    return f"shufflevector {kind} {left}, {kind} {right}, <{len(lanes)} x i32> <{mask}>"


def _shuffle(lowering: Lowering, op: vector.ShuffleOp) -> None:
    lowering.emit(op, _picked(llvm_type(op.v1.type), lowering[op.v1], lowering[op.v2], op.mask.get_values()))


def _srs(lowering: Lowering, op: ShiftRoundSaturateOp) -> None:
    """Half a unit is added and the sum shifted right; a negative shift goes left, as far as 64 bits hold it."""
    writer, lanes, bits = lowering.writer, lanes_of(op.source.type), element_bits(op.result.type)
    kind, suffix = f"<{lanes} x i64>", f"v{lanes}i64"

    def bounded(value: str, low: str, high: str, kind: str, suffix: str) -> str:
        above = writer.call(kind, f"llvm.smax.{suffix}", (kind, value), (kind, low))
        return writer.call(kind, f"llvm.smin.{suffix}", (kind, above), (kind, high))

    shift = writer.emit(f"sext i32 {lowering[op.shift]} to i64")
    right = bounded(shift, "0", str(WIDEST_SHIFT), "i64", "i64")
    left = bounded(writer.emit(f"sub i64 0, {shift}"), "0", str(WIDEST_SHIFT), "i64", "i64")
    limit = writer.emit(f"shl i64 1, {writer.emit(f'sub i64 {WIDEST_SHIFT}, {left}')}")
    half = writer.emit(f"lshr i64 {writer.emit(f'shl i64 1, {right}')}, 1")
    # without a shift there is no half: 1 >> 1 is 0
    least = writer.emit(f"sub i64 0, {limit}")
    splat = {value: _repeated(lowering, "i64", value, lanes) for value in (right, left, limit, least, half)}
    source_kind, source = lowering.typed(op.source)
    wide = writer.emit(f"sext {source_kind} {source} to {kind}")
    moved = writer.emit(f"shl {kind} {bounded(wide, splat[least], splat[limit], kind, suffix)}, {splat[left]}")
    rounded = writer.emit(f"ashr {kind} {writer.emit(f'add {kind} {moved}, {splat[half]}')}, {splat[right]}")
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    saturated = bounded(rounded, f"splat (i64 {low})", f"splat (i64 {high})", kind, suffix)
    lowering.emit(op, f"trunc {kind} {saturated} to {llvm_type(op.result.type)}")


def _constant_operand(value: SSAValue) -> int | None:
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    return None


def _call(lowering: Lowering, op: func.CallOp) -> None:
    symbol = op.callee.string_value()
    if symbol == SET:
        _set(lowering, op)
    elif symbol == MULTIPLY_ACCUMULATE:
        _multiply_accumulate(lowering, op)
    else:
        raise unknown_function(symbol)


def _set(lowering: Lowering, op: func.CallOp) -> None:
    lower, where = op.arguments
    assert _constant_operand(where) == 0, "only the lower half is set"
    rest = f"<{', '.join([f'i32 {UNSPECIFIED}'] * 8)}>"
    lowering.emit(op, _picked(llvm_type(lower.type), lowering[lower], rest, range(16)))


def _multiply_accumulate(lowering: Lowering, op: func.CallOp) -> None:
    left, right, sums, configuration = op.arguments
    writer = lowering.writer
    total = writer.emit(f"bitcast <16 x i64> {lowering[sums]} to {SUMS}")
    match _constant_operand(configuration):
        case value if value == SIGNED_4X8X8:
            total = _matrix_product(lowering, left, right, total)
        case value if value == SIGNED_BY_UNSIGNED_LANES:
            factors = [
                writer.emit(f"{extend} <32 x i16> {_as(lowering, operand, '<32 x i16>')} to {SUMS}")
                for extend, operand in (("sext", left), ("zext", right))
            ]
            total = writer.emit(f"add {SUMS} {total}, {writer.emit(f'mul {SUMS} {factors[0]}, {factors[1]}')}")
        case value:
            raise unknown_configuration("that is no constant" if value is None else value)
    lowering.emit(op, f"bitcast {SUMS} {total} to <16 x i64>")


def _as(lowering: Lowering, value: SSAValue, kind: str) -> str:
    return lowering.writer.emit(f"bitcast {llvm_type(value.type)} {lowering[value]} to {kind}")


def _matrix_product(lowering: Lowering, left: SSAValue, right: SSAValue, total: str) -> str:
    """4 pixels × 8 inputs by 8 inputs × 8 outputs, one input after the other; 16 bits hold a product of bytes."""
    writer = lowering.writer
    pixels, block = (
        writer.emit(f"sext <64 x i8> {_as(lowering, operand, '<64 x i8>')} to <64 x i16>") for operand in (left, right)
    )
    for channel in range(8):
        of_pixels = [8 * pixel + channel for pixel in range(4) for _ in range(8)]
        of_block = [8 * channel + output for _ in range(4) for output in range(8)]
        factors = [
            writer.emit(_picked("<64 x i16>", matrix, "poison", lanes))
            for matrix, lanes in ((pixels, of_pixels), (block, of_block))
        ]
        products = writer.emit(f"mul <32 x i16> {factors[0]}, {factors[1]}")
        total = writer.emit(f"add {SUMS} {total}, {writer.emit(f'sext <32 x i16> {products} to {SUMS}')}")
    return total


VECTORS = cast(
    Handlers,
    {
        arith.ConstantOp: _constant,
        vector.LoadOp: _load,
        vector.StoreOp: _store,
        vector.BroadcastOp: _broadcast,
        vector.BitcastOp: _bitcast,
        vector.ShuffleOp: _shuffle,
        ShiftRoundSaturateOp: _srs,
        func.CallOp: _call,
    },
)
