"""
Functions of one value: chains of element-wise operators between one tensor and another of its shape.

    %a = onnx.Add(%x, 3.0)    %b = onnx.Clip(%a, 0.0, 6.0)    %c = onnx.Mul(%x, %b)    %y = onnx.Div(%c, 6.0)

Here %y is a function of %x, whatever operators spell it: each element depends on one element of %x and on constants
that are single numbers. If %x is int8 and %y becomes int8, then a table of 256 entries is that function.

Relu and Clip alone are no such function: they are bounds, which computations have anyway. Nor is a sum, difference,
product or extremum of a tensor with itself that is quantised at once: that is an operation on two maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue

from dialects.onnx import ConstantOp, OnnxOp, is_operator
from dialects.onnx_fixed_point import is_absent, is_constant
from dialects.onnx_window import shape_of_value

BOUNDS = ("Relu", "Clip")
PAIRS = ("Add", "Sub", "Mul", "Max", "Min", "Sum")
ONLY_IN_FUNCTIONS = (
    *("Abs", "Acos", "Acosh", "And", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Div", "Elu"),
    *("Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "LeakyRelu"),
    *("Less", "LessOrEqual", "Log", "Mean", "Mish", "Mod", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Round"),
    *("Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh"),
    *("ThresholdedRelu", "Where", "Xor"),
)
"""Element-wise operators that the array knows in no other way."""
ELEMENT_WISE = (*BOUNDS, *PAIRS, *ONLY_IN_FUNCTIONS)


@dataclass(frozen=True)
class Function:
    """A value as a function of one int8 tensor."""

    source: SSAValue
    nodes: tuple[OnnxOp, ...]
    """In an order in which they can be computed, the first DequantizeLinear and those of constants among them."""


def function_of(value: SSAValue) -> Function | None:
    """What int8 tensor a value is a function of; None if there is none, or more than one, or only bounds."""
    nodes = _cone(value)
    if nodes is None or is_pair(value):
        return None
    sources = {node.inputs[0] for node in nodes if is_activation(node.output)}
    between = [node for node in nodes if not is_operator(node, "DequantizeLinear", *BOUNDS)]
    if len(sources) != 1 or not between:
        return None
    source, shape = next(iter(sources)), shape_of_value(value)
    return Function(source, nodes) if shape is not None and shape == shape_of_value(source) else None


def _cone(value: SSAValue) -> tuple[OnnxOp, ...] | None:
    """Element-wise nodes up to where int8 is dequantised, operands before their readers; None if others take part."""
    done: dict[OnnxOp, None] = {}
    pending = [value]
    while pending:
        node = pending[-1].owner
        if not isinstance(node, OnnxOp):
            return None
        operands: Sequence[SSAValue] = ()
        if not is_operator(node, "DequantizeLinear"):
            given = operands_of(node)
            if given is None:
                return None
            constants = [each for each in node.inputs if is_constant(each) and not isinstance(each.owner, ConstantOp)]
            operands = [*given, *constants]
        waiting = [operand for operand in operands if operand.owner not in done]
        if waiting:
            pending += waiting
        else:
            done[node] = None
            pending.pop()
    return tuple(done)


def operands_of(node: OnnxOp) -> Sequence[SSAValue] | None:
    """Operands of an element-wise node that are no constants; None if it is none, or has constants of many numbers."""
    if not is_operator(node, *ELEMENT_WISE) or len(node.outputs) != 1:
        return None
    operands: list[SSAValue] = []
    for value in node.inputs:
        if is_absent(value):
            continue
        if not is_constant(value):
            operands.append(value)
        elif (shape := shape_of_value(value)) is None or any(size != 1 for size in shape):
            return None
    return operands or None


def is_activation(value: SSAValue) -> bool:
    """Whether it is dequantised from what is computed when the network runs."""
    return isinstance(value.owner, OnnxOp) and is_operator(value.owner, "DequantizeLinear") and not is_constant(value)


def is_pair(value: SSAValue) -> bool:
    """Whether it is an operation on int8 maps themselves, and nothing but bounds comes before it is quantised."""
    node = value.owner
    while isinstance(node, OnnxOp) and is_operator(node, *BOUNDS):
        node = node.inputs[0].owner
    if not isinstance(node, OnnxOp) or not is_operator(node, *PAIRS) or not all(map(is_activation, node.inputs)):
        return False
    return all(_only_quantised(use.operation) for use in node.output.uses)


def _only_quantised(reader: Operation) -> bool:
    while isinstance(reader, OnnxOp) and is_operator(reader, *BOUNDS):
        uses = list(reader.output.uses)
        if len(uses) != 1:
            return all(_only_quantised(use.operation) for use in uses)
        reader = uses[0].operation
    return not isinstance(reader, OnnxOp) or is_operator(reader, "QuantizeLinear")
