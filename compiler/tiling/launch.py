"""
A launch: one trip of some output rows of a layer through the cores, fully decided.

A launch says which core computes which output rows and channel blocks, how its input arrives (rows in a ring of
slots), how its weights are cut into chunks, and where each of these lies in the core's arena. Everything below this
level only spells it out: access windows at the memory level, descriptors and parameters at the array level.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.kernels.weight_chunk import BLOCK_WORDS
from compiler.tiling.arena import Arena
from compiler.tiling.fetch import Fetch, sent_stride
from compiler.tiling.joined import Joined
from compiler.tiling.layer import Layer, Range
from compiler.tiling.planes import Flat
from compiler.tiling.tiles import WHOLE, Tile


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
