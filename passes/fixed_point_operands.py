"""
What the `bsr` level can make of a value of a quantised ONNX graph: the int8 map behind it.

A float value is a map if it is dequantised from int8, perhaps through operators that lose nothing on the way:
Relu, Clip at representable bounds, MaxPool, and changes of shape. Everything else is `Unrepresentable`, with the reason
that the report will give. The ops that are made here verify themselves, so the rules of the dialect are the rules of
the conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from compiler.quantization.arithmetic import INT8_RANGE, Clamp, Rounding
from dialects.bsr import (
    ClampOp,
    Conv2dOp,
    GemmOp,
    InterleaveOp,
    MaxPoolOp,
    ReshapeOp,
    WeightsOp,
    encoding_of,
    scale_of,
    shape_of,
    zero_point_of,
)
from dialects.bsr_attributes import TENSOR, as_map
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_window import window_of
from passes.fixed_point_values import (
    Unrepresentable,
    bounds_of,
    integer_clamp,
    is_int8,
    linear_encoding,
    require_rules,
    static_shape,
)
from passes.pixel_phases import Phase, whole_map
from passes.regular_moves import Selection, selection_of
from passes.repeated_maps import is_repetition, repeated

SHAPE_OPERATORS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")


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
            # it must not count as a reader of its operands, which others go on to use
            op.erase()
            raise Unrepresentable(" ".join(str(error).split())) from error
        self.emitted.append(op)
        return op.results[0]

    def withdraw(self, kept: int = 0) -> None:
        """Drop all ops but the first `kept`, so that none of them counts as a reader of anything."""
        for op in reversed(self.emitted[kept:]):
            op.erase()
        del self.emitted[kept:]

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
        selection = selection_of(value)
        if is_repetition(producer) and (selection is None or selection.nodes == (producer,)):
            name = next(iter(producer.output_names), producer.operator)
            return repeated(self, self.map(producer.inputs[0]), static_shape(value), f"{name}.repeated", producer)
        if selection is not None:
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
