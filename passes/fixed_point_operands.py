"""
What the `bsr` level can make of a value of a quantised ONNX graph: the int8 map behind it, or its constant integers.

A float value is a map if it is dequantised from int8, perhaps through operators that lose nothing on the way:
Relu, Clip at representable bounds, MaxPool, and changes of shape. Everything else is `Unrepresentable`, with the reason
that the report will give. The ops that are made here verify themselves, so the rules of the dialect are the rules of
the conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import i8
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from compiler.quantization.arithmetic import INT8_RANGE, Clamp, Rounding
from compiler.quantization.scaling import integer_bounds, is_bias_scale
from dialects.bsr import (
    ClampOp,
    Conv2dOp,
    FixedAttr,
    GemmOp,
    InterleaveOp,
    MaxPoolOp,
    ReshapeOp,
    Scaled,
    ScaledAttr,
    WeightsOp,
    encoding_of,
    scale_of,
    shape_of,
    zero_point_of,
)
from dialects.bsr_attributes import TENSOR, Encoding, as_map, element_type_of
from dialects.bsr_weights import Scales
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import Linear, NotFixedPoint, constant_of, is_absent, linear_of
from dialects.onnx_window import shape_of_value, window_of
from passes.array_rules import broken_rules
from passes.pixel_phases import Phase, whole_map
from passes.regular_moves import Selection, selection_of

UNBOUNDED = (-np.inf, np.inf)
SHAPE_OPERATORS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")


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


def _checked(value: SSAValue) -> SSAValue:
    """A value that ops of this level can read."""
    if not TENSOR.verifies(value.type):
        raise Unrepresentable(f"one of its operands is {_describe(shape_of(value.type))}")
    return value


def _describe(shape: tuple[int, ...]) -> str:
    return f"a tensor of shape {'x'.join(map(str, shape))}, and the array has maps 1xCxHxW and vectors 1xK"


@dataclass
class Operands:
    """Looks values up in the function under construction; `emitted` are the ops made for the current node."""

    maps: dict[SSAValue, SSAValue]
    """The bsr value of every int8 value that is lowered already."""
    rounding: Rounding
    emitted: list[Operation] = field(default_factory=list[Operation])

    def emit(self, op: Operation, node: OnnxOp) -> SSAValue:
        """Append an op that comes from `node` and is valid."""
        op.location = node.location
        try:
            op.verify()
        except VerifyException as error:
            raise Unrepresentable(" ".join(str(error).split())) from error
        self.emitted.append(op)
        return op.results[0]

    def build(self, make: Callable[[], Operation], node: OnnxOp) -> SSAValue:
        """`emit` for an op whose constructor may find the shapes impossible."""
        try:
            op = make()
        except VerifyException as error:
            raise Unrepresentable(" ".join(str(error).split())) from error
        return self.emit(op, node)

    def map(self, value: SSAValue) -> SSAValue:
        """The int8 map whose real values are `value`."""
        if value in self.maps:
            return _checked(self.maps[value])
        producer = value.owner
        if not isinstance(producer, OnnxOp):
            raise Unrepresentable("it reads the network's input in floating point")
        if is_operator(producer, "DequantizeLinear") and is_int8(producer.inputs[0]):
            source = self.map(producer.inputs[0])
            if encoding_of(source.type) != linear_encoding(producer):
                raise Unrepresentable(f"{producer.describe()} has another scale than the QuantizeLinear before it")
            return source
        if is_operator(producer, "Relu", "Clip") and not is_int8(value):
            return self._clamped(producer)
        if is_operator(producer, "MaxPool"):
            return self.max_pool(producer, INT8_RANGE)
        if (selection := selection_of(value)) is not None:
            return self.select(selection)
        if is_operator(producer, *SHAPE_OPERATORS):
            return self.reshape(producer)
        if is_operator(producer, "Constant"):
            raise Unrepresentable("one of its operands is a constant")
        raise Unrepresentable(f"{producer.describe()} before it is not quantised to int8 with a fixed-point scale")

    def _clamped(self, node: OnnxOp) -> SSAValue:
        source, bounds = self.map(node.inputs[0]), bounds_of(node)
        scale, zero_point = scale_of(source.type), zero_point_of(source.type)
        clamp = integer_clamp(bounds, source.type, "half_even")
        for bound, limit in zip(bounds, clamp, strict=True):
            value = zero_point + bound / scale
            if INT8_RANGE[0] <= value <= INT8_RANGE[1] and (limit - zero_point) * scale != bound:
                raise Unrepresentable(f"a bound of {node.describe()} is no int8 of {encoding_of(source.type)}")
        return self.emit(ClampOp(source, clamp), node)

    def max_pool(self, node: OnnxOp, clamp: Clamp) -> SSAValue:
        """A MaxPool or GlobalMaxPool at its input's position."""
        require_rules(node)
        window = window_of(node)
        assert window is not None, f"{node.describe()} reads a map, as its rules demand"
        source = self.map(node.inputs[0])
        return self.build(
            lambda: MaxPoolOp(source, window.kernel, strides=window.strides, pads=window.reach, clamp=clamp), node
        )

    def reshape(self, node: OnnxOp) -> SSAValue:
        """An operator that only changes the shape."""
        source, shape = self.map(node.inputs[0]), static_shape(node.output)
        if shape_of(source.type) == shape:
            return source
        require_rules(node)
        return self.emit(ReshapeOp(source, shape), node)

    def select(self, selection: Selection) -> SSAValue:
        """Regular phases of a map, each by a convolution with a single one for each channel: exact."""
        node, source = selection.nodes[0], self.map(selection.source)
        encoding = encoding_of(source.type)
        if any(linear_encoding(quantize) != encoding for quantize in selection.quantised):
            raise Unrepresentable(f"{node.describe()} and the nodes before it have different scales")
        key = f"{next(iter(node.output_names), node.operator)}.moved{node.outputs.index(selection.value)}"
        phases = selection.phases.phases
        made = {phase: self.phase(source, phase, f"{key}.{index}", node) for index, phase in enumerate(phases)}
        if len(phases) == 1:
            return self.shaped(made[phases[0]], static_shape(selection.value), node)
        return self.emit(InterleaveOp([made[phase] for phase in phases], selection.phases.steps, encoding), node)

    def phase(self, source: SSAValue, phase: Phase, key: str, node: OnnxOp) -> SSAValue:
        """One phase of a map, by a convolution; `key` names its weights."""
        channels, *size = as_map(shape_of(source.type))
        if phase == whole_map(channels, (size[0], size[1])):
            return source
        window = phase.window((size[0], size[1]))
        assert window is not None, "a selection has phases of small windows"
        taps = np.zeros((len(phase.channels), channels, *window), np.int8)
        rows, columns = np.array(phase.firsts).T
        taps[np.arange(len(taps)), list(phase.channels), rows, columns] = 1
        encoding = encoding_of(source.type)
        constant = self.emit(WeightsOp.of_ones(taps, encoding, key), node)
        if len(shape_of(source.type)) == 4 and shape_of(source.type)[0] == 1:
            return self.emit(Conv2dOp(source, constant, encoding, strides=phase.strides), node)
        row = self.emit(GemmOp(self.shaped(source, (1, channels), node), constant, encoding), node)
        return self.shaped(row, (1, len(phase.channels), 1, 1), node)

    def shaped(self, source: SSAValue, shape: tuple[int, ...], node: OnnxOp) -> SSAValue:
        """The same elements under another shape."""
        return source if shape_of(source.type) == shape else self.emit(ReshapeOp(source, shape), node)

    def constant(self, value: SSAValue, what: str) -> tuple[npt.NDArray[Any], Linear]:
        """Integers of a dequantised constant and what they mean."""
        producer = value.owner
        if isinstance(producer, OnnxOp) and is_operator(producer, "DequantizeLinear"):
            integers = constant_of(producer.inputs[0])
            if integers is not None and integers.dtype.name in ("int8", "int32"):
                return integers, linear(producer)
        raise Unrepresentable(f"{what} is not a constant in int8 or int32 with a DequantizeLinear")

    def weights(self, value: SSAValue, output_axis: int) -> tuple[npt.NDArray[np.int8], Scales]:
        """Integers of constant weights, less their zero-points, and their scales: one, or one for each output."""
        integers, says = self.constant(value, "its weight")
        if integers.dtype != np.int8:
            raise Unrepresentable(f"its weight is {integers.dtype}, not int8")
        if says.scales.size > 1 and says.axis % integers.ndim != output_axis:
            raise Unrepresentable(f"{says.label} has a scale for each index of axis {says.axis}, not of the outputs")
        if says.zero_points.any():
            zeros = says.along(says.zero_points, integers.ndim) if says.zero_points.size > 1 else says.zero_points
            centred = integers - zeros
            if centred.min(initial=0) < INT8_RANGE[0] or centred.max(initial=0) > INT8_RANGE[1]:
                raise Unrepresentable(
                    f"its weight less the zero-point of {says.label} reaches from {centred.min()} to {centred.max()}, "
                    "beyond int8; weights with zero-point 0 would fit"
                )
            integers = centred.astype(np.int8)
        return integers, np.unique(says.scales) if np.ptp(says.scales) == 0 else says.scales

    def bias(self, node: OnnxOp, products: npt.NDArray[np.float64], channels: int) -> npt.NDArray[np.int32]:
        """
        The bias, the third input of `node`, as int32 at the scale of the products; zeros if it is left out.

        `products` is that scale, one or one for each channel. A bias at another scale is taken if they are a power of
        two apart and nothing is lost, and one in floating point if the scale of the products is a power of two.
        """
        if len(node.inputs) < 3 or is_absent(node.inputs[2]):
            return np.zeros(channels, np.int32)
        plain = constant_of(node.inputs[2])
        if plain is not None:
            integers, scales = plain.astype(np.float64).reshape(-1), np.ones(1)
        else:
            given, says = self.constant(node.inputs[2], "its bias")
            if says.zero_points.any():
                raise Unrepresentable(f"its bias has the zero-point {says.zero_points[0]}")
            integers, scales = given.astype(np.float64).reshape(-1), says.scales.astype(np.float64)
        if integers.size not in (1, channels):
            raise Unrepresentable(f"its bias has {integers.size} values for {channels} channels")
        if plain is not None or not is_bias_scale(*np.broadcast_arrays(scales, products)):
            apart = scales / products
            if integers.any() and (apart.size > 1 or np.frexp(apart)[0] != 0.5):
                raise Unrepresentable(
                    f"its bias has the scale {scales[0]:g}, which is not that of the products, {products[0]:g}"
                )
            integers = integers * apart[0]
        if np.any(integers != np.rint(integers)) or np.any(np.abs(integers) >= 2**31):
            raise Unrepresentable(f"its bias is no int32 at {_at(products)}, where the products are")
        return np.broadcast_to(integers, channels).astype(np.int32)


def _at(products: npt.NDArray[np.float64]) -> str:
    """A scale in words."""
    mantissa, exponent = np.frexp(products[0])
    return f"position {1 - exponent}" if products.size == 1 and mantissa == 0.5 else "the scale of the input and weight"
