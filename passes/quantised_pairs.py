"""
Operators of two maps, value by value, between Dequantize and QuantizeLinear.

Tokens, which matrix products give, are taken as maps of one row, so that nothing moves between a dense layer and the
sum after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from xdsl.ir import SSAValue

from compiler.quantization.arithmetic import INT8_RANGE
from dialects.bsr import AddOp, MaxOp, MinOp, MulOp, SubOp, shape_of
from dialects.onnx import OnnxOp
from dialects.onnx_fixed_point import is_constant
from passes.array_constraints import few_elements_fault
from passes.fixed_point_operands import Operands
from passes.fixed_point_values import Unrepresentable, static_shape
from passes.matrix_operands import constant_map, operand_map, stack_of, tensor_of
from passes.quantised_target import Lowering, Target, requantised
from passes.repeated_maps import repeated, repetition_fault
from passes.stored_constants import stored_constant, with_rank
from passes.token_rows import has_rows, is_transposed_map


def _rounded(kind: type[AddOp | SubOp | MulOp], operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    tokens = _adds_tokens(operands, node)
    left, right = _tokens(operands, node, target) if tokens else _alike(operands, node, target, lambda value: value)
    made = kind(left, right, target.encoding, clamp=target.clamp, rounding=operands.rounding)
    return _result(operands, node, operands.emit(made, node), tokens)


def _extremum(kind: type[MaxOp | MinOp], operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """Rounding keeps order, so each operand may be brought to the result's scale before they are compared."""

    def brought(value: SSAValue) -> SSAValue:
        return requantised(operands, node, value, target.unclamped)

    if tokens := _adds_tokens(operands, node):
        values = [brought(value) for value in _tokens(operands, node, target)]
    else:
        values = _alike(operands, node, target, brought)
    first, *others = values
    if not others:
        first = requantised(operands, node, first, target)
    for number, other in enumerate(others, 1):
        clamp = target.clamp if number == len(others) else INT8_RANGE
        first = operands.emit(kind(first, other, clamp=clamp), node)
    return _result(operands, node, first, tokens)


def _alike(operands: Operands, node: OnnxOp, target: Target, change: Callable[[SSAValue], SSAValue]) -> list[SSAValue]:
    """The operands after a `change`, all of the shape of the result."""
    shape, found = static_shape(node.output), list[SSAValue]()
    if fault := few_elements_fault(node):
        raise Unrepresentable(fault)
    for number, value in enumerate(node.inputs):
        stored = is_constant(value)
        own = operands.emit(stored_constant(value, with_rank(len(shape))), node) if stored else operands.map(value)
        changed = change(own)
        if fault := repetition_fault(shape_of(changed.type), shape):
            raise Unrepresentable(fault)
        found.append(repeated(operands, changed, shape, f"{target.name}.operand{number}", node))
    return found


def _adds_tokens(operands: Operands, node: OnnxOp) -> bool:
    """Whether the operands are rows, or constants, and the array has some of them as maps."""
    shape = static_shape(node.output)
    computed = [value for value in node.inputs if not is_constant(value)]
    if not has_rows(shape) or any(static_shape(value) != shape for value in computed):
        return False
    emitted = len(operands.emitted)
    found = any(is_transposed_map(operands.map(value)) for value in computed)
    operands.withdraw(emitted)
    return found


def _tokens(operands: Operands, node: OnnxOp, target: Target) -> list[SSAValue]:
    """The operands as maps of one row."""
    shape, found = static_shape(node.output), list[SSAValue]()
    for number, value in enumerate(node.inputs):
        if is_constant(value):
            stored = stored_constant(value, lambda integers: constant_map(integers, shape))
            found.append(operands.emit(stored, node))
        else:
            key = f"{target.name}.operand{number}"
            found.append(operand_map(operands, value, stack_of(shape), node, key=key))
    return found


def _result(operands: Operands, node: OnnxOp, made: SSAValue, tokens: bool) -> SSAValue:
    """What was made, as the tensor that the node gives."""
    shape = static_shape(node.output)
    return tensor_of(operands, made, stack_of(shape)[0], shape, node) if tokens else made


PAIRS: dict[str, Lowering] = {
    "Add": partial(_rounded, AddOp),
    "Sum": partial(_rounded, AddOp),
    "Sub": partial(_rounded, SubOp),
    "Mul": partial(_rounded, MulOp),
    "Max": partial(_extremum, MaxOp),
    "Min": partial(_extremum, MinOp),
}
