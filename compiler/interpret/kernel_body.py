"""
Run the MLIR body of a kernel on numpy memory, one operation at a time.

This is the test oracle for `compiler.kernels.bodies`, made for tiny shapes: it executes the very operations that
upstream compiles for a core. Memory is checked at every access, and the unspecified upper half that an intrinsic
leaves is filled with a pattern no kernel could want. Integers wrap at their width; index is 32 bits, as on the core.

`aievec.srs` rounds half up and saturates, as upstream sets it at the entry of a core whose own body holds such an
operation; how a kernel rounds otherwise is for its own operations to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import arith, func, memref, scf, vector
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerAttr, IntegerType, VectorType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from compiler.kernels.bodies.faults import (
    outside_memory,
    undefined_shift,
    unknown_configuration,
    unknown_function,
    unknown_operation,
    unknown_shuffle,
    unsigned_comparison,
    wrong_operands,
)
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
from compiler.quantization.arithmetic import round_shift
from dialects.aievec import ShiftRoundSaturateOp

Lanes = npt.NDArray[np.signedinteger[Any]]
Value = int | Lanes
"""A scalar is a Python integer in the signed range of its type; vectors and memories are numpy arrays."""

UNSPECIFIED = np.int32(-0x35014542)

ELEMENTS: dict[int, type[np.signedinteger[Any]]] = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}


@dataclass
class _Frame:
    """One running function."""

    values: dict[SSAValue, Value] = field(default_factory=dict[SSAValue, Value])
    functions: Mapping[str, func.FuncOp] = field(default_factory=dict[str, func.FuncOp])
    """Kernels that this one may call."""

    def many(self, operands: Sequence[SSAValue]) -> list[Value]:
        return [self.values[operand] for operand in operands]

    def number(self, operand: SSAValue) -> int:
        value = self.values[operand]
        assert isinstance(value, int), f"{operand} is not a scalar"
        return value

    def lanes(self, operand: SSAValue) -> Lanes:
        value = self.values[operand]
        assert not isinstance(value, int), f"{operand} is a scalar"
        return value


def run_kernel_body(
    function: func.FuncOp, arguments: Sequence[Value], functions: Mapping[str, func.FuncOp] | None = None
) -> None:
    """Call `function`, which may call `functions` by name; memories among `arguments` are changed in place."""
    block = function.body.block
    if len(block.args) != len(arguments):
        raise wrong_operands(function.sym_name.data, len(block.args), len(arguments))
    _run_block(_Frame(dict(zip(block.args, arguments, strict=True)), functions or {}), block)


def _run_block(frame: _Frame, block: Block) -> list[Value]:
    """Run to the terminator and return its operands."""
    for op in block.ops:
        if isinstance(op, scf.YieldOp | func.ReturnOp):
            return frame.many(op.operands)
        handler = _HANDLERS.get(type(op))
        if handler is None:
            raise unknown_operation(op.name)
        frame.values.update(zip(op.results, handler(frame, op), strict=True))
    return []


def _width(kind: Attribute) -> int:
    """Bits of a scalar or of a vector's element; index is 32 bits on a core."""
    if isinstance(kind, VectorType):
        kind = cast("VectorType[Attribute]", kind).element_type
    return cast("IntegerType", kind).width.data if isinstance(kind, IntegerType) else 32


def _wrapped(value: int, kind: Attribute) -> int:
    """`value` in the signed range of its type."""
    bits = _width(kind)
    if bits == 1:
        return value & 1
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def _shift_amount(right: Value, bits: int) -> Value:
    """An amount, or one for each lane; all of them below the width, and as unsigned numbers negative ones are not."""
    largest = max(np.asarray(right).reshape(-1).tolist(), key=lambda amount: amount % (1 << bits))
    if not 0 <= largest < bits:
        raise undefined_shift(bits, largest)
    return right


def _logical_right(left: Any, right: Any, bits: int) -> Any:
    if isinstance(left, int):
        return (left & ((1 << bits) - 1)) >> right
    unsigned = np.dtype(f"u{left.dtype.itemsize}")
    return (left.view(unsigned) >> right.astype(unsigned)).view(left.dtype)


