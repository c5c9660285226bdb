"""
Strategies for networks of the `bsr` level, and for chips small enough to be in trouble with them.

Shapes are drawn such that every layer fits its operands; nothing is filtered. Sizes stay small in total, not in every
dimension: a map may be one pixel with 200 channels, a row of 600 pixels, or a column of 300.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bsr_networks import (
    FULL,
    Add,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Gemm,
    Input,
    Layer,
    MaxPool,
    Network,
    Pad,
    Pads,
    Pair,
    Requantise,
    Reshape,
    Rounding,
)
from hypothesis import strategies as st

MOST_CELLS = 12_000
"""Cells of one map: what keeps an example at a few hundred milliseconds."""
MOST_TERMS = 400_000
"""Weights of one layer."""

positions = st.one_of(st.integers(2, 6), st.integers(-8, 12))
roundings: st.SearchStrategy[Rounding] = st.sampled_from(("half_even", "half_up"))
clamps: st.SearchStrategy[Pair] = st.one_of(
    st.sampled_from((FULL, (0, 127), (0, 48), (5, 5), (-128, -1), (127, 127), (-128, -128))),
    st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(lambda ends: (min(ends), max(ends))),
)
numbers = st.sampled_from(("any", "any", "small", "ends", "low", "high"))
gamma_masks = st.sampled_from(
    ("full", "half", "half", "empty", "first_row", "first_column", "last_row", "last_column", "diagonal")
)
shifts = st.one_of(st.integers(6, 13), st.integers(0, 31))
channel_counts = st.one_of(st.sampled_from((1, 3, 8, 16, 17)), st.integers(1, 40), st.integers(1, 200))

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """Shape and position of a value under construction."""

    shape: Shape
    position: int

    @property
    def is_map(self) -> bool:
        """Whether it has height and width."""
        return len(self.shape) == 4


@st.composite
def sides(draw: st.DrawFn) -> Pair:
    """Height and width: ordinary, prime, one pixel, wide, or tall."""
    match draw(st.sampled_from(("ordinary", "ordinary", "prime", "pixel", "wide", "tall"))):
        case "ordinary":
            return draw(st.tuples(st.integers(1, 16), st.integers(1, 16)))
        case "prime":
            primes = st.sampled_from((2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31))
            return draw(st.tuples(primes, primes))
        case "pixel":
            return (1, 1)
        case "wide":
            return draw(st.integers(1, 4)), draw(st.integers(17, 620))
        case _:
            return draw(st.integers(17, 420)), draw(st.integers(1, 4))


@st.composite
def inputs(draw: st.DrawFn) -> Input:
    """A map of at most MOST_CELLS cells."""
    height, width = draw(sides())
    channels = min(draw(channel_counts), max(1, MOST_CELLS // (height * width)))
    return Input(channels, height, width, draw(positions), draw(numbers))


def _window(draw: st.DrawFn, side: Pair, dilated: bool, deep_pads: bool) -> tuple[Pair, Pair, Pads, Pair]:
    """Kernel, strides, pads and dilations that fit a map of `side`."""
    kernel, strides, dilations, before, after = [1, 1], [1, 1], [1, 1], [0, 0], [0, 0]
    for axis in range(2):
        size = draw(st.integers(1, 7))
        dilation = draw(st.sampled_from((1, 1, 1, 2, 3))) if dilated else 1
        low, high = (draw(st.integers(0, size + 1 if deep_pads and draw(st.booleans()) else size - 1)) for _ in "ab")
        reach = side[axis] + low + high
        size = min(size, (reach - 1) // dilation + 1)
        if not deep_pads:
            low, high = min(low, size - 1), min(high, size - 1)
            size = min(size, side[axis] + low + high)
        kernel[axis], dilations[axis], before[axis], after[axis] = size, dilation, low, high
        strides[axis] = draw(st.integers(1, 3))
        if not deep_pads:
            before[axis], after[axis] = min(low, size - 1), min(high, size - 1)
    return (
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (before[0], before[1], after[0], after[1]),
        (dilations[0], dilations[1]),
    )


def _output_side(side: Pair, kernel: Pair, strides: Pair, pads: Pads, dilations: Pair = (1, 1)) -> Pair:
    height, width = (
        (side[axis] + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis] + 1
        for axis in range(2)
    )
    return height, width


def _shift(draw: st.DrawFn, source: int, position: int) -> int:
    """A shift for which the weights' position stays within what types hold."""
    return max(0, min(draw(shifts), 31, 32 - position + source))


