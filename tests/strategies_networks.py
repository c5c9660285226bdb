"""
Strategies for what the planners see: layers, networks without values, and chips of every shape with little memory.

A network is grown step by step from maps that exist, so every draw is a network; some draws fit no array, which is the
planners' to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel, Parameter
from compiler.scheduling.network import ArrayStep, HostStep, Network, Step
from compiler.tiling.layer import Destination, Layer, MapShape, Product, blocks_of


@st.composite
def tight_chips(draw: st.DrawFn) -> Chip:
    """Meshes from 1x1 to 8x8, MemTiles and cores from ample down to what single rows need, or less."""
    chip = chip_named(f"mesh-{draw(st.integers(1, 8))}x{draw(st.integers(1, 8))}")
    memtile = draw(st.sampled_from((524288, 24576, 8192, 4096)))
    core = draw(st.sampled_from((65536, 8192, 5120)))
    return chip.with_overrides({"memtile_bytes": memtile, "core_memory_bytes": core})


def gamma_of(outputs: int, inputs: int, seed: int) -> npt.NDArray[np.bool_]:
    """A mask whose density is drawn too: from empty to full."""
    random = np.random.default_rng(seed)
    return random.random((blocks_of(outputs), blocks_of(inputs))) < random.choice((0.0, 0.3, 0.7, 1.0))


@st.composite
def window_layers(draw: st.DrawFn, kernel: Kernel, shape: MapShape, channels: int, name: str = "layer") -> Layer:
    """A convolution or pool on a map: any stride, uneven pads, and for convolutions dilations."""
    dilated = draw(st.integers(1, 2)) if kernel is Kernel.CONV else 1
    size: list[int] = []
    pads: list[int] = []
    for extent in (shape.height, shape.width):
        taps = draw(st.integers(1, 3))
        reach = (taps - 1) * dilated
        before, after = draw(st.integers(0, reach)), draw(st.integers(0, reach))
        size.append(taps)
        # enough padding for one output pixel
        pads += [before, max(after, reach + 1 - extent - before)]
    strides = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    rows, columns = (
        (extent + low + high - (taps - 1) * dilated - 1) // stride + 1
        for extent, low, high, taps, stride in zip(
            (shape.height, shape.width), pads[::2], pads[1::2], size, strides, strict=True
        )
    )
    counted = ((Parameter.COUNT_TOP, 0), (Parameter.COUNT_BOTTOM, shape.height))
    counted = (*counted, (Parameter.COUNT_LEFT, 0), (Parameter.COUNT_RIGHT, shape.width))
    return Layer(
        name,
        kernel,
        shape,
        MapShape(channels, rows, columns),
        (size[0], size[1]),
        strides,
        (pads[0], pads[2], pads[1], pads[3]),
        (dilated, dilated),
        gamma_of(channels, shape.channels, draw(st.integers(0, 99))),
        counted if kernel is Kernel.AVG_POOL else (),
    )


def matmul_layer(
    left: MapShape, right: MapShape, heads: int, transposed: bool, kernel: Kernel = Kernel.MATMUL
) -> Layer:
    """A matrix product of two maps of one row."""
    output = MapShape(heads * right.width if transposed else right.channels, 1, left.width)
    constants = ((Parameter.DEPTH, left.blocks // heads), (Parameter.TRANSPOSED, int(transposed)))
    return Layer("matmul", kernel, left, output, constants=constants, product=Product(right, heads, transposed))


@dataclass
class _Growing:
    maps: list[MapShape]
    steps: list[Step] = field(default_factory=list[Step])

    def add(self, parts: list[tuple[Layer, tuple[int, ...]]], shape: MapShape) -> int:
        self.maps.append(shape)
        self.steps.append(ArrayStep(f"step{len(self.steps)}", tuple(parts), len(self.maps) - 1))
        return len(self.maps) - 1

    def host(self, inputs: tuple[int, ...], shape: MapShape) -> None:
        self.maps.append(shape)
        self.steps.append(HostStep(f"step{len(self.steps)}", inputs, (len(self.maps) - 1,)))


def _concatenation(growing: _Growing, numbers: list[int], shifts: Sequence[int]) -> int:
    """Copies or requantisations into one map; operands but the last have whole blocks."""
    shapes = [growing.maps[number] for number in numbers]
    height, width = shapes[0].height, shapes[0].width
    whole = MapShape(sum(shape.channels for shape in shapes), height, width)
    parts: list[tuple[Layer, tuple[int, ...]]] = []
    block = 0
    for number, shape, shift in zip(numbers, shapes, shifts, strict=True):
        constants = ((Parameter.SHIFT, shift), (Parameter.CLAMP_LOW, -128), (Parameter.CLAMP_HIGH, 127))
        layer = Layer(
            f"part{block}", Kernel.REQUANTISE, shape, shape, constants=constants, destination=Destination(block)
        )
        parts.append((layer, (number,)))
        block += shape.blocks
    return growing.add(parts, whole)


def _interleaving(draw: st.DrawFn, growing: _Growing, number: int) -> int:
    """A layer for each pixel of a small step, perhaps with a sum among them, and the map of all their pixels."""
    shape = growing.maps[number]
    down, across = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    height, width = (draw(st.integers(1, 2 * side)) for side in (shape.height, shape.width))
    height, width = max(height, down), max(width, across)
    whole, summed = MapShape(draw(st.integers(1, 20)), height, width), draw(st.booleans())
    parts: list[tuple[Layer, tuple[int, ...]]] = []
    for row in range(down):
        for column in range(across):
            own = MapShape(whole.channels, -(-(height - row) // down), -(-(width - column) // across))
            gamma = gamma_of(own.channels, shape.channels, draw(st.integers(0, 99)))
            taller, wider = own.height - shape.height, own.width - shape.width
            kernel, pads = (1 + max(0, -taller), 1 + max(0, -wider)), (0, 0, max(0, taller), max(0, wider))
            layer = Layer("phase", Kernel.CONV, shape, own, kernel, pads=pads, gamma=gamma)
            made = growing.add([(layer, (number,))], own)
            if summed:
                made = growing.add([(Layer("sum", Kernel.ADD, own, own), (made, made))], own)
            constants = ((Parameter.SHIFT, draw(st.sampled_from((0, 0, 0, 1)))), (Parameter.CLAMP_LOW, -128))
            constants = (*constants, (Parameter.CLAMP_HIGH, 127))
            to = Destination(0, row, column, down, across)
            name = f"pixel{row}.{column}"
            parts.append((Layer(name, Kernel.REQUANTISE, own, own, constants=constants, destination=to), (made,)))
    return growing.add(parts, whole)


def _branches(draw: st.DrawFn, growing: _Growing, number: int, deep: bool = True) -> int:
    """Two or three layers on one map and their concatenation, which may be an operand of another one."""
    shape = growing.maps[number]
    ends: list[int] = []
    for _ in range(draw(st.integers(2, 3))):
        output = MapShape(8 * draw(st.integers(1, 3)), shape.height, shape.width)
        gamma = gamma_of(output.channels, shape.channels, draw(st.integers(0, 99)))
        if deep and draw(st.booleans()):
            ends.append(_branches(draw, growing, number, deep=False))
        else:
            ends.append(growing.add([(Layer("branch", Kernel.CONV, shape, output, gamma=gamma), (number,))], output))
    return _concatenation(growing, ends, [draw(st.sampled_from((0, 0, 0, 1))) for _ in ends])


def _attention(draw: st.DrawFn, growing: _Growing, number: int) -> None:
    """Tokens, perhaps from the host, by themselves, and what comes of that by the tokens again."""
    heads = draw(st.integers(1, 2))
    pixels = 8 * draw(st.integers(1, 4)) if heads > 1 else draw(st.integers(1, 40))
    tokens = MapShape(8 * heads * draw(st.integers(1, 3)), 1, pixels)
    growing.host((number,), tokens)
    number = len(growing.maps) - 1
    layer = matmul_layer(tokens, tokens, heads, transposed=True)
    scores = growing.add([(layer, (number, number))], layer.output)
    layer = matmul_layer(layer.output, tokens, heads, transposed=False)
    growing.add([(layer, (scores, number))], layer.output)


KINDS = (
    "conv",
    "conv",
    "residual",
    "add",
    "pool",
    "requantise",
    "concat",
    "branches",
    "interleave",
    "attention",
    "host",
)


@st.composite
def networks(draw: st.DrawFn, steps: int = 6, channels: int = 72, side: int = 20) -> Network:
    """Chains with residual additions, concatenations, branches, pools and host steps between them."""
    sides = st.integers(1, side)
    growing = _Growing([MapShape(draw(st.integers(1, channels)), draw(sides), draw(sides))])
    for _ in range(draw(st.integers(1, steps))):
        number = draw(st.integers(max(0, len(growing.maps) - 3), len(growing.maps) - 1))
        shape = growing.maps[number]
        equals = [other for other, one in enumerate(growing.maps) if one == shape]
        match draw(st.sampled_from(KINDS)):
            case "conv":
                layer = draw(window_layers(Kernel.CONV, shape, draw(st.integers(1, channels))))
                growing.add([(layer, (number,))], layer.output)
            case "residual":
                gamma = gamma_of(shape.channels, shape.channels, draw(st.integers(0, 99)))
                made = growing.add([(Layer("made", Kernel.CONV, shape, shape, gamma=gamma), (number,))], shape)
                both = (made, draw(st.sampled_from(equals)))
                growing.add([(Layer("sum", Kernel.ADD, shape, shape), both)], shape)
            case "add":
                both = (number, draw(st.sampled_from(equals)))
                growing.add([(Layer("add", Kernel.ADD, shape, shape), both)], shape)
            case "pool":
                kernel = draw(st.sampled_from((Kernel.MAX_POOL, Kernel.AVG_POOL)))
                layer = draw(window_layers(kernel, shape, shape.channels))
                growing.add([(layer, (number,))], layer.output)
            case "concat" if shape.channels % 8 == 0:
                shifts = st.lists(st.sampled_from((0, 0, 1)), min_size=2, max_size=2)
                _concatenation(growing, [number, draw(st.sampled_from(equals))], draw(shifts))
            case "branches":
                _branches(draw, growing, number)
            case "interleave":
                _interleaving(draw, growing, number)
            case "attention":
                _attention(draw, growing, number)
            case "host":
                growing.host((number,), shape)
            case _:
                growing.add([(Layer("requantise", Kernel.REQUANTISE, shape, shape), (number,))], shape)
    outputs = {len(growing.maps) - 1, draw(st.integers(0, len(growing.maps) - 1))}
    hidden = frozenset(range(len(growing.maps))) if draw(st.booleans()) else frozenset[int]()
    return Network(tuple(growing.maps), tuple(growing.steps), tuple(sorted(outputs)), hidden)
