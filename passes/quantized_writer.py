"""
Writes QuantizeLinear and DequantizeLinear into a float network, once every position is known.

Scales are powers of two, zero-points int8 zeros; there is one constant for each scale. A weight becomes an int8
constant with a DequantizeLinear, a bias an int32 constant at the position of the accumulator it is added to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, ModuleOp, StringAttr, TensorType, f64, i8, i64
from xdsl.ir import Attribute, Operation, SSAValue

from compiler.onnxio.exporter import main_function
from compiler.quantization.positions import Observation, quantize_array, quantize_bias, signal_to_noise
from dialects.constants import constant_type
from dialects.onnx import ConstantOp, NoneOp, OnnxOp, is_operator, operator
from dialects.onnx_functions import PAIRS
from passes.graph import ConstantMaker, constant_of, static_shape, value_name
from passes.quantization_points import Points, weight_operand

POSITION = "quantize.position"
MINIMUM = "quantize.minimum"
MAXIMUM = "quantize.maximum"
LOWERED = "quantize.lowered"
SIGNAL_TO_NOISE = "quantize.snr"
"""Decibels, by `signal_to_noise`; absent where nothing is lost."""


@dataclass(frozen=True)
class TensorChoice:
    """The position of a tensor, what was seen of it, and why it is coarser than that suggests, if it is."""

    position: int
    observation: Observation
    lowered: str | None


@dataclass(frozen=True)
class WeightChoice:
    """The position of a layer's weight and why it is coarser than its values suggest, if it is."""

    position: int
    lowered: str | None