def _conv(draw: st.DrawFn, values: list[Value], source: int) -> tuple[Conv, Value]:
    x = values[source]
    side = (x.shape[2], x.shape[3])
    kernel, strides, pads, dilations = _window(draw, side, dilated=True, deep_pads=True)
    height, width = _output_side(side, kernel, strides, pads, dilations)
    cells, terms = max(1, MOST_CELLS // (height * width)), max(1, MOST_TERMS // (x.shape[1] * kernel[0] * kernel[1]))
    outputs = min(draw(channel_counts), cells, terms)
    twins = [n for n, other in enumerate(values) if other.shape[2:] == (height, width) and other.shape[1] <= cells]
    skip = draw(st.sampled_from(twins)) if twins and draw(st.booleans()) else None
    outputs = outputs if skip is None else values[skip].shape[1]
    position = draw(positions)
    inner = position if skip is None else draw(positions)
    layer = Conv(
        source,
        outputs,
        kernel,
        strides,
        pads,
        dilations,
        draw(gamma_masks),
        draw(numbers),
        draw(st.sampled_from((0, 8, 12, 20, 31))),
        _shift(draw, x.position, inner),
        position,
        draw(clamps),
        draw(roundings),
        skip,
    )
    if skip is not None:
        layer = replace(layer, inner_position=inner, inner_clamp=draw(clamps))
    return layer, Value((1, outputs, height, width), position)


def _gemm(draw: st.DrawFn, values: list[Value], source: int) -> tuple[Gemm, Value]:
    x = values[source]
    features = 1
    for size in x.shape[1:]:
        features *= size
    outputs = min(draw(channel_counts), max(1, MOST_TERMS // features))
    position = draw(positions)
    layer = Gemm(
        source,
        outputs,
        draw(gamma_masks),
        draw(numbers),
        draw(st.sampled_from((0, 12, 31))),
        _shift(draw, x.position, position),
        position,
        draw(clamps),
        draw(roundings),
    )
    return layer, Value((1, outputs), position)


def _pool(draw: st.DrawFn, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    side = (x.shape[2], x.shape[3])
    kernel, strides, pads, _ = _window(draw, side, dilated=False, deep_pads=False)
    if draw(st.sampled_from((False, False, False, True))) and side[0] <= 64:
        kernel, strides, pads = side, (1, 1), (0, 0, 0, 0)
    shape = (1, x.shape[1], *_output_side(side, kernel, strides, pads))
    if draw(st.booleans()):
        return MaxPool(source, kernel, strides, pads, draw(clamps)), Value(shape, x.position)
    position = draw(positions)
    counted = draw(st.booleans())
    layer = AvgPool(source, kernel, strides, pads, counted, position, draw(clamps), draw(roundings))
    return layer, Value(shape, position)


def _concat(draw: st.DrawFn, values: list[Value], source: int) -> tuple[Concat, Value]:
    x = values[source]
    height, width = x.shape[2:]
    neighbours = [n for n, other in enumerate(values) if other.shape[2:] == x.shape[2:]]
    chosen = [source, *draw(st.lists(st.sampled_from(neighbours), max_size=3))]
    sources: list[int] = []
    channels = 0
    for number in draw(st.permutations(chosen)):
        if not sources or (channels + values[number].shape[1]) * height * width <= 2 * MOST_CELLS:
            sources.append(number)
            channels += values[number].shape[1]
    position = draw(positions)
    layer = Concat(tuple(sources), position, draw(clamps), draw(roundings))
    return layer, Value((1, channels, height, width), position)


def _pointwise(draw: st.DrawFn, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    kind = draw(st.sampled_from(("clamp", "requantise", "pad", "reshape")))
    if kind == "clamp":
        return Clamp(source, draw(clamps)), x
    if kind == "pad" and x.is_map:
        top, left, bottom, right = (draw(st.integers(0, 3)) for _ in "tlbr")
        shape = (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
        return Pad(source, (top, left, bottom, right)), Value(shape, x.position)
    if kind == "reshape":
        # maps to vectors and back, and channels into pixels
        cells = 1
        for size in x.shape[1:]:
            cells *= size
        flat: list[Shape] = [(1, cells), (1, cells, 1, 1)] if cells <= 2000 else []
        turned: list[Shape] = [(1, x.shape[2], x.shape[1], x.shape[3])] if x.is_map else [(1, 1, 1, cells)]
        shape = draw(st.sampled_from([*flat, *turned]))
        return Reshape(source, shape), Value(shape, x.position)
    position = draw(positions)
    return Requantise(source, position, draw(clamps), draw(roundings)), Value(x.shape, position)


def _layer(draw: st.DrawFn, values: list[Value]) -> tuple[Layer, Value]:
    source = draw(st.one_of(st.just(len(values) - 1), st.integers(0, len(values) - 1)))
    x = values[source]
    kinds = ("conv", "conv", "conv", "pool", "concat", "add", "pointwise", "gemm")
    kind = draw(st.sampled_from(kinds if x.is_map else ("gemm", "add", "pointwise")))
    match kind:
        case "conv":
            return _conv(draw, values, source)
        case "gemm":
            return _gemm(draw, values, source)
        case "pool":
            return _pool(draw, values, source)
        case "concat":
            return _concat(draw, values, source)
        case "add":
            other = draw(st.sampled_from([n for n, value in enumerate(values) if value.shape == x.shape]))
            position = draw(positions)
            return Add(source, other, position, draw(clamps), draw(roundings)), Value(x.shape, position)
        case _:
            return _pointwise(draw, values, source)


@st.composite
def networks(draw: st.DrawFn, maximum_layers: int = 6) -> Network:
    """Any network of a few layers: chains, branches, several inputs and outputs."""
    given = [draw(inputs()) for _ in range(draw(st.sampled_from((1, 1, 1, 2))))]
    values = [Value((1, x.channels, x.height, x.width), x.position) for x in given]
    layers: list[Layer] = []
    for _ in range(draw(st.integers(1, maximum_layers))):
        layer, value = _layer(draw, values)
        layers.append(layer)
        values.append(value)
    last = len(values) - 1
    others = draw(st.lists(st.integers(len(given), last), max_size=2))
    return Network(draw(st.integers(0, 2**16)), tuple(given), tuple(layers), (last, *others))


@dataclass(frozen=True)
class Place:
    """A target, and numbers of its chip to replace."""

    target: str
    overrides: tuple[str, ...] = ()


@st.composite
def places(draw: st.DrawFn) -> Place:
    """Meshes from 1x1 to 8x8 and presets, half of them with little memory."""
    target = draw(
        st.one_of(
            st.builds("mesh-{}x{}".format, st.integers(1, 4), st.integers(1, 4)),
            st.sampled_from(("npu1", "npu1_3col", "npu2", "mesh-8x8", "mesh-1x8", "mesh-8x1", "mesh-5x7", "mesh-3x8")),
        )
    )
    overrides: list[str] = []
    if draw(st.booleans()):
        overrides.append(f"memtile_bytes={draw(st.sampled_from((16, 24, 32, 64, 128))) * 1024}")
    if draw(st.booleans()):
        overrides.append(f"core_memory_bytes={draw(st.sampled_from((8, 12, 16, 32))) * 1024}")
    return Place(target, tuple(overrides))
