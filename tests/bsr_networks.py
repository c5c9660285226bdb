"""
Networks of the `bsr` level as data: a few lines that say everything.

    Network(seed=3, inputs=(Input(17, 5, 1),), layers=(Conv(source=0, outputs=9, kernel=(3, 1)),))

Values are numbered: the inputs first, then one per layer. Numbers come from the seed (`bsr_modules` makes them), so the
`repr` of a failing network is a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[int, int, int, int]
Rounding: TypeAlias = Literal["half_even", "half_up"]
Numbers: TypeAlias = Literal["any", "small", "ends", "low", "high"]
Mask: TypeAlias = Literal["full", "empty", "half", "first_row", "first_column", "last_row", "last_column", "diagonal"]
FULL: Pair = (-128, 127)


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
    """
    A convolution; with a skip, the sum is at `position` and the convolution itself at `inner_position`.

    `weights_of` is the number of an earlier layer whose weights it takes; their shape and position have to be the same.
    """

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
    weights_of: int | None = None


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
class Combination:
    """Two values of one shape, perhaps a value and itself, in one."""

    left: int
    right: int
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


class Add(Combination):
    """Their sum."""


class Sub(Combination):
    """The first less the second."""


class Mul(Combination):
    """Their product."""


@dataclass(frozen=True)
class MatMul:
    """Two maps of one row as matrices, head by head."""

    left: int
    right: int
    heads: int = 1
    transposed: bool = False
    position: int = 0
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


@dataclass(frozen=True)
class Extremum:
    """The larger or the smaller of two values at one position."""

    chosen: Literal["max", "min"]
    left: int
    right: int
    clamp: Pair = FULL


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
class Append:
    """Maps one below the other (axis 2) or side by side (axis 3)."""

    sources: tuple[int, ...]
    axis: int
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


@dataclass(frozen=True)
class Interleave:
    """Maps pixel by pixel; a map may appear several times."""

    sources: tuple[int, ...]
    steps: Pair
    position: int = 4
    clamp: Pair = FULL
    rounding: Rounding = "half_even"


@dataclass(frozen=True)
class Clamp:
    """A range."""

    source: int
    clamp: Pair


@dataclass(frozen=True)
class Lut:
    """Any function of each value, by a table of random numbers."""

    source: int
    position: int


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


Layer: TypeAlias = (
    Conv
    | Gemm
    | Combination
    | Extremum
    | MatMul
    | MaxPool
    | AvgPool
    | Concat
    | Append
    | Interleave
    | Clamp
    | Lut
    | Requantise
    | Pad
    | Reshape
)


@dataclass(frozen=True)
class Network:
    """`outputs` are numbers of values; every layer that they do not need is still computed."""

    seed: int
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[int, ...] = (-1,)
