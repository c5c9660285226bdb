"""What a planner needs to know of one layer: shapes, window geometry, where weights are non-zero. No IR."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compiler.kernels.parameters import Kernel, Parameter

Range = tuple[int, int]
"""Half-open."""


def blocks_of(channels: int) -> int:
    """Channel blocks of 8 that hold `channels`."""
    return -(-channels // 8)


@dataclass(frozen=True)
class MapShape:
    """A feature map of one image. In memory: [height][blocks][width][8] bytes."""

    channels: int
    height: int
    width: int

    @property
    def blocks(self) -> int:
        """Channel blocks of 8; the last one is padded with zeros."""
        return blocks_of(self.channels)

    @property
    def row_words(self) -> int:
        """Words of one row of the map over all channel blocks."""
        return self.blocks * self.width * 2

    @property
    def bytes(self) -> int:
        """Size of the whole map in memory."""
        return 4 * self.row_words * self.height


@dataclass(frozen=True)
class Destination:
    """
    Which part of a map a layer writes: channel blocks from `block` on, and of rows and columns each `step`-th from the
    first on. Several layers that write one map share it out: by blocks (concatenation) or by pixels (interleaving).
    """

    block: int = 0
    row: int = 0
    column: int = 0
    row_step: int = 1
    column_step: int = 1

    def row_of(self, row: int) -> int:
        """The row of the map that the layer's `row` is."""
        return self.row + self.row_step * row

    def within(self, inner: Destination) -> Destination:
        """Where it goes what lies at `inner` in a map that goes here."""
        return Destination(
            self.block + inner.block,
            self.row_of(inner.row),
            self.column + self.column_step * inner.column,
            self.row_step * inner.row_step,
            self.column_step * inner.column_step,
        )


@dataclass(frozen=True)
class Product:
    """
    The right operand of a matrix product of maps of one row, whose pixels are a matrix's rows.

    Of each head, the channels of a sum and of the output are whole blocks unless there is one head only.
    """

    right: MapShape
    heads: int = 1
    transposed: bool = False
    """Whether the pixels of the right operand are channels of the output, not those of a sum."""


@dataclass(frozen=True, eq=False)
class Layer:
    """
    One operation of the array: output rows from windows of input rows.

    `pads` are (top, left, bottom, right). An addition has two inputs of equal shape; a convolution has Γ, and a second
    input, shaped like its output, if it has an addition.
    """

    name: str
    kernel: Kernel
    input: MapShape
    output: MapShape
    kernel_size: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    gamma: npt.NDArray[np.bool_] = field(default_factory=lambda: np.ones((1, 1), np.bool_))
    """Convolutions: which 8x8 blocks are non-zero, [output block][input block]."""
    constants: tuple[tuple[Parameter, int], ...] = ()
    """Parameters that are the same for every core: shifts, rounding, clamp, ..."""
    destination: Destination = Destination()
    """Where in its map the output goes."""
    addition: Layer | None = None
    """Convolutions: the addition that follows at once. Its second operand is the layer's second input."""
    product: Product | None = None
    """Matrix products: the second input, and how both are multiplied."""

    @property
    def geometry(self) -> Hashable:
        """What layers of equal shape have in common, whatever their weights and constants are."""
        window = self.kernel_size, self.strides, self.pads, self.dilations
        scaled = self.rescaling_words, self.sees_zero_points
        return self.kernel, self.input, self.output, window, self.addition is not None, scaled, self.product

    def added(self, inputs: Sequence[int]) -> Sequence[int]:
        """Those of its input maps that the output is added to, value by value: it may take their place."""
        return inputs if self.kernel.pairs else () if self.addition is None else inputs[1:]

    def same_as(self, other: Layer) -> bool:
        """Whether both say the same of one operation of a network."""
        mine, others = ((one.name, one.geometry, one.constants, one.destination) for one in (self, other))
        return mine == others and self.gamma is other.gamma and self.addition is other.addition

    @property
    def rescaling_words(self) -> int:
        """Words for each output block in the chunks of a scaled convolution."""
        return dict(self.constants).get(Parameter.RESCALING_WORDS, 0)

    @property
    def sees_zero_points(self) -> bool:
        """Whether the map lies among zero-points that are not 0."""
        return self.kernel is Kernel.SCALED_CONV and dict(self.constants).get(Parameter.ZERO_A, 0) != 0

    @property
    def copies(self) -> bool:
        """Whether its output is its input: a requantisation that neither shifts nor clamps."""
        given = dict(self.constants)
        moved = given.get(Parameter.SHIFT, 0) or given.get(Parameter.SHIFT_A, 0)
        whole = (given.get(Parameter.CLAMP_LOW), given.get(Parameter.CLAMP_HIGH)) == (-128, 127)
        return self.kernel is Kernel.REQUANTISE and not moved and whole

    @property
    def row_step(self) -> int:
        """Of the input rows each so many-th is looked at, from the first on."""
        return self.strides[0] if self.kernel_size[0] == 1 and self.pads[0] == 0 else 1

    def own_rows(self, map_rows: Range) -> Range:
        """Its output rows among these rows of the map that it writes."""
        to = self.destination
        first, last = (-(-(row - to.row) // to.row_step) for row in map_rows)
        first = min(max(first, 0), self.output.height)
        return first, max(first, min(last, self.output.height))

    @property
    def window_rows(self) -> int:
        """Input rows that one output row spans."""
        return (self.kernel_size[0] - 1) * self.dilations[0] + 1

    def input_rows(self, output_rows: Range) -> Range:
        """Input rows that `output_rows` need, cut to the map."""
        first, last = output_rows
        if last <= first:
            return (0, 0)
        low = first * self.strides[0] - self.pads[0]
        high = (last - 1) * self.strides[0] - self.pads[0] + self.window_rows
        return (min(max(low, 0), self.input.height), max(min(high, self.input.height), 0))


def split_evenly(count: int, parts: int) -> list[Range]:
    """`count` things in `parts` runs of ceil(count/parts), the last ones shorter or empty."""
    size = -(-count // parts)
    return [(min(part * size, count), min((part + 1) * size, count)) for part in range(parts)]


def row_pieces(column_rows: Sequence[Range], pieces: int) -> Iterator[list[Range]]:
    """Each column's rows in `pieces` parts; the n-th parts of all columns make the n-th launch."""
    parts = [split_evenly(last - first, pieces) for first, last in column_rows]
    for piece in range(pieces):
        rows = [
            (first + part[piece][0], first + part[piece][1])
            for (first, _), part in zip(column_rows, parts, strict=True)
        ]
        if any(last > first for first, last in rows):
            yield rows
