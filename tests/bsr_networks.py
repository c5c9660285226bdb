"""
Networks of the `bsr` level as data: a few lines that say everything, and the module and inputs they stand for.

    Network(seed=3, inputs=(Input(17, 5, 1),), layers=(Conv(source=0, outputs=9, kernel=(3, 1)),))

Values are numbered: the inputs first, then one per layer. Numbers come from the seed, so a failing network shrinks to
its structure and its `repr` is a test. The functions take int8 maps, so that no host is needed to run them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp, NameLoc, NoneAttr, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from compiler.quantization.arithmetic import LARGEST_ACCUMULATOR, accumulator_bound
from dialects import bsr

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[int, int, int, int]
Rounding: TypeAlias = Literal["half_even", "half_up"]
Numbers: TypeAlias = Literal["any", "small", "ends", "low", "high"]
Mask: TypeAlias = Literal["full", "empty", "half", "first_row", "first_column", "last_row", "last_column", "diagonal"]
FULL: Pair = (-128, 127)
FINEST, COARSEST = 30, -30


@dataclass(frozen=True)
class Input:
    """An int8 map, or a vector if it has no height."""

    channels: int
    height: int = 0
    width: int = 0
    position: int = 4
    numbers: Numbers = "any"


@dataclass(frozen=True)
class Conv:
    """A convolution; with a skip, the sum is at `position` and the convolution itself at `inner_position`."""

    source: int
    outputs: int
    kernel: Pair = (1, 1)
    strides: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilations: Pair = (1, 1)
    mask: Mask = "full"
    weights: Numbers = "any"
    bias_bits: int = 12
    shift: int = 8
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"
    skip: int | None = None
    inner_position: int = 4
    inner_clamp: Pair = FULL


@dataclass(frozen=True)
class Gemm:
    """A fully connected layer on a whole map or vector."""

    source: int
    outputs: int
    mask: Mask = "full"
    weights: Numbers = "any"
    bias_bits: int = 12
    shift: int = 8
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


@dataclass(frozen=True)
class Add:
    """The sum of two values of one shape, perhaps of a value with itself."""

    left: int
    right: int
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


@dataclass(frozen=True)
class MaxPool:
    """The largest cell of each window."""

    source: int
    kernel: Pair
    strides: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    clamp: Pair = FULL


@dataclass(frozen=True)
class AvgPool:
    """The mean of each window."""

    source: int
    kernel: Pair
    strides: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    count_include_pad: bool = False
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


@dataclass(frozen=True)
class Concat:
    """Maps side by side along the channels; a map may appear twice."""

    sources: tuple[int, ...]
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


@dataclass(frozen=True)
class Clamp:
    """A range."""

    source: int
    clamp: Pair


@dataclass(frozen=True)
class Requantise:
    """Another position."""

    source: int
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


@dataclass(frozen=True)
class Pad:
    """Zeros around a map."""

    source: int
    pads: Pads


@dataclass(frozen=True)
class Reshape:
    """The same integers in another shape."""

    source: int
    shape: tuple[int, ...]


Layer: TypeAlias = Conv | Gemm | Add | MaxPool | AvgPool | Concat | Clamp | Requantise | Pad | Reshape


@dataclass(frozen=True)
class Network:
    """`outputs` are numbers of values; every layer that they do not need is still computed."""

    seed: int
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[int, ...] = (-1,)

    def module(self) -> ModuleOp:
        """The verified module."""
        return _Writer(self).write()

    def arrays(self) -> dict[str, npt.NDArray[np.int8]]:
        """One array per input."""
        random = np.random.default_rng([self.seed, 0])
        return {
            f"input{index}": _draw(random, given.numbers, _input_shape(given))
            for index, given in enumerate(self.inputs)
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
            case Add(left, right, position, clamp, rounding):
                return bsr.AddOp(values[left], values[right], position, clamp=clamp, rounding=rounding)
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
            case Concat(sources, position, clamp, rounding):
                return bsr.ConcatOp([values[number] for number in sources], position, clamp=clamp, rounding=rounding)
            case Clamp(source, clamp):
                return bsr.ClampOp(values[source], clamp)
            case Requantise(source, position, clamp, rounding):
                return bsr.RequantiseOp(values[source], position, clamp=clamp, rounding=rounding)
            case Pad(source, pads):
                return bsr.PadOp(values[source], pads)
            case Reshape(source, shape):
                return bsr.ReshapeOp(values[source], shape)

    def _conv(self, layer: Conv, random: np.random.Generator, key: str) -> Operation:
        x = self.values[layer.source]
        inner = layer.position if layer.skip is None else layer.inner_position
        shape = (layer.outputs, bsr.shape_of(x.type)[1], *layer.kernel)
        return bsr.Conv2dOp(
            x,
            self._weights(layer, shape, inner + layer.shift - _position(x), random, key),
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
        return op.result


def _position(value: SSAValue) -> int:
    return bsr.position_of(value.type)
