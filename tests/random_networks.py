"""
Networks of the `bsr` level at random.

Shapes are drawn such that every layer fits its operands; nothing is filtered. Sizes stay small in total, not in every
dimension: a map may be one pixel with 200 channels, a row of 600 pixels, or a column of 300.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from random import Random

from bsr_networks import (
    Add,
    Append,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Extremum,
    Gemm,
    Input,
    Interleave,
    Layer,
    Lut,
    MatMul,
    MaxPool,
    Mul,
    Network,
    Pad,
    Pads,
    Pair,
    Requantise,
    Reshape,
    Sub,
)
from random_values import (
    MASKS,
    MOST_CELLS,
    MOST_TERMS,
    NUMBERS,
    ROUNDINGS,
    Value,
    channels_of,
    clamp_of,
    near,
    seldom,
    shift_of,
    sides_of,
)

LOWEST, HIGHEST = -20, 20
"""Positions of a matrix product: sums are never moved left, and no other layer gives higher ones."""
FURTHEST = 22
"""Positions that two operands of a sum lie apart: further, and 32 bits overflow."""


def _input(random: Random) -> Input:
    height, width = sides_of(random)
    if random.random() < 0.12:
        # tokens and their features, mostly whole blocks of them
        width, features = random.randint(1, 60), random.choice((8, 16, 24, 32, 48, 96, random.randint(1, 100)))
        return Input(features, 1, width, random.randint(0, 8), random.choice(NUMBERS))
    channels = min(channels_of(random), max(1, MOST_CELLS // (height * width)))
    return Input(channels, height, width, random.randint(0, 8), random.choice(NUMBERS))


def _window(random: Random, side: Pair, *, pool: bool) -> tuple[Pair, Pair, Pads, Pair]:
    """Kernel, strides, pads and dilations that fit a map of `side`. A pool's pads are smaller than its window."""
    largest = random.choice((1, 3, 3, 5, 7))
    kernel, strides, dilations, before, after = [1, 1], [1, 1], [1, 1], [0, 0], [0, 0]
    for axis in range(2):
        size = random.randint(1, largest)
        dilation = 1 if pool else random.choice((1, 1, 1, 2, 3))
        # of a convolution, whole windows may lie beside the map
        most_pads = size + random.choice((1, 1, 8, 16)) if not pool and random.random() < 0.2 else size - 1
        low, high = (random.choice((0, random.randint(0, most_pads))) for _ in range(2))
        size = min(size, (side[axis] + low + high - 1) // dilation + 1)
        if pool:
            size = min(size, side[axis])
            low, high = min(low, size - 1), min(high, size - 1)
        kernel[axis], dilations[axis], before[axis], after[axis] = size, dilation, low, high
        strides[axis] = random.choice((1, 1, 1, 2, 2, 3, 5))
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


def _conv(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    side = (x.shape[2], x.shape[3])
    kernel, strides, pads, dilations = _window(random, side, pool=False)
    same_size = random.random() < 0.4 and kernel[0] % 2 == kernel[1] % 2 == 1
    if same_size:
        # the usual residual block: the map keeps its size
        strides, (rows, columns) = (1, 1), (kernel[0] // 2 * dilations[0], kernel[1] // 2 * dilations[1])
        pads = (rows, columns, rows, columns)
    height, width = _output_side(side, kernel, strides, pads, dilations)
    cells, terms = max(1, MOST_CELLS // (height * width)), max(1, MOST_TERMS // (x.shape[1] * kernel[0] * kernel[1]))
    outputs = min(x.shape[1] if same_size and random.random() < 0.6 else channels_of(random), cells, terms)
    twins = [n for n, other in enumerate(values) if other.shape[2:] == (height, width) and other.shape[1] <= cells]
    skip = random.choice(twins) if twins and random.random() < 0.5 else None
    outputs = outputs if skip is None else values[skip].shape[1]
    position = near(random, x.position if skip is None else values[skip].position - 1)
    inner = position if skip is None else near(random, values[skip].position)
    layer = Conv(
        source,
        outputs,
        kernel,
        strides,
        pads,
        dilations,
        random.choice(MASKS),
        random.choice(NUMBERS),
        31 if seldom(random) else random.choice((0, 8, 12)),
        shift_of(random, x.shape[1] * kernel[0] * kernel[1], x.position, inner),
        position,
        clamp_of(random),
        random.choice(ROUNDINGS),
        skip,
    )
    if skip is not None:
        layer = replace(layer, inner_position=inner, inner_clamp=clamp_of(random))
    return layer, Value((1, outputs, height, width), position)


def _conv_again(random: Random, values: list[Value], source: int, layers: list[Layer]) -> tuple[Layer, Value] | None:
    """An earlier convolution's weights on another map, or on the same one; None if none of them fits this map."""
    x, first = values[source], len(values) - len(layers)
    fitting: list[tuple[Conv, Value]] = []
    for number, layer in enumerate(layers):
        if not isinstance(layer, Conv) or values[layer.source].shape[1] != x.shape[1]:
            continue
        side = _output_side((x.shape[2], x.shape[3]), layer.kernel, layer.strides, layer.pads, layer.dilations)
        inner = values[first + number].position if layer.skip is None else layer.inner_position
        position = inner + x.position - values[layer.source].position
        if min(side) < 1 or abs(position) > 20 or prod(side) * layer.outputs > MOST_CELLS:
            continue
        maker = number if layer.weights_of is None else layer.weights_of
        again = replace(layer, source=source, position=position, skip=None, weights_of=maker)
        fitting.append((again, Value((1, layer.outputs, *side), position)))
    return random.choice(fitting) if fitting else None


def _gemm(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    features = prod(x.shape[1:])
    outputs = min(channels_of(random), max(1, MOST_TERMS // features))
    position = near(random, x.position)
    layer = Gemm(
        source,
        outputs,
        random.choice(MASKS),
        random.choice(NUMBERS),
        31 if seldom(random) else random.choice((0, 12)),
        shift_of(random, features, x.position, position),
        position,
        clamp_of(random),
        random.choice(ROUNDINGS),
    )
    return layer, Value((1, outputs), position)


def _pool(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    side = (x.shape[2], x.shape[3])
    kernel, strides, pads, _ = _window(random, side, pool=True)
    if random.random() < 0.2 and side[0] <= 63:
        kernel, strides, pads = side, (1, 1), (0, 0, 0, 0)
    if repeats := random.random() < 0.1:
        # windows of little more than pads, which repeat the map's edges
        kernel, strides = (random.randint(1, 9), random.randint(1, 9)), (1, 1)
        pads = (kernel[0] - 1, kernel[1] - 1, kernel[0] - 1, kernel[1] - 1)
    shape = (1, x.shape[1], *_output_side(side, kernel, strides, pads))
    if repeats or random.random() < 0.5:
        return MaxPool(source, kernel, strides, pads, clamp_of(random)), Value(shape, x.position)
    position = near(random, x.position + prod(kernel).bit_length() // 4)
    counted = random.random() < 0.5
    layer = AvgPool(source, kernel, strides, pads, counted, position, clamp_of(random), random.choice(ROUNDINGS))
    return layer, Value(shape, position)


def _concat(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    neighbours = [n for n, other in enumerate(values) if other.shape[2:] == x.shape[2:]]
    sources: list[int] = []
    channels = 0
    chosen = [source, *random.choices(neighbours, k=random.randint(0, 3))]
    for number in random.sample(chosen, k=len(chosen)):
        if not sources or (channels + values[number].shape[1]) * prod(x.shape[2:]) <= 2 * MOST_CELLS:
            sources.append(number)
            channels += values[number].shape[1]
    position = near(random, x.position)
    layer = Concat(tuple(sources), position, clamp_of(random), random.choice(ROUNDINGS))
    return layer, Value((1, channels, *x.shape[2:]), position)


def _append(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x, axis = values[source], random.choice((2, 3))
    size = x.shape[5 - axis]
    fitting = [n for n, other in enumerate(values) if other.is_map and other.shape[1] == x.shape[1]]
    fitting = [n for n in fitting if values[n].shape[5 - axis] == size]
    chosen, length = [source], x.shape[axis]
    for number in random.choices(fitting, k=random.randint(0, 3)):
        if (length + values[number].shape[axis]) * x.shape[1] * size <= 2 * MOST_CELLS:
            chosen.append(number)
            length += values[number].shape[axis]
    position = near(random, x.position)
    shape = (1, x.shape[1], length, size) if axis == 2 else (1, x.shape[1], size, length)
    sources = tuple(random.sample(chosen, k=len(chosen)))
    return Append(sources, axis, position, clamp_of(random), random.choice(ROUNDINGS)), Value(shape, position)


def _interleave(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    twins = [n for n, other in enumerate(values) if other.shape == x.shape]
    steps = random.choice(((1, 2), (2, 1), (2, 2), (2, 2), (3, 1)))
    steps = steps if prod(x.shape) * prod(steps) <= 2 * MOST_CELLS else (1, 1)
    sources = tuple(random.choice(twins) for _ in range(steps[0] * steps[1]))
    position = near(random, x.position)
    shape = (*x.shape[:2], x.shape[2] * steps[0], x.shape[3] * steps[1])
    return Interleave(sources, steps, position, clamp_of(random), random.choice(ROUNDINGS)), Value(shape, position)


def _matmul(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    """
    A map of one row, as the left operand, by another one or by itself.

    That may be transposed if both have as many channels for each head: itself always has. Otherwise its pixels have to
    be as many as those channels, as after a first product.
    """
    x = values[source]
    _, channels, _, pixels = x.shape
    heads = random.choice([count for count in (1, 1, 2, 3, 4) if channels % count == 0])
    fitting: list[tuple[int, bool, int]] = []
    for number, other in enumerate(values):
        if not other.is_map or other.shape[2] != 1 or other.shape[1] % heads or x.position + other.position < LOWEST:
            continue
        if other.shape[1] == channels:
            fitting.append((number, True, heads * other.shape[3]))
        if other.shape[3] == channels // heads:
            fitting += [(number, False, other.shape[1])] * 3
    fitting = [each for each in fitting if each[2] * pixels <= 4 * MOST_CELLS]
    if not fitting:
        return _pointwise(random, values, source)
    number, transposed, outputs = random.choice(fitting)
    both, terms = x.position + values[number].position, channels // heads
    shift = random.randint(0, 31) if seldom(random) else 7 + terms.bit_length() // 2 + random.choice((0, 0, 1, -1, -2))
    position = min(max(LOWEST, both - min(shift, 31)), HIGHEST)
    layer = MatMul(source, number, heads, transposed, position, clamp_of(random), random.choice(ROUNDINGS))
    return layer, Value((1, outputs, 1, pixels), position)


def _combination(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    twins = [n for n, value in enumerate(values) if value.shape == x.shape and n != source]
    twins = [n for n in twins if abs(values[n].position - x.position) <= FURTHEST]
    other = random.choice(twins) if twins and random.random() < 0.8 else source
    left, right = random.choice(((source, other), (other, source)))
    kind = random.choice((Add, Add, Sub, Mul))
    positions = x.position, values[other].position
    position = near(random, sum(positions) - 7 if kind is Mul else min(positions) - 1)
    return kind(left, right, position, clamp_of(random), random.choice(ROUNDINGS)), Value(x.shape, position)


def _extremum(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    other = random.choice([n for n, value in enumerate(values) if value == x])
    chosen = random.choice(("max", "min"))
    return Extremum(chosen, source, other, clamp_of(random)), x


def _pointwise(random: Random, values: list[Value], source: int) -> tuple[Layer, Value]:
    x = values[source]
    match random.choice(("clamp", "requantise", "lut", "lut", "pad", "reshape")):
        case "lut":
            position = near(random, x.position)
            return Lut(source, position), Value(x.shape, position)
        case "clamp":
            return Clamp(source, clamp_of(random)), x
        case "pad" if x.is_map:
            top, left, bottom, right = (random.randint(0, 3) for _ in range(4))
            shape = (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
            return Pad(source, (top, left, bottom, right)), Value(shape, x.position)
        case "reshape":
            # maps to vectors and back, and channels into pixels
            cells = prod(x.shape[1:])
            shapes: list[tuple[int, ...]] = [(1, cells), (1, cells, 1, 1)] if cells <= 2000 else []
            shapes.append((1, x.shape[2], x.shape[1], x.shape[3]) if x.is_map else (1, 1, 1, cells))
            shape = random.choice(shapes)
            return Reshape(source, shape), Value(shape, x.position)
        case _:
            position = near(random, x.position)
            return Requantise(source, position, clamp_of(random), random.choice(ROUNDINGS)), Value(x.shape, position)


_PAIRS = (_combination, _combination, _extremum)
OF_MAPS = (_conv, _conv, _conv, _conv, _pool, _pool, _concat, _append, _interleave, *_PAIRS, _pointwise, _gemm)
OF_VECTORS = (_gemm, *_PAIRS, _pointwise)


def random_network(random: Random, maximum_layers: int = 6) -> Network:
    """Any network of a few layers: chains, branches, several inputs and outputs."""
    given = [_input(random) for _ in range(random.choice((1, 1, 1, 2)))]
    values = [Value((1, x.channels, x.height, x.width), x.position) for x in given]
    layers: list[Layer] = []
    for _ in range(random.randint(1, maximum_layers)):
        last = len(values) - 1
        source = last if random.random() < 0.6 else random.randint(0, last)
        shape = values[source].shape
        kinds = OF_MAPS if values[source].is_map else OF_VECTORS
        if values[source].is_map and shape[2] == 1 and shape[3] ** 2 * 4 <= MOST_CELLS:
            kinds = (*kinds, *[_matmul] * 8)
        kind = random.choice(kinds)
        again = _conv_again(random, values, source, layers) if kind is _conv and random.random() < 0.3 else None
        layer, value = again or kind(random, values, source)
        layers.append(layer)
        values.append(value)
    last = len(values) - 1
    others = [random.randint(0, last) for _ in range(random.randint(0, 2))]
    return Network(random.randint(0, 2**16), tuple(given), tuple(layers), (last, *others))
