"""Operators of two maps, value by value, between Dequantize and QuantizeLinear."""

from __future__ import annotations

from functools import partial

from xdsl.ir import SSAValue

from compiler.quantization.arithmetic import INT8_RANGE
from dialects.bsr import AddOp, MaxOp, MinOp, MulOp, SubOp
from dialects.onnx import OnnxOp
from passes.fixed_point_operands import Operands
from passes.quantised_target import Lowering, Target, requantised


def _rounded(kind: type[AddOp | SubOp | MulOp], operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    left, right = operands.map(node.inputs[0]), operands.map(node.inputs[1])
    return operands.emit(kind(left, right, target.encoding, clamp=target.clamp, rounding=operands.rounding), node)


def _extremum(kind: type[MaxOp | MinOp], operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """Rounding keeps order, so each operand may be brought to the result's scale before they are compared."""
    first, *others = (requantised(operands, node, operands.map(value), target.unclamped) for value in node.inputs)
    if not others:
        return requantised(operands, node, first, target)
    for number, other in enumerate(others, 1):
        clamp = target.clamp if number == len(others) else INT8_RANGE
        first = operands.emit(kind(first, other, clamp=clamp), node)
    return first


PAIRS: dict[str, Lowering] = {
    "Add": partial(_rounded, AddOp),
    "Sum": partial(_rounded, AddOp),
    "Sub": partial(_rounded, SubOp),
    "Mul": partial(_rounded, MulOp),
    "Max": partial(_extremum, MaxOp),
    "Min": partial(_extremum, MinOp),
}