_BINARY: dict[type[Operation], Callable[[Any, Any, int], Any]] = {
    arith.AddiOp: lambda left, right, bits: left + right,
    arith.SubiOp: lambda left, right, bits: left - right,
    arith.MuliOp: lambda left, right, bits: left * right,
    arith.AndIOp: lambda left, right, bits: left & right,
    arith.OrIOp: lambda left, right, bits: left | right,
    arith.MinSIOp: lambda left, right, bits: np.minimum(left, right),
    arith.MaxSIOp: lambda left, right, bits: np.maximum(left, right),
    arith.ShLIOp: lambda left, right, bits: left << _shift_amount(right, bits),
    arith.ShRSIOp: lambda left, right, bits: left >> _shift_amount(right, bits),
    arith.ShRUIOp: lambda left, right, bits: _logical_right(left, _shift_amount(right, bits), bits),
}


def _binary(frame: _Frame, op: Operation) -> list[Value]:
    left, right = frame.many(op.operands)
    kind = op.results[0].type
    result = _BINARY[type(op)](left, right, _width(kind))
    return [_wrapped(int(result), kind) if isinstance(left, int) else result]


_RELATIONS: dict[int, Callable[[int, int], bool]] = {
    0: int.__eq__,
    1: int.__ne__,
    2: int.__lt__,
    3: int.__le__,
    4: int.__gt__,
    5: int.__ge__,
}
"""The signed predicates of `arith.cmpi` by their number."""


def _compare(frame: _Frame, op: Operation) -> list[Value]:
    assert isinstance(op, arith.CmpiOp)
    relation = _RELATIONS.get(op.predicate.value.data)
    if relation is None:
        raise unsigned_comparison()
    return [int(relation(frame.number(op.lhs), frame.number(op.rhs)))]


def _constant(frame: _Frame, op: Operation) -> list[Value]:
    assert isinstance(op, arith.ConstantOp)
    if isinstance(op.value, DenseIntOrFPElementsAttr):
        return [np.frombuffer(op.value.data.data, ELEMENTS[_width(op.result.type)])]
    assert isinstance(op.value, IntegerAttr), f"{op.value} is no integer constant"
    return [op.value.value.data]


def _select(frame: _Frame, op: Operation) -> list[Value]:
    condition, chosen, otherwise = frame.many(op.operands)
    return [chosen if condition else otherwise]


def _cast(frame: _Frame, op: Operation) -> list[Value]:
    return [_wrapped(frame.number(op.operands[0]), op.results[0].type)]


def _place(frame: _Frame, memory: SSAValue, indices: Sequence[SSAValue], words: int) -> tuple[Lanes, slice]:
    """The memory and the words of one access, which must lie inside it."""
    array, start = frame.lanes(memory), frame.number(indices[0])
    if start < 0 or start + words > array.size:
        raise outside_memory(start, words, array.size)
    return array, slice(start, start + words)


def _lanes_of(value: SSAValue) -> int:
    kind = value.type
    assert isinstance(kind, VectorType)
    return cast("VectorType[Attribute]", kind).get_shape()[0]


def _memory(frame: _Frame, op: Operation) -> list[Value]:
    match op:
        case memref.LoadOp():
            array, place = _place(frame, op.memref, op.indices, 1)
            return [int(array[place][0])]
        case memref.StoreOp():
            array, place = _place(frame, op.memref, op.indices, 1)
            array[place] = frame.number(op.value)
            return []
        case vector.LoadOp():
            array, place = _place(frame, op.base, op.indices, _lanes_of(op.result))
            return [array[place].copy()]
        case vector.StoreOp():
            array, place = _place(frame, op.base, op.indices, _lanes_of(op.vector))
            array[place] = frame.lanes(op.vector)
            return []
        case _:
            raise AssertionError(op.name)


