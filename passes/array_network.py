"""The network that the planners see, from the ops of the `bsr` level: which value is which map, which op which step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xdsl.dialects import func
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation, SSAValue

from compiler.errors import InputError
from compiler.kernels.parameters import Kernel
from compiler.scheduling.network import ArrayStep, HostStep, Network, Step
from compiler.tiling.layer import Destination, Layer, MapShape
from dialects.bsr import (
    TENSOR_NAME,
    AppendOp,
    AvgPoolOp,
    ClampOp,
    ConcatOp,
    Conv2dOp,
    ExtremumOp,
    GemmOp,
    HostOp,
    InterleaveOp,
    LutOp,
    MatMulOp,
    MaxPoolOp,
    MoveOp,
    MulOp,
    RequantiseOp,
    ReshapeOp,
    SumOp,
    WeightsOp,
    encoding_of,
    is_map,
    position_of,
    shape_of,
)
from dialects.bsr_attributes import Encoding, FixedAttr
from passes.array_layers import (
    conv_layer,
    gemm_layer,
    map_shape,
    matmul_layer,
    name_of,
    pool_layer,
    requantise_layer,
    unary_layer,
)
from passes.pair_layers import pair_layer, sum_layer


@dataclass
class NetworkMaps:
    """A network under construction, and what its numbers stand for."""

    steps: list[Step] = field(default_factory=list[Step])
    shapes: list[MapShape] = field(default_factory=list[MapShape])
    encodings: list[Encoding] = field(default_factory=list[Encoding])
    """What the integers of each map mean."""
    tensors: list[str] = field(default_factory=list[str])
    """Name of each map's tensor in the quantised graph, or an empty string."""
    numbers: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    contractions: dict[str, Conv2dOp | GemmOp] = field(default_factory=dict[str, Conv2dOp | GemmOp])
    """What each convolution was, by layer name."""
    tables: dict[str, LutOp] = field(default_factory=dict[str, LutOp])
    """What each lookup was, by layer name."""
    host_ops: dict[str, Operation] = field(default_factory=dict[str, Operation])
    """Host ops, and moves of words, by step name."""
    origins: list[Operation] = field(default_factory=list[Operation])
    """The op that each step comes from."""
    outputs: set[int] = field(default_factory=set[int])

    def network(self) -> Network:
        """For the planners."""
        hidden = frozenset(number for number, tensor in enumerate(self.tensors) if not tensor)
        return Network(tuple(self.shapes), tuple(self.steps), tuple(sorted(self.outputs)), hidden)

    def new_map(self, shape: MapShape, encoding: Encoding, tensor: str) -> int:
        """A map of its own."""
        self.shapes.append(shape)
        self.encodings.append(encoding)
        self.tensors.append(tensor)
        return len(self.shapes) - 1

    def step_name(self, op: Operation) -> str:
        """A name that no other step has."""
        wanted = name_of(op, op.name.split(".")[1])
        taken = {step.name for step in self.steps}
        name, count = wanted, 1
        while name in taken:
            count += 1
            name = f"{wanted}_{count}"
        return name


def _tensor_of(op: Operation) -> str:
    name = op.attributes.get(TENSOR_NAME)
    return name.data if isinstance(name, StringAttr) else ""


def _operand(maps: NetworkMaps, value: SSAValue, op: Operation) -> int:
    """The map of an operand that the array reads. Raises InputError for a reshape that moves data."""
    number = maps.numbers[value]
    if maps.shapes[number] != map_shape(value.type):
        raise InputError(
            f"'{name_of(op, op.name)}' reads {shape_of(value.type)} reshaped from a map of "
            f"{maps.shapes[number]}; the array cannot reorder channels and pixels, run bsr-reshape-on-host first"
        )
    return number


def _parts(maps: NetworkMaps, op: Operation, name: str) -> tuple[tuple[Layer, tuple[int, ...]], ...]:
    """The layers of one op that have no weights."""
    match op:
        case SumOp() | MulOp() | ExtremumOp():
            layer = pair_layer(op, name)
            return ((layer, (_operand(maps, op.left, op), _operand(maps, op.right, op))),)
        case MatMulOp():
            return ((matmul_layer(op, name), (_operand(maps, op.left, op), _operand(maps, op.right, op))),)
        case MaxPoolOp() | AvgPoolOp():
            return ((pool_layer(op, name), (_operand(maps, op.input, op),)),)
        case LutOp():
            maps.tables[name] = op
            shape = map_shape(op.result.type)
            return ((Layer(name, Kernel.LOOKUP, shape, shape), (_operand(maps, op.input, op),)),)
        case ClampOp() | RequantiseOp():
            return ((unary_layer(op, name), (_operand(maps, op.input, op),)),)
        case ConcatOp():
            parts: list[tuple[Layer, tuple[int, ...]]] = []
            block = 0
            for index, value in enumerate(op.inputs):
                to = Destination(block)
                layer = requantise_layer(f"{name}.{index}", value, op.result, op.rounding, op.clamp, to)
                parts.append((layer, (_operand(maps, value, op),)))
                block += layer.output.blocks
                if layer.input.channels % 8 and index + 1 < len(op.inputs):
                    raise InputError(
                        f"concatenation '{name}': operand {index} has {layer.input.channels} channels, which is no "
                        "multiple of 8; run bsr-split-ragged-concat first"
                    )
            return tuple(parts)
        case AppendOp() | InterleaveOp():
            return tuple(_by_pixels(maps, op, name))
        case _:
            raise InputError(f"'{name}': the array has no kernel for {op.name}; it must become a bsr.host first")


