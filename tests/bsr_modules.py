"""
The modules and inputs that networks given as data stand for.

The functions take int8 maps, so that no host is needed to run them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from bsr_networks import (
    FULL,
    Add,
    Append,
    AvgPool,
    Clamp,
    Combination,
    Concat,
    Conv,
    Extremum,
    Gemm,
    Input,
    Interleave,
    Layer,
    Lut,
    Mask,
    MatMul,
    MaxPool,
    Mul,
    Network,
    Numbers,
    Pad,
    Requantise,
    Reshape,
    Sub,
)
from xdsl.dialects.builtin import ModuleOp, NameLoc, NoneAttr, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from compiler.quantization.arithmetic import LARGEST_ACCUMULATOR, accumulator_bound
from dialects import bsr

_COMBINATIONS: dict[type[Combination], type[bsr.AddOp | bsr.SubOp | bsr.MulOp]] = {
    Add: bsr.AddOp,
    Sub: bsr.SubOp,
    Mul: bsr.MulOp,
}


def _input_shape(given: Input) -> tuple[int, ...]:
    return (1, given.channels, given.height, given.width) if given.height else (1, given.channels)


def _draw(random: np.random.Generator, numbers: Numbers, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    match numbers:
        case "any":
            values = random.integers(-128, 128, shape)
        case "small":
            values = random.integers(-2, 3, shape)
        case "ends":
            values = random.choice(np.array([-128, 127]), shape)
        case "low":
            values = np.full(shape, -128)
        case "high":
            values = np.full(shape, 127)
    return values.astype(np.int8)


def _gamma(random: np.random.Generator, mask: Mask, rows: int, columns: int) -> npt.NDArray[np.bool_]:
    if mask == "half":
        return random.random((rows, columns)) < 0.5
    if mask == "diagonal":
        return np.eye(rows, columns, dtype=np.bool_)
    gamma = np.full((rows, columns), mask == "full")
    match mask:
        case "first_row":
            gamma[0] = True
        case "last_row":
            gamma[-1] = True
        case "first_column":
            gamma[:, 0] = True
        case "last_column":
            gamma[:, -1] = True
        case _:
            pass
    return gamma


class _Writer:
    """Ops of one network, in order."""

    def __init__(self, network: Network):
        self.network = network
        types = [bsr.fixed_type(_input_shape(given), given.position) for given in network.inputs]
        self.block = Block(arg_types=types)
        self.values: list[SSAValue] = list(self.block.args)
        self.weights: dict[str, SSAValue] = {}
        """By the name of the layer that they were made for."""

    def write(self) -> ModuleOp:
        for index, layer in enumerate(self.network.layers):
            random = np.random.default_rng([self.network.seed, 1 + index])
            op = self._layer(layer, random, f"layer{index}")
            op.location = NameLoc(StringAttr(f"layer{index}"), NoneAttr())
            op.attributes[bsr.TENSOR_NAME] = StringAttr(f"tensor{index}")
            self.block.add_op(op)
            self.values.append(op.results[0])
        results = [self.values[number] for number in self.network.outputs]
        self.block.add_op(ReturnOp(*results))
        types = [argument.type for argument in self.block.args], [value.type for value in results]
        module = ModuleOp([FuncOp("main", types, Region(self.block))])
        module.verify()
        return module

    def _layer(self, layer: Layer, random: np.random.Generator, key: str) -> Operation:
        values = self.values
        match layer:
            case Conv():
                return self._conv(layer, random, key)
            case Gemm():
                x = values[layer.source]
                shape = (layer.outputs, *(*bsr.shape_of(x.type)[1:], 1, 1)[:3])
                weights = self._weights(layer, shape, layer.position + layer.shift - _position(x), random, key)
                return bsr.GemmOp(x, weights, layer.position, clamp=layer.clamp, rounding=layer.rounding)
            case Combination(left, right, position, clamp, rounding):
                return _COMBINATIONS[type(layer)](values[left], values[right], position, clamp=clamp, rounding=rounding)
            case MatMul(left, right, heads, transposed, position, clamp, rounding):
                return bsr.MatMulOp(
                    values[left],
                    values[right],
                    position,
                    heads=heads,
                    transposed=transposed,
                    clamp=clamp,
                    rounding=rounding,
                )
            case Extremum(chosen, left, right, clamp):
                return (bsr.MaxOp if chosen == "max" else bsr.MinOp)(values[left], values[right], clamp=clamp)
            case MaxPool(source, kernel, strides, pads, clamp):
                return bsr.MaxPoolOp(values[source], kernel, strides=strides, pads=pads, clamp=clamp)
            case AvgPool(source, kernel, strides, pads, counted, position, clamp, rounding):
                return bsr.AvgPoolOp(
                    values[source],
                    position,
                    kernel,
                    strides=strides,
                    pads=pads,
                    count_include_pad=counted,
                    clamp=clamp,
                    rounding=rounding,
                )
            case Append(sources, axis, position, clamp, rounding):
                operands = [values[number] for number in sources]
                return bsr.AppendOp(operands, axis, position, clamp=clamp, rounding=rounding)
            case Interleave(sources, steps, position, clamp, rounding):
                operands = [values[number] for number in sources]
                return bsr.InterleaveOp(operands, steps, position, clamp=clamp, rounding=rounding)
            case Concat(sources, position, clamp, rounding):
                return bsr.ConcatOp([values[number] for number in sources], position, clamp=clamp, rounding=rounding)
            case Clamp(source, clamp):
                return bsr.ClampOp(values[source], clamp)
            case Requantise(source, position, clamp, rounding):
                return bsr.RequantiseOp(values[source], position, clamp=clamp, rounding=rounding)
            case Lut(source, position):
                return bsr.LutOp(values[source], random.integers(-128, 128, 256).astype(np.int8), position)
            case Pad(source, pads):
                return bsr.PadOp(values[source], pads)
            case Reshape(source, shape):
                return bsr.ReshapeOp(values[source], shape)

    def _conv(self, layer: Conv, random: np.random.Generator, key: str) -> Operation:
        x = self.values[layer.source]
        inner = layer.position if layer.skip is None else layer.inner_position
        shape = (layer.outputs, bsr.shape_of(x.type)[1], *layer.kernel)
        shared = None if layer.weights_of is None else self.weights[f"layer{layer.weights_of}"]
        return bsr.Conv2dOp(
            x,
            shared or self._weights(layer, shape, inner + layer.shift - _position(x), random, key),
            layer.position,
            strides=layer.strides,
            pads=layer.pads,
            dilations=layer.dilations,
            clamp=layer.clamp,
            rounding=layer.rounding,
            skip=None if layer.skip is None else self.values[layer.skip],
            inner_position=None if layer.skip is None else layer.inner_position,
            inner_clamp=FULL if layer.skip is None else layer.inner_clamp,
        )

    def _weights(
        self, layer: Conv | Gemm, shape: tuple[int, ...], position: int, random: np.random.Generator, key: str
    ) -> SSAValue:
        """Weights at `position`, and as large a bias as is asked for and 32 bits hold."""
        gamma = _gamma(random, layer.mask, bsr.blocks_of(shape[0]), bsr.blocks_of(shape[1]))
        kept = np.kron(gamma, np.ones((8, 8), np.int8))[: shape[0], : shape[1], None, None]
        values = _draw(random, layer.weights, shape) * kept
        room = LARGEST_ACCUMULATOR - accumulator_bound(values, np.zeros(shape[0], np.int32))
        limit = min(1 << layer.bias_bits, room)
        bias = random.choice(np.array([-limit, limit, 0]), shape[0]) if layer.bias_bits > 24 else None
        if bias is None:
            bias = random.integers(-limit, limit + 1, shape[0])
        op = bsr.WeightsOp.from_dense(values, bias.astype(np.int32), position, key)
        self.block.add_op(op)
        self.weights[key] = op.result
        return op.result


def _position(value: SSAValue) -> int:
    return bsr.position_of(value.type)


def module_of(network: Network) -> ModuleOp:
    """The verified module of a network."""
    return _Writer(network).write()


def arrays_of(network: Network) -> dict[str, npt.NDArray[np.int8]]:
    """One array per input."""
    random = np.random.default_rng([network.seed, 0])
    return {
        f"input{index}": _draw(random, given.numbers, _input_shape(given)) for index, given in enumerate(network.inputs)
    }
