"""
The launches of a convolution: of all ways to map it, the one whose recurrence says the fewest cycles.

Activations lie striped by rows over the columns' MemTiles, weights are broadcast along rows of cores (WIDE layers).
`compiler.tiling.mapping` lists the splits and cuts. The recurrence of `compiler.costs` is the judge: the same that the
estimate reports. Ways are tried in the order of their floors, and those whose floor lies above the best time found so
far are never evaluated, since they cannot win. A layer that does not fit takes fewer rows per launch, then fewer
output blocks.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import prod

from compiler.costs.floor import Calls, Share, launch_floor, shares
from compiler.costs.planned import launch_cycles
from compiler.costs.program import ProgramCycles, program_cycles
from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.kernels.weight_chunk import BLOCK_WORDS, chunk_words
from compiler.tiling.joined import Joined, joinings
from compiler.tiling.launch import OUTPUT_SLACK_WORDS, WEIGHT_SLOTS, Launch, arena_words
from compiler.tiling.layer import Layer, Range, row_pieces, split_evenly
from compiler.tiling.limits import launch_faults
from compiler.tiling.mapping import conv_fetch, cuts, divisors, joint_rows, mapped, splits, with_more_slots
from compiler.tiling.shifted import moved_launch, moved_rows, sees_no_border
from compiler.tiling.tiles import NARROW_WIDTHS, TILE_WIDTHS, tile_of, tilings

KERNELS = frozenset(Kernel)
"""Of a device that serves all: what a core program asks before it calls one."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A launch and the cycles that it takes at least."""

    launch: Launch
    floor: int
    fits: bool
    """False if it has space for the partial sums of one row only: it would take a core with more memory."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A launch that the array can run, and its cycles by the recurrence."""

    launch: Launch
    cycles: int
    least: int
    """The lowest floor of those that the array cannot run with so many rows; a very large number if it is not lower."""


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
    calls: dict[Hashable, Calls] = field(default_factory=dict[Hashable, Calls])
    """Cycles of kernel calls, by what they depend on."""

    @cached_property
    def programs(self) -> dict[Kernel, ProgramCycles]:
        """Cycles of the core program around each kernel that convolves."""
        asked = {kernel: self.kernels | {kernel} for kernel in Kernel if kernel.convolves}
        return {kernel: program_cycles(self.chip, kernels, kernel) for kernel, kernels in asked.items()}

    def floor(self, launch: Launch, parts: frozenset[Share]) -> int:
        """Cycles that a launch takes at least; `parts` are the shares of its cores."""
        geometry = launch.layer.geometry
        if geometry not in self.calls:
            self.calls[geometry] = Calls(launch, self.chip)
        return launch_floor(launch, parts, self.calls[geometry], self.chip, self.programs[launch.layer.kernel])

    def candidates(self, layer: Layer, column_rows: Sequence[Range], blocks: Range) -> Iterator[Candidate]:
        """
        Every way to compute these rows and output blocks in one launch: some rows by each call, or several as one. What
        does the latter needs none of the former.
        """
        joined_ways = list(joinings(layer, column_rows))
        yield from self._candidates(layer, column_rows, blocks, not joined_ways)
        for joined in joined_ways:
            long = [joined.long_rows(rows) for rows in column_rows]
            for candidate in self._candidates(joined.seen, long, blocks, False):
                yield replace(candidate, launch=replace(candidate.launch, joined=joined))

    def _candidates(
        self, layer: Layer, column_rows: Sequence[Range], blocks: Range, several: bool
    ) -> Iterator[Candidate]:
        """Those of `column_rows` as the layer has them, with one row by each call or also `several`."""
        for split in splits(layer, self.chip, column_rows, blocks):
            parts: frozenset[Share] | None = None
            counts = joint_rows(layer, split) if several else [1]
            for cut, together in product(cuts(layer, self.chip, split), counts):
                launch = mapped(layer, self.chip, split, cut, split.rows, together=together)
                fits = launch is not None
                launch = launch or mapped(layer, self.chip, split, cut, 1, together=together)
                stays = None
                if cut.output_chunk < split.widest:
                    stays = mapped(layer, self.chip, split, cut, split.rows, stays=True, together=together)
                for way, enough in ((launch, fits), (stays, True)):
                    if way is not None:
                        parts = parts or shares(way)
                        yield Candidate(way, self.floor(way, parts), enough)

    def best(
        self, layer: Layer, column_rows: Sequence[Range], blocks: Range, below: int | None = None
    ) -> Evaluated | None:
        """
        The fastest launch of these rows and output blocks that the array can run, then with more slots if that helps.

        None if there is none, or none that takes less than `below` cycles.
        """
        best, least = None, sys.maxsize
        for candidate in sorted(self.candidates(layer, column_rows, blocks), key=lambda each: each.floor):
            if below is not None and candidate.floor >= below:
                break
            if not candidate.fits or launch_faults(candidate.launch, self.chip):
                least = min(least, candidate.floor)
                continue
            cycles = launch_cycles(candidate.launch, self.chip, self.programs[layer.kernel])
            if below is None or cycles < below:
                best, below = Evaluated(candidate.launch, cycles, least), cycles
        return best and self._with_more_slots(replace(best, least=least))

    def _with_more_slots(self, best: Evaluated) -> Evaluated:
        parts = shares(best.launch)
        better: Evaluated | None = best
        while better is not None:
            best, better = better, None
            for launch in with_more_slots(best.launch):
                if self.floor(launch, parts) < best.cycles and not launch_faults(launch, self.chip):
                    cycles = launch_cycles(launch, self.chip, self.programs[launch.layer.kernel])
                    if cycles < (better or best).cycles:
                        better = Evaluated(launch, cycles, best.least)
        return best

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
                self.fits(layer, rows, blocks)
                for rows in row_pieces(column_rows, pieces)
                for blocks in split_evenly(layer.output.blocks, parts)
                if blocks[1] > blocks[0]
            )
            for pieces, parts in _divisions(layer, column_rows)
        )
        every = (0, layer.output.blocks)
        if not whole and not any(
            all(self.fits(tile_of(layer, each)[0], column_rows, every) for each in columns)
            for columns in tilings(layer, NARROW_WIDTHS)
        ):
            raise _refusal(layer, self.chip)

    def fits(self, layer: Layer, column_rows: Sequence[Range], blocks: Range) -> bool:
        """Whether the array can compute these rows and output blocks in one launch."""
        return any(
            candidate.fits and not launch_faults(candidate.launch, self.chip)
            for candidate in self.candidates(layer, column_rows, blocks)
        )

    def planned(self, layer: Layer, column_rows: Sequence[Range]) -> Planned:
        """The same, of some layer of equal shape, with the cycles of all launches. Raises as `plan` does."""
        what = (layer.geometry, layer.gamma.shape, layer.gamma.tobytes())
        key = (*what, tuple(column_rows))
        if key not in self.known:
            # rows that see no border are planned like others of as many rows, unless several of them may be one
            offset = min(first for first, last in column_rows if last > first)
            inside = layer.kernel_size != (1, 1) and all(sees_no_border(layer, rows) for rows in column_rows)
            alike = (*what, moved_rows(column_rows, -offset), "inside")
            found = self._moved(self.known[alike], offset) if inside and alike in self.known else None
            self.known[key] = found = found or self._plan(layer, column_rows)
            if inside:
                self.known[alike] = Planned([moved_launch(each, -offset) for each in found.launches], found.cycles)
        return self.known[key]

    def _moved(self, planned: Planned, offset: int) -> Planned | None:
        """The same launches of rows so much further down; None if there the array cannot run them."""
        launches = [moved_launch(each, offset) for each in planned.launches]
        return None if any(launch_faults(each, self.chip) for each in launches) else Planned(launches, planned.cycles)

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
        found: list[Evaluated] = []
        for each in columns:
            narrow, tile = tile_of(layer, each)
            made = self.best(narrow, column_rows, (0, layer.output.blocks), below)
            if made is None:
                return None
            found.append(replace(made, launch=replace(made.launch, tile=tile, tiled=layer)))
            below = None if below is None else below - made.cycles
        return found

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
        found: list[Evaluated] = []
        for rows in row_pieces(column_rows, pieces):
            for blocks in split_evenly(layer.output.blocks, parts):
                if blocks[1] > blocks[0]:
                    best = self.best(layer, rows, blocks, below)
                    if best is None:
                        return None
                    found.append(best)
                    below = None if below is None else below - best.cycles
        return found


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