class QuantizedWriter:
    """Rewrites one network; `write` once."""

    def __init__(
        self,
        module: ModuleOp,
        points: Points,
        tensors: Mapping[SSAValue, TensorChoice],
        weights: Mapping[OnnxOp, WeightChoice],
    ):
        block = main_function(module).body.block
        first = block.first_op
        assert first is not None, "a function ends in its return"
        self._top: Operation = first
        self._maker = ConstantMaker(module)
        self._points = points
        self._tensors = tensors
        self._weights = weights
        self._constants: dict[tuple[str, int], SSAValue] = {}
        self._dequantized_weights: dict[tuple[SSAValue, int], SSAValue] = {}

    def write(self) -> None:
        """Quantise the parameters of every layer, then the activations."""
        for layer in self._points.layers:
            if layer in self._weights:
                self._write_parameters(layer)
        for value, root in self._points.root_of.items():
            self._write_pair(value, self._tensors[root])

    def _write_pair(self, value: SSAValue, choice: TensorChoice) -> None:
        """Put a pair behind `value` and let its readers read it; the host's own values stay float for the host."""
        name = value_name(value)
        scale, zero = self._scale(choice.position), self._zero()
        shape = static_shape(value)
        assert shape is not None, f"'{name}' was selected for its static shape"
        notes: dict[str, Attribute] = {
            POSITION: IntegerAttr(choice.position, i64),
            MINIMUM: FloatAttr(choice.observation.minimum, f64),
            MAXIMUM: FloatAttr(choice.observation.maximum, f64),
        }
        if choice.lowered is not None:
            notes[LOWERED] = StringAttr(choice.lowered)
        notes |= _noise(choice.observation, choice.position)
        quantize = operator("QuantizeLinear")(
            [value, scale, zero],
            [TensorType(i8, shape)],
            notes,
            node_name=_node_name(name, "quantize"),
            output_names=_output_names(name, "quantized"),
        )
        dequantize = operator("DequantizeLinear")(
            [quantize.output, scale, zero],
            [value.type],
            node_name=_node_name(name, "dequantize"),
            output_names=_output_names(name, "dequantized"),
        )
        everyone = value in self._points.on_array
        value.replace_uses_with_if(dequantize.output, lambda use: everyone or self._is_int8(use.operation))
        quantize.operands[0] = value
        owner = value.owner
        block = owner.parent if isinstance(owner, Operation) else owner
        assert block is not None, f"'{name}' is in no block"
        if isinstance(owner, Operation):
            block.insert_ops_after([quantize, dequantize], owner)
        else:
            block.insert_ops_before([quantize, dequantize], self._after_constants())

    def _is_int8(self, reader: Operation) -> bool:
        """Whether a reader runs on int8."""
        return isinstance(reader, OnnxOp) and not self._points.on_array.isdisjoint(reader.outputs)

    def _after_constants(self) -> Operation:
        """The first operation that is neither a constant nor a value that is left out."""
        op: Operation | None = self._top
        while isinstance(op, ConstantOp | NoneOp):
            op = op.next_op
        assert op is not None, "a function ends in its return"
        return op

    def _write_parameters(self, layer: OnnxOp) -> None:
        """Replace weight and bias of a layer by quantised constants."""
        choice = self._weights[layer]
        operand = weight_operand(layer)
        assert operand is not None, f"{layer.describe()} was selected for its constant"
        layer.operands[operand] = self._weight(layer.inputs[operand], layer, choice)
        bias = None if is_operator(layer, *PAIRS) or len(layer.inputs) < 3 else constant_of(layer.inputs[2])
        if bias is None:
            return
        position = choice.position + self._tensors[self._points.root_of[layer.inputs[0]]].position
        name = f"{value_name(layer.inputs[2]) or 'bias'}/int32"
        layer.operands[2] = self._dequantized(quantize_bias(bias, position), position, name, layer, {})

    def _weight(self, source: SSAValue, layer: OnnxOp, choice: WeightChoice) -> SSAValue:
        """The dequantised weight of a layer; layers that share weight and position share it."""
        key = (source, choice.position)
        if key not in self._dequantized_weights:
            values = constant_of(source)
            assert values is not None, f"{layer.describe()} was selected for its constant weight"
            notes: dict[str, Attribute] = {POSITION: IntegerAttr(choice.position, i64)}
            if choice.lowered is not None:
                notes[LOWERED] = StringAttr(choice.lowered)
            notes |= _noise(Observation.of(values), choice.position)
            name = f"{value_name(source) or 'weight'}/int8"
            int8 = quantize_array(values, choice.position)
            self._dequantized_weights[key] = self._dequantized(int8, choice.position, name, layer, notes)
        return self._dequantized_weights[key]

    def _dequantized(
        self,
        values: npt.NDArray[np.int8] | npt.NDArray[np.int32],
        position: int,
        name: str,
        layer: OnnxOp,
        notes: dict[str, Attribute],
    ) -> SSAValue:
        """An integer constant and its DequantizeLinear in front of `layer`."""
        constant = self._maker.insert(values, name, layer)
        inputs = [constant, self._scale(position)]
        if values.dtype == np.int8:
            inputs.append(self._zero())
        type = TensorType(constant_type(np.zeros((), np.float32)).element_type, values.shape)
        dequantize = operator("DequantizeLinear")(
            inputs,
            [type],
            notes,
            node_name=_node_name(value_name(constant), "dequantize"),
            output_names=_output_names(value_name(constant), "dequantized"),
        )
        assert layer.parent is not None, f"{layer.describe()} is in no block"
        layer.parent.insert_op_before(dequantize, layer)
        return dequantize.output

    def _scale(self, position: int) -> SSAValue:
        return self._shared("scale", position, np.array(2.0**-position, np.float32))

    def _zero(self) -> SSAValue:
        return self._shared("zero", 0, np.array(0, np.int8))

    def _shared(self, kind: str, position: int, values: npt.NDArray[np.float32] | npt.NDArray[np.int8]) -> SSAValue:
        """A scalar constant at the top of the network, one for each value."""
        if (kind, position) not in self._constants:
            name = f"{kind}/p{position}" if kind == "scale" else kind
            self._constants[kind, position] = self._maker.insert(values, name, self._top)
        return self._constants[kind, position]


def _noise(observation: Observation, position: int) -> dict[str, Attribute]:
    """The note on what quantising these values loses."""
    decibels = signal_to_noise(observation.sample, position)
    return {} if decibels is None else {SIGNAL_TO_NOISE: FloatAttr(decibels, f64)}


def _node_name(tensor: str, action: str) -> str:
    """The name of a node behind a tensor, none if the tensor has none."""
    return f"{tensor}/{action}" if tensor else ""


def _output_names(tensor: str, state: str) -> list[str]:
    """The tensor name of that node's result."""
    return [f"{tensor}/{state}"] if tensor else []