def _rearranged(frame: _Frame, op: Operation) -> list[Value]:
    match op:
        case vector.BroadcastOp():
            element = ELEMENTS[_width(op.vector.type)]
            return [np.full(_lanes_of(op.vector), frame.number(op.source), element)]
        case vector.BitcastOp():
            return [frame.lanes(op.source).view(ELEMENTS[_width(op.result.type)])]
        case vector.ShuffleOp():
            both = np.concatenate([frame.lanes(op.v1), frame.lanes(op.v2)])
            return [both[np.array(op.mask.get_values())]]
        case ShiftRoundSaturateOp():
            shift = frame.number(op.shift)
            element = np.iinfo(ELEMENTS[_width(op.result.type)])
            wide = frame.lanes(op.source).astype(np.int64)
            rounded = round_shift(wide, shift, "half_up")
            return [np.clip(rounded, element.min, element.max).astype(element.dtype)]
        case _:
            raise AssertionError(op.name)


def _call(frame: _Frame, op: Operation) -> list[Value]:
    assert isinstance(op, func.CallOp)
    symbol = op.callee.string_value()
    if symbol == SET:
        lower, where = frame.many(op.arguments)
        assert where == 0, "only the lower half is set"
        return [np.concatenate([cast("Lanes", lower), np.full(8, UNSPECIFIED)])]
    if symbol == MULTIPLY_ACCUMULATE:
        pixels, block, sums = (frame.lanes(argument) for argument in op.arguments[:3])
        configuration = frame.number(op.arguments[3])
        product = _product(pixels, block, configuration & ~SUBTRACTED).reshape(-1)
        return [(sums.view(np.int32) + (-product if configuration & SUBTRACTED else product)).view(np.int64)]
    if symbol == SHUFFLE:
        if (order := frame.number(op.arguments[2])) != TRANSPOSE_BYTES:
            raise unknown_shuffle(order)
        block = frame.lanes(op.arguments[0]).view(np.int8).reshape(8, 8)
        return [np.ascontiguousarray(block.T).reshape(-1).view(np.int32)]
    if symbol in frame.functions:
        run_kernel_body(frame.functions[symbol], frame.many(op.arguments), frame.functions)
        return []
    raise unknown_function(symbol)


def _product(left: Lanes, right: Lanes, configuration: int) -> npt.NDArray[np.int32]:
    """What the multiplier adds to 32 sums."""
    if configuration == SIGNED_4X8X8:
        pixels = left.view(np.int8)[:32].reshape(4, 8).astype(np.int32)
        return pixels @ right.view(np.int8).reshape(8, 8).astype(np.int32)
    if configuration in (SIGNED_LANES, SIGNED_BY_UNSIGNED_LANES):
        factors = right.view(np.int16 if configuration == SIGNED_LANES else np.uint16)
        return left.view(np.int16).astype(np.int32) * factors.astype(np.int32)
    raise unknown_configuration(configuration)


def _for(frame: _Frame, op: Operation) -> list[Value]:
    assert isinstance(op, scf.ForOp)
    carried = frame.many(op.iter_args)
    block = op.body.block
    for index in range(frame.number(op.lb), frame.number(op.ub), frame.number(op.step)):
        frame.values.update(zip(block.args, [index, *carried], strict=True))
        carried = _run_block(frame, block)
    return carried


def _if(frame: _Frame, op: Operation) -> list[Value]:
    assert isinstance(op, scf.IfOp)
    region = op.true_region if frame.number(op.cond) else op.false_region
    return _run_block(frame, region.block) if region.blocks else []


_HANDLERS: Mapping[type[Operation], Callable[[_Frame, Operation], list[Value]]] = {
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys((memref.LoadOp, memref.StoreOp, vector.LoadOp, vector.StoreOp), _memory),
    **dict.fromkeys((vector.BroadcastOp, vector.BitcastOp, vector.ShuffleOp, ShiftRoundSaturateOp), _rearranged),
    **dict.fromkeys((arith.IndexCastOp, arith.TruncIOp), _cast),
    arith.CmpiOp: _compare,
    arith.ConstantOp: _constant,
    arith.SelectOp: _select,
    func.CallOp: _call,
    scf.ForOp: _for,
    scf.IfOp: _if,
}
