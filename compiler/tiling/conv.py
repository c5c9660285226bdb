"""
The launches of a convolution: of all ways to map it, the one whose recurrence says the fewest cycles.

Activations lie striped by rows over the columns' MemTiles, weights are broadcast along rows of cores (WIDE layers).
`compiler.tiling.mapping` lists the splits and cuts. The recurrence of `compiler.costs` is the judge: the same that the
estimate reports. Ways are tried in the order of their floors, and those whose floor lies above the best time found so
far are never evaluated, since they cannot win. A layer that does not fit takes fewer rows per launch, then fewer
output blocks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from compiler.costs.floor import Calls, launch_floor, shares
from compiler.costs.planned import launch_cycles
from compiler.costs.program import ProgramCycles, program_cycles
from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.kernels.weight_chunk import chunk_words
from compiler.tiling.launch import OUTPUT_SLACK_WORDS, Launch, arena_words
from compiler.tiling.layer import Layer, Range, row_pieces, split_evenly
from compiler.tiling.limits import launch_faults
from compiler.tiling.mapping import conv_fetch, cuts, divisors, mapped, splits

KERNELS = frozenset(Kernel)
"""Of a device that serves all: what a core program asks before it calls one."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A launch that fits a core's memory, and the cycles that it takes at least."""

    launch: Launch
    floor: int


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A launch that the array can run, and its cycles by the recurrence."""

    launch: Launch
    cycles: int


@dataclass(frozen=True)
class ConvPlanner:
    """Chooses launches of convolutions on `chip`, in a device whose cores know `kernels`."""

    chip: Chip
    kernels: frozenset[Kernel] = KERNELS
    known: dict[Hashable, list[Launch]] = field(default_factory=dict[Hashable, list[Launch]])
    """Launches that were chosen, by everything that the choice depends on: many layers of a network are equal."""

    @property
    def program(self) -> ProgramCycles:
        """Cycles of the core program."""
        return program_cycles(self.chip, self.kernels | {Kernel.CONV}, Kernel.CONV)

    def candidates(self, layer: Layer, column_rows: Sequence[Range], blocks: Range) -> Iterator[Candidate]:
        """Every way to compute these rows and output blocks in one launch."""
        calls: Calls | None = None
        program = self.program
        for split in splits(layer, self.chip, column_rows, blocks):
            parts = None
            for cut in cuts(layer, self.chip, split):
                launch = mapped(layer, self.chip, split, cut)
                if launch is not None:
                    calls = calls or Calls(launch, self.chip)
                    parts = parts or shares(launch)
                    yield Candidate(launch, launch_floor(launch, parts, calls, self.chip, program))

    def best(self, layer: Layer, column_rows: Sequence[Range], blocks: Range) -> Evaluated | None:
        """The fastest launch of these rows and output blocks that the array can run; None if there is none."""
        best: Evaluated | None = None
        for candidate in sorted(self.candidates(layer, column_rows, blocks), key=lambda each: each.floor):
            if best is not None and candidate.floor >= best.cycles:
                break
            if not launch_faults(candidate.launch, self.chip):
                cycles = launch_cycles(candidate.launch, self.chip, self.program)
                if best is None or cycles < best.cycles:
                    best = Evaluated(candidate.launch, cycles)
        return best

    def plan(self, layer: Layer, column_rows: Sequence[Range]) -> list[Launch]:
        """
        Launches that together compute `column_rows[c]` (output rows of column c) of a convolution.

        Raises CapacityError if not even one row of one channel block fits a core.
        """
        geometry = (layer.input, layer.output, layer.kernel_size, layer.strides, layer.pads, layer.dilations)
        key = (geometry, layer.gamma.shape, layer.gamma.tobytes(), tuple(column_rows))
        if key not in self.known:
            self.known[key] = self._plan(layer, column_rows)
        return [replace(launch, layer=layer) for launch in self.known[key]]

    def _plan(self, layer: Layer, column_rows: Sequence[Range]) -> list[Launch]:
        total = layer.output.blocks
        for pieces in _fewer_rows(column_rows):
            for parts in (1, 2, 4, 8, 16, 32, 64):
                if parts > total:
                    break
                tried = [
                    self.best(layer, rows, blocks)
                    for rows in row_pieces(column_rows, pieces)
                    for blocks in split_evenly(total, parts)
                    if blocks[1] > blocks[0]
                ]
                found = [each.launch for each in tried if each is not None]
                if len(found) == len(tried):
                    return found
        raise _refusal(layer, self.chip)


def _fewer_rows(column_rows: Sequence[Range]) -> Iterator[int]:
    """Numbers of pieces to try: 1, 2, 4, … down to single rows."""
    tallest = max(last - first for first, last in column_rows)
    pieces = 1
    while pieces < tallest:
        yield pieces
        pieces *= 2
    yield max(tallest, 1)


def _refusal(layer: Layer, chip: Chip) -> CapacityError:
    """What one row of one channel block would need."""
    fetch = conv_fetch(layer)
    ring = layer.window_rows * fetch.width * 8
    chunk = chunk_words(1, layer.kernel_size[0], layer.kernel_size[0] * layer.kernel_size[1])
    smallest = ring + 4 * chunk + 2 * (8 * layer.output.width + 4 * OUTPUT_SLACK_WORDS)
    parts = [size for size in reversed(divisors(layer.input.blocks)) if size <= chip.iteration_limit]
    return CapacityError(
        f"layer '{layer.name}' does not fit a core: {layer.window_rows} input rows of {fetch.width} pixels in one "
        f"channel block, a block of weights and two output rows need {smallest} bytes of {4 * arena_words(chip)}; rows "
        f"must be sent in at most {chip.memtile_wrap_limit} pixels, and {layer.input.blocks} input blocks split evenly "
        f"into at most {chip.iteration_limit} only as {', '.join(map(str, parts))} parts; a map narrower than "
        f"{fetch.width} pixels or another number of channels would fit"
    )
