"""Operators of two maps, value by value, between Dequantize and QuantizeLinear."""

from __future__ import annotations

from functools import partial

from xdsl.ir import SSAValue

from compiler.quantization.arithmetic import INT8_RANGE
from dialects.bsr import AddOp, MaxOp, MinOp, MulOp, SubOp
from dialects.onnx import OnnxOp
from dialects.onnx_fixed_point import is_constant
from passes.fixed_point_operands import Operands
from passes.fixed_point_values import static_shape
from passes.quantised_target import Lowering, Target, requantised
from passes.repeated_maps import repeated
from passes.stored_constants import stored_constant


def _rounded(kind: type[AddOp | SubOp | MulOp], operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    left, right = _repeated(operands, node, target, _operands(operands, node))
    return operands.emit(kind(left, right, target.encoding, clamp=target.clamp, rounding=operands.rounding), node)


def _extremum(kind: type[MaxOp | MinOp], operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """Rounding keeps order, so each operand may be brought to the result's scale before they are compared."""
    values = [requantised(operands, node, value, target.unclamped) for value in _operands(operands, node)]
    first, *others = _repeated(operands, node, target, values)
    if not others:
        return requantised(operands, node, first, target)
    for number, other in enumerate(others, 1):
        clamp = target.clamp if number == len(others) else INT8_RANGE
        first = operands.emit(kind(first, other, clamp=clamp), node)
    return first


def _operands(operands: Operands, node: OnnxOp) -> list[SSAValue]:
    """What is computed, and constants with as many dimensions as the result."""
    rank = len(static_shape(node.output))
    return [
        operands.emit(stored_constant(value, rank), node) if is_constant(value) else operands.map(value)
        for value in node.inputs
    ]


def _repeated(operands: Operands, node: OnnxOp, target: Target, values: list[SSAValue]) -> list[SSAValue]:
    """The operands, all of the shape of the result."""
    shape, keys = static_shape(node.output), (f"{target.name}.operand{number}" for number in range(len(values)))
    return [repeated(operands, value, shape, key, node) for value, key in zip(values, keys, strict=False)]


PAIRS: dict[str, Lowering] = {
    "Add": partial(_rounded, AddOp),
    "Sum": partial(_rounded, AddOp),
    "Sub": partial(_rounded, SubOp),
    "Mul": partial(_rounded, MulOp),
    "Max": partial(_extremum, MaxOp),
    "Min": partial(_extremum, MinOp),
}
