"""
The launches of a convolution: as few as fit, and more of them where these take less time together.

Activations lie striped by rows over the columns' MemTiles, weights are broadcast along rows of cores (WIDE layers).
`compiler.tiling.conv_search` finds the fastest launch of any rows and output blocks. A layer that does not fit takes
fewer rows per launch, then fewer output blocks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.kernels.weight_chunk import BLOCK_WORDS, chunk_words
from compiler.tiling.arena import OUTPUT_SLACK_WORDS, WEIGHT_SLOTS, arena_words
from compiler.tiling.conv_search import ConvSearch, Evaluated
from compiler.tiling.conv_ways import KERNELS, Part
from compiler.tiling.joined import Joined
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, Range, row_pieces, split_evenly
from compiler.tiling.mapping import conv_fetch, divisors
from compiler.tiling.tiles import NARROW_WIDTHS, TILE_WIDTHS, tile_of, tilings


@dataclass(frozen=True, eq=False)
class Planned:
    """Launches of a whole convolution, and the cycles of all of them."""

    launches: list[Launch]
    cycles: int


@dataclass(frozen=True)
class ConvPlanner:
    """Chooses launches of convolutions on `chip`, in a device whose cores know `kernels`."""

    chip: Chip
    kernels: frozenset[Kernel] = KERNELS
    known: dict[Hashable, Planned] = field(default_factory=dict[Hashable, Planned])
    """Launches that were chosen, by everything that the choice depends on: many layers of a network are equal."""

    @cached_property
    def search(self) -> ConvSearch:
        """What looks for each launch."""
        return ConvSearch(self.chip, self.kernels)

    def plan(self, layer: Layer, column_rows: Sequence[Range]) -> list[Launch]:
        """
        Launches that together compute `column_rows[c]` (output rows of column c) of a convolution.

        Raises CapacityError if not even one row of one channel block fits a core.
        """
        return [_launch_of(layer, launch) for launch in self.planned(layer, column_rows).launches]

    def require(self, layer: Layer, column_rows: Sequence[Range]) -> None:
        """Raises as `plan` does, and takes the time to find any launches instead of the fastest."""
        whole = any(
            all(
                self.search.fits(Part(layer, rows, blocks))
                for rows in row_pieces(column_rows, pieces)
                for blocks in split_evenly(layer.output.blocks, parts)
                if blocks[1] > blocks[0]
            )
            for pieces, parts in _divisions(layer, column_rows)
        )
        every = (0, layer.output.blocks)
        if not whole and not any(
            all(self.search.fits(Part(tile_of(layer, each)[0], column_rows, every)) for each in columns)
            for columns in tilings(layer, NARROW_WIDTHS)
        ):
            raise _refusal(layer, self.chip)

    def planned(self, layer: Layer, column_rows: Sequence[Range]) -> Planned:
        """The same, of some layer of equal shape, with the cycles of all launches. Raises as `plan` does."""
        to = layer.destination
        steps = to.row, to.row_step, to.column_step
        key = (layer.geometry, layer.gamma.shape, layer.gamma.tobytes(), steps, tuple(column_rows))
        if key not in self.known:
            self.known[key] = self._plan(layer, column_rows)
        return self.known[key]

    def _plan(self, layer: Layer, column_rows: Sequence[Range]) -> Planned:
        """
        Launches over whole rows, or over tiles of the map while narrower ones take less time: that can only be where
        so much memory goes into rows that weights come in many chunks, or rows and output blocks in many launches.
        """
        found = self._in_pieces(layer, column_rows)
        widths = NARROW_WIDTHS if found is None else TILE_WIDTHS if _are_cramped(found) else ()
        for columns in tilings(layer, widths):
            total = None if found is None else sum(each.cycles for each in found)
            tiled = self._in_tiles(layer, columns, column_rows, total)
            if tiled is None and found is not None:
                break
            found = tiled
        if found is None:
            raise _refusal(layer, self.chip)
        return Planned([each.launch for each in found], sum(each.cycles for each in found))

    def _in_tiles(
        self, layer: Layer, columns: Sequence[Range], column_rows: Sequence[Range], below: int | None
    ) -> list[Evaluated] | None:
        """A launch for each tile; None if one does not fit, or all together are not `below`."""
        tiles = [tile_of(layer, each) for each in columns]
        every = (0, layer.output.blocks)
        found = self.search.best_of_all([Part(narrow, column_rows, every) for narrow, _ in tiles], below)
        return found and [
            replace(made, launch=replace(made.launch, tile=tile, tiled=layer))
            for made, (_, tile) in zip(found, tiles, strict=True)
        ]

    def _in_pieces(self, layer: Layer, column_rows: Sequence[Range]) -> list[Evaluated] | None:
        """
        As few launches as possible, and then with fewer rows each while all of them together take less time: that can
        only be where a way that so many rows rule out would be faster than what was found.
        """
        found: list[Evaluated] | None = None
        for pieces, parts in _divisions(layer, column_rows):
            if found is None:
                found = self._launches(layer, column_rows, pieces, parts, None)
            elif parts == 1:
                total = sum(each.cycles for each in found)
                if total <= sum(each.least for each in found):
                    break
                found = self._launches(layer, column_rows, pieces, parts, total) or found
        return found

    def _launches(
        self, layer: Layer, column_rows: Sequence[Range], pieces: int, parts: int, below: int | None
    ) -> list[Evaluated] | None:
        """Rows in `pieces` and output blocks in `parts`; None if one does not fit, or all together are not `below`."""
        if below is not None and pieces * least_cycles(layer, self.chip) >= below:
            return None
        return self.search.best_of_all(
            [
                Part(layer, rows, blocks)
                for rows in row_pieces(column_rows, pieces)
                for blocks in split_evenly(layer.output.blocks, parts)
                if blocks[1] > blocks[0]
            ],
            below,
        )


def _launch_of(layer: Layer, launch: Launch) -> Launch:
    """The same launch of another layer of the same geometry and Γ."""
    own = layer
    if launch.tiled is not None:
        first = launch.tile.output
        own, _ = tile_of(layer, (first, first + launch.on_map.output.width))
        launch = replace(launch, tiled=layer)
    if launch.joined is None:
        return replace(launch, layer=own)
    joined = Joined(own, launch.joined.together)
    return replace(launch, layer=joined.seen, joined=joined)


def _are_cramped(found: Sequence[Evaluated]) -> bool:
    """Whether weights or outputs are cut, as they are where memory is short."""
    launches = [each.launch for each in found]
    cut = any(launch.output_chunks(blocks) > 1 for launch in launches for blocks in launch.slices)
    return len(launches) > 1 or launches[0].input_chunks > 1 or cut


def least_cycles(layer: Layer, chip: Chip) -> int:
    """Cycles in which the weight streams of a column carry all weights, at least: whatever is done with them."""
    words = int(layer.gamma.sum()) * prod(layer.kernel_size) * BLOCK_WORDS
    return 4 * words // (chip.domains * chip.stream_bytes_per_cycle)


def _divisions(layer: Layer, column_rows: Sequence[Range]) -> Iterator[tuple[int, int]]:
    """Pieces of the rows, and for each parts of the output blocks: 1, 2, 4, … down to single rows and few blocks."""
    tallest = max(last - first for first, last in column_rows)
    pieces = 1
    while pieces < 2 * max(tallest, 1):
        for parts in (1, 2, 4, 8, 16, 32, 64):
            if parts <= layer.output.blocks:
                yield min(pieces, tallest), parts
        pieces *= 2


def _refusal(layer: Layer, chip: Chip) -> CapacityError:
    """What one row of one channel block would need."""
    fetch = conv_fetch(layer)
    ring = layer.window_rows * fetch.width * 8
    chunk = chunk_words(1, layer.kernel_size[0], layer.kernel_size[0] * layer.kernel_size[1], layer.rescaling_words)
    smallest = ring + WEIGHT_SLOTS * 4 * chunk + 2 * (8 * layer.output.width + 4 * OUTPUT_SLACK_WORDS)
    parts = [size for size in reversed(divisors(layer.input.blocks)) if size <= chip.iteration_limit]
    return CapacityError(
        f"layer '{layer.name}' does not fit a core: {layer.window_rows} input rows of {fetch.width} pixels in one "
        f"channel block, two blocks of weights and two output rows need {smallest} bytes of {4 * arena_words(chip)}; "
        f"rows must be sent in at most {chip.memtile_wrap_limit} pixels, and {layer.input.blocks} input blocks split "
        f"evenly into at most {chip.iteration_limit} only as {', '.join(map(str, parts))} parts; a map narrower than "
        f"{fetch.width} pixels or another number of channels would fit"
    )
