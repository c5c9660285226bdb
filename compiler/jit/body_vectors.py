"""Vectors, and the vector unit's own: `vector`, `aievec.srs` and the two matrix intrinsics, spelled in LLVM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from xdsl.dialects import arith, func, vector
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerAttr
from xdsl.ir import SSAValue

from compiler.jit.body_scalars import Handlers
from compiler.jit.lowering import Lowering, element_bits, lanes_of, llvm_type, suffix
from compiler.jit.writer import Writer
from compiler.kernels.bodies.faults import unknown_configuration, unknown_function, unknown_shuffle
from compiler.kernels.bodies.vector_unit import (
    MULTIPLY_ACCUMULATE,
    SET,
    SHUFFLE,
    SIGNED_4X8X8,
    SIGNED_BY_UNSIGNED_LANES,
    SIGNED_LANES,
    SUBTRACTED,
    TRANSPOSE_BYTES,
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


def _repeated(writer: Writer, element: str, value: str, lanes: int) -> str:
    kind = f"<{lanes} x {element}>"
    first = writer.emit(f"insertelement {kind} poison, {element} {value}, i64 0")
    return writer.emit(f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer")


def _broadcast(lowering: Lowering, op: vector.BroadcastOp) -> None:
    kind, value = lowering.typed(op.source)
    lowering.values[op.vector] = _repeated(lowering.writer, kind, value, lanes_of(op.vector.type))


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
    lanes, bits = lanes_of(op.source.type), element_bits(op.result.type)
    source, result = llvm_type(op.source.type), llvm_type(op.result.type)

    def write(writer: Writer, operands: Sequence[str]) -> str:
        return _shifted_rounded_saturated(writer, source, operands, lanes, bits)

    operands = [lowering.typed(op.source), lowering.typed(op.shift)]
    lowering.values[op.result] = lowering.help(f"srs.{suffix(op.source.type)}.i{bits}", result, operands, write)


def _shifted_rounded_saturated(writer: Writer, source: str, operands: Sequence[str], lanes: int, bits: int) -> str:
    kind, vectors = f"<{lanes} x i64>", f"v{lanes}i64"

    def bounded(value: str, low: str, high: str, kind: str, suffix: str) -> str:
        above = writer.call(kind, f"llvm.smax.{suffix}", (kind, value), (kind, low))
        return writer.call(kind, f"llvm.smin.{suffix}", (kind, above), (kind, high))

    shift = writer.emit(f"sext i32 {operands[1]} to i64")
    right = bounded(shift, "0", str(WIDEST_SHIFT), "i64", "i64")
    left = bounded(writer.emit(f"sub i64 0, {shift}"), "0", str(WIDEST_SHIFT), "i64", "i64")
    limit = writer.emit(f"shl i64 1, {writer.emit(f'sub i64 {WIDEST_SHIFT}, {left}')}")
    least = writer.emit(f"sub i64 0, {limit}")
    # without a shift there is no half: 1 >> 1 is 0
    half = writer.emit(f"lshr i64 {writer.emit(f'shl i64 1, {right}')}, 1")
    splat = {value: _repeated(writer, "i64", value, lanes) for value in (right, left, limit, least, half)}
    wide = writer.emit(f"sext {source} {operands[0]} to {kind}")
    moved = writer.emit(f"shl {kind} {bounded(wide, splat[least], splat[limit], kind, vectors)}, {splat[left]}")
    rounded = writer.emit(f"ashr {kind} {writer.emit(f'add {kind} {moved}, {splat[half]}')}, {splat[right]}")
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    saturated = bounded(rounded, f"splat (i64 {low})", f"splat (i64 {high})", kind, vectors)
    return writer.emit(f"trunc {kind} {saturated} to <{lanes} x i{bits}>")


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
    elif symbol == SHUFFLE:
        _transpose(lowering, op)
    elif symbol in lowering.kernels:
        _kernel(lowering, op)
    else:
        raise unknown_function(symbol)


def _kernel(lowering: Lowering, op: func.CallOp) -> None:
    """Another kernel; its fault is a fault of this one."""
    writer, operands = lowering.writer, list[str]()
    for operand in op.arguments:
        operands.append(" ".join(lowering.typed(operand)))
        if operand in lowering.sizes:
            operands.append(f"i64 {lowering.sizes[operand]}")
    status = writer.emit(f"call i32 @{op.callee.string_value()}({', '.join((*operands, 'ptr %fault'))})")
    number = writer.fresh("")
    failed = writer.emit(f"icmp ne i32 {status}, 0")
    writer.do(f"br i1 {failed}, label %failed{number}, label %done{number}")
    writer.label(f"failed{number}")
    writer.do("ret i32 1")
    writer.label(f"done{number}")


def _set(lowering: Lowering, op: func.CallOp) -> None:
    lower, where = op.arguments
    assert _constant_operand(where) == 0, "only the lower half is set"
    rest = f"<{', '.join([f'i32 {UNSPECIFIED}'] * 8)}>"
    lowering.emit(op, _picked(llvm_type(lower.type), lowering[lower], rest, range(16)))


def _transpose(lowering: Lowering, op: func.CallOp) -> None:
    """The bytes of an 8 × 8 block, columns first."""
    order = _constant_operand(op.arguments[2])
    if order != TRANSPOSE_BYTES:
        raise unknown_shuffle("that is no constant" if order is None else order)
    kind = llvm_type(op.arguments[0].type)
    block = lowering.writer.emit(f"bitcast {kind} {lowering[op.arguments[0]]} to <64 x i8>")
    lanes = [8 * row + column for column in range(8) for row in range(8)]
    moved = lowering.writer.emit(_picked("<64 x i8>", block, "poison", lanes))
    lowering.emit(op, f"bitcast <64 x i8> {moved} to {kind}")


def _multiply_accumulate(lowering: Lowering, op: func.CallOp) -> None:
    configuration = _constant_operand(op.arguments[3])
    product = _PRODUCTS.get(configuration)
    if product is None:
        raise unknown_configuration("that is no constant" if configuration is None else configuration)
    kinds = ("<64 x i8>", "<64 x i8>", SUMS)
    operands = [
        (kind, lowering.writer.emit(f"bitcast {llvm_type(value.type)} {lowering[value]} to {kind}"))
        for kind, value in zip(kinds, op.arguments[:3], strict=True)
    ]
    total = lowering.help(f"mac{configuration}", SUMS, operands, product)
    lowering.emit(op, f"bitcast {SUMS} {total} to <16 x i64>")


def _lanes_product(writer: Writer, operands: Sequence[str], sign: str = "add", right: str = "zext") -> str:
    """32 lanes of int16 by uint16, or by int16 if `right` is a sign extension."""
    factors = [
        writer.emit(f"{extend} <32 x i16> {writer.emit(f'bitcast <64 x i8> {operand} to <32 x i16>')} to {SUMS}")
        for extend, operand in zip(("sext", right), operands[:2], strict=True)
    ]
    return writer.emit(f"{sign} {SUMS} {operands[2]}, {writer.emit(f'mul {SUMS} {factors[0]}, {factors[1]}')}")


def _lanes_product_off(writer: Writer, operands: Sequence[str]) -> str:
    """The same, taken off."""
    return _lanes_product(writer, operands, "sub")


def _signed_product(writer: Writer, operands: Sequence[str]) -> str:
    """32 lanes of int16."""
    return _lanes_product(writer, operands, right="sext")


def _matrix_product(writer: Writer, operands: Sequence[str]) -> str:
    """4 pixels × 8 inputs by 8 inputs × 8 outputs, one input after the other; 16 bits hold a product of bytes."""
    pixels, block = (writer.emit(f"sext <64 x i8> {operand} to <64 x i16>") for operand in operands[:2])
    total = operands[2]
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


_PRODUCTS: dict[int | None, Callable[[Writer, Sequence[str]], str]] = {
    SIGNED_4X8X8: _matrix_product,
    SIGNED_LANES: _signed_product,
    SIGNED_BY_UNSIGNED_LANES: _lanes_product,
    SIGNED_BY_UNSIGNED_LANES | SUBTRACTED: _lanes_product_off,
}


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