def _by_pixels(maps: NetworkMaps, op: AppendOp | InterleaveOp, name: str) -> Iterator[tuple[Layer, tuple[int, ...]]]:
    """A copy of each operand from its first pixel on, of an interleaving every so many pixels apart."""
    steps = op.steps if isinstance(op, InterleaveOp) else (1, 1)
    for index, (value, offset) in enumerate(zip(op.inputs, op.offsets, strict=True)):
        to = Destination(0, *offset, *steps)
        layer = requantise_layer(f"{name}.{index}", value, op.result, op.rounding, op.clamp, to)
        yield layer, (_operand(maps, value, op),)


def _convolution(maps: NetworkMaps, op: Conv2dOp | GemmOp, name: str) -> None:
    layer = gemm_layer(op, name) if isinstance(op, GemmOp) else conv_layer(op, name)
    maps.contractions[name] = op
    source = _operand(maps, op.input, op)
    if isinstance(op, GemmOp) or op.skip is None:
        number = maps.new_map(layer.output, encoding_of(op.result.type), _tensor_of(op))
        maps.steps.append(ArrayStep(name, ((layer, (source,)),), number))
        maps.numbers[op.result] = number
        return
    inner = maps.new_map(layer.output, FixedAttr(op.inner_position), "")
    maps.steps.append(ArrayStep(name, ((layer, (source,)),), inner))
    skip = _operand(maps, op.skip, op)
    number = maps.new_map(layer.output, encoding_of(op.result.type), _tensor_of(op))
    positions, position = (op.inner_position, position_of(op.skip.type)), position_of(op.result.type)
    added = sum_layer(f"{name}.add", layer.output, positions, position, op.rounding, op.clamp)
    maps.steps.append(ArrayStep(f"{name}.add", ((added, (inner, skip)),), number))
    maps.numbers[op.result] = number


def build_network(function: func.FuncOp) -> NetworkMaps:
    """Walk the function once, in order."""
    maps = NetworkMaps()
    for argument in function.body.block.args:
        if is_map(argument.type):
            maps.numbers[argument] = maps.new_map(map_shape(argument.type), encoding_of(argument.type), "")
    for op in function.body.block.ops:
        if isinstance(op, Conv2dOp | GemmOp):
            _convolution(maps, op, maps.step_name(op))
        elif isinstance(op, ReshapeOp):
            maps.numbers[op.result] = maps.numbers[op.input]
        elif isinstance(op, HostOp):
            _host(maps, op)
        elif isinstance(op, MoveOp):
            # what it moves is no map, and no core computes: to the planners it is nothing
            maps.host_ops[name := maps.step_name(op)] = op
            maps.steps.append(HostStep(name, (), ()))
        elif isinstance(op, func.ReturnOp):
            maps.outputs |= {maps.numbers[value] for value in op.operands if value in maps.numbers}
        elif not isinstance(op, WeightsOp):
            name = maps.step_name(op)
            parts = _parts(maps, op, name)
            result = op.results[0]
            number = maps.new_map(map_shape(result.type), encoding_of(result.type), _tensor_of(op))
            maps.steps.append(ArrayStep(name, parts, number))
            maps.numbers[result] = number
        maps.origins += [op] * (len(maps.steps) - len(maps.origins))
    return maps


def _host(maps: NetworkMaps, op: HostOp) -> None:
    name = maps.step_name(op)
    inputs = tuple(maps.numbers[value] for value in op.inputs if value in maps.numbers)
    outputs: list[int] = []
    for result in op.outputs:
        if is_map(result.type):
            number = maps.new_map(map_shape(result.type), encoding_of(result.type), _tensor_of(op))
            maps.numbers[result] = number
            outputs.append(number)
    maps.host_ops[name] = op
    maps.steps.append(HostStep(name, inputs, tuple(outputs)))
