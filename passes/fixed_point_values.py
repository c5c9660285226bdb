"""
What quantised ONNX graphs say of values: which are int8, at which scale and of which shape; and why something is none.
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import i8
from xdsl.ir import Attribute, SSAValue

from compiler.quantization.arithmetic import Clamp, Rounding
from compiler.quantization.scaling import integer_bounds
from dialects.bsr import FixedAttr, Scaled, ScaledAttr, scale_of, zero_point_of
from dialects.bsr_attributes import Encoding, element_type_of
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import Linear, NotFixedPoint, constant_of, is_absent, linear_of
from dialects.onnx_window import shape_of_value
from passes.array_rules import broken_rules

UNBOUNDED = (-np.inf, np.inf)


class Unrepresentable(Exception):
    """Why a part of the graph has no form at the bsr level; it runs on the host for this reason."""


def require_rules(node: OnnxOp) -> None:
    """Refuse a node that breaks rules of the array, with all of them at once."""
    broken = broken_rules(node)
    if broken:
        raise Unrepresentable("; ".join(broken))


def is_int8(value: SSAValue) -> bool:
    """Whether a value is an int8 tensor."""
    return element_type_of(value.type) == i8


def linear(op: OnnxOp) -> Linear:
    """What a Quantize or DequantizeLinear of constant scales says."""
    try:
        return linear_of(op)
    except NotFixedPoint as error:
        raise Unrepresentable(str(error)) from error


def linear_encoding(op: OnnxOp) -> Encoding:
    """The meaning of the int8 map that a QuantizeLinear makes or a DequantizeLinear reads."""
    says = linear(op)
    try:
        return FixedAttr(says.position)
    except NotFixedPoint:
        pass  # a general scale or a zero-point: the next form has both
    try:
        return ScaledAttr(Scaled(says.scale, says.zero_point))
    except NotFixedPoint as error:
        raise Unrepresentable(str(error)) from error


def static_shape(value: SSAValue) -> tuple[int, ...]:
    """The shape of a value, which has to be known."""
    shape = shape_of_value(value)
    if shape is None:
        raise Unrepresentable("its shape is not known when compiling")
    return shape


def bounds_of(op: OnnxOp) -> tuple[float, float]:
    """The real bounds of a Relu or Clip."""
    if is_operator(op, "Relu"):
        return 0.0, np.inf
    bounds = list(UNBOUNDED)
    for index in (1, 2):
        if index < len(op.inputs) and not is_absent(op.inputs[index]):
            values = constant_of(op.inputs[index])
            if values is None or values.size != 1:
                raise Unrepresentable(f"the bounds of {op.describe()} are not constant numbers")
            bounds[index - 1] = float(values.reshape(-1)[0])
    return bounds[0], bounds[1]


def integer_clamp(bounds: tuple[float, float], type: Attribute, rounding: Rounding) -> Clamp:
    """The int8 clamp after rounding to a map of `type` that equals real bounds before it."""
    if bounds[0] > bounds[1]:
        raise Unrepresentable(f"the lower bound {bounds[0]:g} of Clip lies above the upper bound {bounds[1]:g}")
    return integer_bounds(bounds, scale_of(type), zero_point_of(type), rounding)
