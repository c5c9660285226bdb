"""
A launch: one trip of some output rows of a layer through the cores, fully decided.

A launch says which core computes which output rows and channel blocks, how its input arrives (rows in a ring of
slots), how its weights are cut into chunks, and where each of these lies in the core's arena. Everything below this
level only spells it out: access windows at the memory level, descriptors and parameters at the array level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import CORE_PARAMETER_WORDS
from compiler.kernels.row_steps import SURPLUS_WORDS
from compiler.kernels.weight_chunk import BLOCK_WORDS
from compiler.tiling.joined import Joined
from compiler.tiling.layer import Layer, MapShape, Range
from compiler.tiling.tiles import WHOLE, Tile

WEIGHT_SLOTS = 2
"""Slots of weights in every core: one arrives while the other is in use."""

OUTPUT_SLACK_WORDS = -(-SURPLUS_WORDS // 8) * 8
"""A convolution computes up to 28 pixels at once, some of them behind the last row; kept to a multiple of 32 bytes."""


@dataclass(frozen=True)
class Fetch:
    """Which columns and rows of the input map are sent: `left` zeros, `columns` pixels, `right` zeros."""

    left: int
    columns: int
    right: int
    column_step: int = 1
    row_step: int = 1

    @property
    def width(self) -> int:
        """Pixels of a row as it arrives in the core."""
        return self.left + self.columns + self.right


@dataclass(frozen=True)
class Arena:
    """
    Core memory of one launch, in words from the arena's start.

    The weight slots come first and are the same for every launch of a program, so that the chunks of one launch may
    arrive while the one before still computes. The rest is laid out anew by each launch.
    """

    weight_slot: int
    input_slot: int
    input_slots: int
    output_slot: int
    output_slots: int
    partial_row: int
    """Partial sums of one output row; 0 where input channels are not split and sums are not multiplied."""
    partial_rows: int

    @property
    def input_base(self) -> int:
        """The input ring follows the weights."""
        return WEIGHT_SLOTS * self.weight_slot

    @property
    def output_base(self) -> int:
        """Output slots follow the input ring."""
        return self.input_base + self.input_slot * self.input_slots

    @property
    def partial_base(self) -> int:
        """Partial sums come last."""
        return self.output_base + self.output_slot * self.output_slots

    @property
    def words(self) -> int:
        """Words in use."""
        return self.partial_base + self.partial_row * self.partial_rows


def arena_words(chip: Chip) -> int:
    """Words of core memory that launches may use: what stack and parameters leave."""
    return (chip.core_memory_bytes - chip.core_stack_bytes) // 4 - CORE_PARAMETER_WORDS


def weight_slot_words(chip: Chip) -> int:
    """Words of each weight slot: what the chip sets aside, though never more than half of the arena for all of them."""
    return min(chip.core_weight_bytes // 4, arena_words(chip) // 2) // WEIGHT_SLOTS // 16 * 16


@dataclass(frozen=True)
class CoreWork:
    """The share of one core: output rows (of the map) and output channel blocks (of the layer)."""

    column: int
    row: int
    output_rows: Range
    blocks: Range
    input_rows: Range

    @property
    def rows(self) -> int:
        """Number of output rows."""
        return self.output_rows[1] - self.output_rows[0]

    @property
    def block_count(self) -> int:
        """Number of output channel blocks."""
        return self.blocks[1] - self.blocks[0]


@dataclass(frozen=True)
class Rings:
    """
    Space in every MemTile through which the weights of a DEEP launch pass, one ring of pages for each core above it.

    The words that a core receives fill whole turns of its ring, so that every launch begins with its first page.
    """

    page_words: int
    pages: int

    def bytes(self, chip: Chip) -> int:
        """Size in each MemTile."""
        return 4 * self.page_words * self.pages * chip.core_rows


@dataclass(frozen=True)
class Plane:
    """
    Every so many-th pixel of every so many-th row, the strides' distance apart: what some taps of a kernel look at.

    All numbers are rows and columns.
    """

    first_row: int
    first_column: int
    rows: int
    columns: int
    above: int
    """Rows of zeros before those of the map, and after them."""
    below: int
    right: int
    """Zeros after every row."""

    @property
    def height(self) -> int:
        """Rows, with those of zeros."""
        return self.above + self.rows + self.below


@dataclass(frozen=True, eq=False)
class Flat:
    """How a map becomes one row: plane after plane, of each all channel blocks. All numbers are in pixels."""

    layer: Layer
    """As it is on the map."""
    planes: tuple[Plane, ...]
    pitch: int
    """From one row of a plane to the next."""
    left: int
    """Zeros before every row."""
    taps: tuple[tuple[int, int], ...]
    """The plane of each tap, and how far from a pixel's place in it, row by row of the kernel."""

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each plane begins, and where the last one ends."""
        return tuple(accumulate((plane.height * self.pitch for plane in self.planes), initial=0))

    def places(self, blocks: npt.NDArray[np.int64], input_chunk: int) -> npt.NDArray[np.int64]:
        """Where in a chunk of input blocks lies what each tap sees of the first pixel, [block][tap]."""
        planes, distances = np.array(self.taps).T
        starts = np.array(self.starts)
        return starts[planes] * input_chunk + blocks[:, None] * np.diff(starts)[planes] + distances

    @property
    def fetch(self) -> Fetch:
        """The long row."""
        return Fetch(0, self.starts[-1], 0)

    @property
    def seen(self) -> Layer:
        """The layer as the cores compute it: a kernel of one row, on maps of one row."""
        layer = self.layer
        width = layer.output.height * self.pitch if layer.output.height > 1 else layer.output.width
        return replace(
            layer,
            input=MapShape(layer.input.channels, 1, self.fetch.width),
            output=MapShape(layer.output.channels, 1, width),
            kernel_size=(1, len(self.taps)),
            strides=(1, 1),
            pads=(0, 0, 0, 0),
            dilations=(1, 1),
        )


@dataclass(frozen=True, eq=False)
class Launch:
    """
    One launch of `layer`, which is the `whole` one or a tile of it.

    `slices` are the output blocks of each weight stream (convolutions only).
    """

    layer: Layer
    cores: tuple[CoreWork, ...]
    fetch: Fetch
    arena: Arena
    output_chunk: int
    """Output blocks per chunk of weights."""
    input_chunk: int
    """Input blocks per chunk of weights."""
    slices: tuple[Range, ...] = ()
    chunk_words: int = 0
    """Words of every chunk of weights, the largest one's."""
    stays: bool = False
    """
    Whether cores keep their whole input while the output chunks pass, instead of receiving it for each. What is added
    comes for each.
    """
    tile: Tile = WHOLE
    tiled: Layer | None = None
    """The layer of which `layer` is a tile; None if it is whole."""
    rings: Rings | None = None
    """DEEP launches: each core hears a stream of its own, and every MemTile broadcasts the whole map."""
    flat: Flat | None = None
    """Where `layer` is that of a map seen as one row."""
    joined: Joined | None = None
    """Where several rows of a map are one of `layer`."""
    gathers: bool = False
    """Whether every MemTile broadcasts some channel blocks, and gets all of the result (`compiler.tiling.channels`)."""
    rows_together: int = 1
    """Output rows of one kernel call."""

    @property
    def deep(self) -> bool:
        """Whether the input is broadcast."""
        return self.rings is not None or self.gathers

    @property
    def on_map(self) -> Layer:
        """What it computes, in rows as the map has them."""
        view = self.flat or self.joined
        return view.layer if view else self.layer

    @property
    def whole(self) -> Layer:
        """The layer of the network."""
        return self.tiled or self.on_map

    def map_rows(self, work: CoreWork) -> Range:
        """Rows of the output map that a core computes."""
        if self.joined is not None:
            return self.joined.map_rows(work.output_rows)
        return (0, self.flat.layer.output.height) if self.flat else work.output_rows

    @property
    def together(self) -> int:
        """Rows of the map that come to a core, and leave it, block by block."""
        if self.joined is not None:
            return self.joined.together
        return self.flat.layer.output.height if self.flat else 1

    @property
    def sent(self) -> tuple[int, int] | None:
        """Of how many pixels the first are sent, and of every how many of an output row; None if all are."""
        if self.flat is None or self.layer.output.width == self.sent_width:
            return None
        return self.flat.layer.output.width, self.flat.pitch

    @property
    def sent_width(self) -> int:
        """Pixels that are sent of an output row."""
        if self.flat is None:
            return self.layer.output.width
        return self.flat.layer.output.height * self.flat.layer.output.width

    @property
    def input_chunks(self) -> int:
        """Chunks the input channels are split into."""
        blocks = self.layer.input.blocks
        return blocks // self.input_chunk if self.slices else 1

    @property
    def row_step(self) -> int:
        """Of the input rows each so many-th comes to the cores, from the first on."""
        return self.flat.layer.row_step if self.flat else self.fetch.row_step

    @property
    def skipped(self) -> bool:
        """Whether the descriptors already leave out what the strides skip."""
        return self.fetch.row_step > 1 or self.fetch.column_step > 1

    @property
    def row_stride(self) -> int:
        """Rows of the stream from one output row's window to the next one's."""
        return 2 if self.layer.kernel.pairs else 1 if self.skipped else self.layer.strides[0]

    @property
    def column_stride(self) -> int:
        """Pixels of a row as it is sent from one output pixel's first input pixel to the next one's."""
        return 1 if self.skipped else sent_stride(self.layer)

    @property
    def skip_words(self) -> int:
        """Words of the skip row behind each input row; 0 where nothing is added."""
        return 0 if self.layer.addition is None else self.output_chunk * self.layer.output.width * 2

    def product_words(self, work: CoreWork) -> int:
        """Words of the one row of a matrix product's stream: the right operand's blocks, and the left one."""
        return self.input_chunk * (BLOCK_WORDS * work.block_count + 2 * self.fetch.width)

    @property
    def row_descriptors(self) -> int:
        """Descriptors of a MemTile that send one row of the stream."""
        if self.flat is not None:
            return len(self.flat.planes)
        if self.layer.product is not None:
            return 2
        return 1 if self.layer.addition is None else 2

    @property
    def skips_alone(self) -> bool:
        """Whether skip rows come without input rows for all output chunks but the first."""
        return self.stays and self.layer.addition is not None

    @property
    def broadcast_windows(self) -> int:
        """Descriptors of a MemTile that broadcast the input; 0 if it is not broadcast."""
        if not self.deep:
            return 0
        return 2 if self.layer.kernel.pairs else self.row_descriptors

    @property
    def stream_row_words(self) -> int:
        """Convolutions: words of one row of the stream."""
        return self.input_chunk * self.fetch.width * 2 + self.skip_words

    def stream_of(self, chip: Chip, column: int, row: int) -> int:
        """Which of the weight streams a core hears; -1 if there are none. A table is one stream for all."""
        if not self.slices:
            return 0 if self.layer.kernel.weighted else -1
        return column * chip.core_rows + row if self.rings else chip.domain(row) % len(self.slices)

    def output_chunks(self, blocks: Range) -> int:
        """Chunks that cover `blocks`."""
        return -(-(blocks[1] - blocks[0]) // self.output_chunk)

    def input_passes(self, blocks: Range) -> int:
        """How often input rows arrive at a core that computes `blocks`, each time those of one input chunk."""
        return self.input_chunks * (self.output_chunks(blocks) if self.slices and not self.stays else 1)

    def stream_rows(self, work: CoreWork) -> int:
        """Input rows of one pass of the core's stream."""
        first, last = work.input_rows
        return -(-(last - first) // self.fetch.row_step)


def sent_stride(layer: Layer) -> int:
    """Pixels of a whole row from one window to the next one; where there is no next one, 1 will do."""
    return layer.strides[1] if layer.output.width > 1 else 1


def most_rows(fetch: Fetch, chip: Chip) -> int:
    """Rows of one window: with padding a descriptor counts every dimension, without it the rows end with its length."""
    return chip.memtile_wrap_limit if fetch.left or fetch.right else chip.memtile_words


def full_width(shape: MapShape) -> Fetch:
    """Every column, no padding."""
    return Fetch(0, shape.width, 0)
