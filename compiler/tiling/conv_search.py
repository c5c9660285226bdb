"""
The fastest launch of some rows and output blocks of a convolution, of all ways to map it.

The recurrence of `compiler.costs` is the judge: the same that the estimate reports. Ways are tried in the order of
what they take at least, by a floor in a few sums and then by the recurrence of their busiest core alone. Those that
take as long as the best that was found so far are never evaluated, since they cannot win. What was found for some rows
holds for all that lie as far from every border: it is looked for once.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import heappop, heappush

import numpy as np

from compiler.costs.floor import Chunkings, launch_floors
from compiler.costs.lone import busiest, lone_cycles
from compiler.costs.planned import launch_cycles
from compiler.costs.program import ProgramCycles, program_cycles
from compiler.costs.shares import shares
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.tiling.arena import Arena
from compiler.tiling.joined import Joined, joinings
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, Range
from compiler.tiling.limits import launch_faults, most_slots, rows_held
from compiler.tiling.mapping import (
    OUTPUT_SLOTS,
    Cut,
    Split,
    conv_fetch,
    cuts,
    joint_rows,
    mapped,
    splits,
    with_more_slots,
)
from compiler.tiling.shifted import moved_launch, moved_rows, sees_no_border

KERNELS = frozenset(Kernel)
"""Of a device that serves all: what a core program asks before it calls one."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one launch computes: output rows of each column, and output blocks."""

    layer: Layer
    column_rows: Sequence[Range]
    blocks: Range

    @cached_property
    def first_row(self) -> int:
        """The first output row of all."""
        return min((first for first, last in self.column_rows if last > first), default=0)

    @cached_property
    def key(self) -> Hashable:
        """All that the choice depends on: where rows see no border, not where they lie."""
        layer, rows = self.layer, tuple(self.column_rows)
        if all(sees_no_border(layer, each) for each in rows):
            rows = moved_rows(rows, -self.first_row), "inside"
        together = tuple(joined.together for joined in joinings(layer, self.column_rows))
        return layer.geometry, layer.gamma.shape, layer.gamma.tobytes(), rows, self.blocks, together


@dataclass(frozen=True, eq=False)
class Candidate:
    """A way to map a part, and the cycles that it takes at least."""

    floor: int
    layer: Layer
    chip: Chip
    split: Split
    cut: Cut
    stays: bool
    together: int
    joined: Joined | None

    @cached_property
    def launch(self) -> Launch | None:
        """None if a core has no room for it."""
        return self._launch(self.split.rows)

    @property
    def fits_without_sums(self) -> bool:
        """Whether there would be room in a core with more memory, or one with fewer rows: sums of one row have it."""
        return self.launch is not None or (not self.stays and self._launch(1) is not None)

    def _launch(self, partial_rows: int) -> Launch | None:
        launch = mapped(
            self.layer, self.chip, self.split, self.cut, partial_rows, stays=self.stays, together=self.together
        )
        return replace(launch, joined=self.joined) if launch and self.joined else launch


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A launch that the array can run, and its cycles by the recurrence."""

    launch: Launch
    cycles: int
    least: int
    """The lowest floor of those that the array cannot run with so many rows; a very large number if it is not lower."""


@dataclass(eq=False)
class _Known:
    """What is known of a part, and of all like it."""

    first_row: int
    """Of the part that was looked at."""
    ways: list[Candidate]
    """In the order of their floors."""
    best: Evaluated | None = None
    below: int | None = 0
    """If there is no best one, none takes less than these cycles; None if the array cannot run any."""

    @property
    def floor(self) -> int | None:
        """Cycles that the part takes at least; None if no core has room for any way."""
        if self.best is not None:
            return self.best.cycles
        lowest = next((way.floor for way in self.ways if way.launch), None)
        return None if lowest is None or self.below is None else max(lowest, self.below)


@dataclass(frozen=True)
class ConvSearch:
    """Looks for launches on `chip`, in a device whose cores know `kernels`."""

    chip: Chip
    kernels: frozenset[Kernel] = KERNELS
    known: dict[Hashable, _Known] = field(default_factory=dict[Hashable, _Known])
    """By the key of a part."""

    @cached_property
    def programs(self) -> dict[Kernel, ProgramCycles]:
        """Cycles of the core program around each kernel that convolves."""
        asked = {kernel: self.kernels | {kernel} for kernel in Kernel if kernel.convolves}
        return {kernel: program_cycles(self.chip, kernels, kernel) for kernel, kernels in asked.items()}

    def cycles(self, launch: Launch) -> int:
        """By the recurrence."""
        return launch_cycles(launch, self.chip, self.programs[launch.layer.kernel])

    def alone(self, launch: Launch) -> int:
        """Cycles that a launch takes at least: those of its busiest core without the others."""
        return lone_cycles(launch, busiest(launch), self.chip, self.programs[launch.layer.kernel])

    def candidates(self, part: Part) -> Iterator[Candidate]:
        """
        Every way to compute a part in one launch: some rows by each call, or several as one. What does the latter needs
        none of the former.
        """
        joined_ways = list(joinings(part.layer, part.column_rows))
        yield from self._candidates(part, not joined_ways)
        for joined in joined_ways:
            long = [joined.long_rows(rows) for rows in part.column_rows]
            yield from self._candidates(Part(joined.seen, long, part.blocks), False, joined)

    def _candidates(self, part: Part, several: bool, joined: Joined | None = None) -> Iterator[Candidate]:
        """Those of rows as the layer has them, with one row by each call or also `several`."""
        layer, chip = part.layer, self.chip
        for split in splits(layer, chip, part.column_rows, part.blocks):
            pieces = list(cuts(layer, chip, split))
            chunked = [cut for cut in pieces if cut.output_chunk < split.widest]
            for together in joint_rows(layer, split) if several else [1]:
                for stays, some in ((False, pieces), (True, chunked)):
                    floors = self._floors(layer, split, some, stays, together)
                    for cut, floor in zip(some, floors, strict=True):
                        yield Candidate(floor, layer, chip, split, cut, stays, together, joined)

    def _floors(self, layer: Layer, split: Split, some: Sequence[Cut], stays: bool, together: int) -> list[int]:
        """Cycles that launches of these cuts take at least, with as many slots as they have at least."""
        if not some:
            return []
        widest, chunks = split.widest, np.array([cut.output_chunk for cut in some], np.int64)
        fetch, none = conv_fetch(layer), Arena(0, 0, 0, 0, 0, 0, 0)
        launch = Launch(
            layer, split.works, fetch, none, widest, layer.input.blocks, split.slices, rows_together=together
        )
        ways = Chunkings(
            chunks,
            np.array([cut.input_chunk for cut in some], np.int64),
            np.array([cut.chunk_words for cut in some], np.int64),
            np.full(len(some), stays),
            np.full(len(some), rows_held(layer, launch.row_stride, -(-split.input_rows // fetch.row_step), together)),
            np.minimum(OUTPUT_SLOTS * together, np.minimum(-(-widest // chunks) * split.rows, most_slots(self.chip))),
        )
        return launch_floors(launch, ways, shares(launch), self.chip, self.programs[layer.kernel]).tolist()

    def fits(self, part: Part) -> bool:
        """Whether the array can compute a part in one launch."""
        return any(way.launch and not launch_faults(way.launch, self.chip) for way in self.candidates(part))

    def best(self, part: Part, below: int | None = None) -> Evaluated | None:
        """
        The fastest launch of a part that the array can run, then with more slots if that helps.

        None if there is none, or none that takes less than `below` cycles.
        """
        known = self._known(part)
        if known.best is None and known.below is not None and (below is None or below > known.below):
            known.best, known.below = self._fastest(known.ways, below), below
            if known.best is not None:
                known.ways = []
        best = known.best
        if best is None or (below is not None and best.cycles >= below):
            return None
        if known.first_row == part.first_row:
            return best
        moved = moved_launch(best.launch, part.first_row - known.first_row)
        if launch_faults(moved, self.chip):
            # which rows lie in a neighbour's MemTile is not the same everywhere
            return self._fastest(sorted(self.candidates(part), key=lambda way: way.floor), below)
        return replace(best, launch=moved)

    def best_of_all(self, parts: Sequence[Part], below: int | None = None) -> list[Evaluated] | None:
        """
        The fastest launch of each part; None if one has none, or all together do not take less than `below` cycles.

        Parts that are alike take as long, and each takes as long as its floor.
        """
        counts = Counter(part.key for part in parts)
        floors = {part.key: self._known(part).floor for part in parts} if below is not None else {}
        left = sys.maxsize if below is None else below
        for key, floor in floors.items():
            if floor is None:
                return None
            left -= floor * counts[key]
        found: list[Evaluated] = []
        for part in parts:
            floor, count = floors.get(part.key), counts[part.key]
            best = None
            if floor is None:
                best = self.best(part)
            elif left > 0:
                best = self.best(part, floor + -(-left // count))
            if best is None:
                return None
            found.append(best)
            if floor is not None:
                # those of them that follow take as long
                left -= (best.cycles - floor) * count
                floors[part.key] = best.cycles
        return found if below is None or sum(each.cycles for each in found) < below else None

    def _known(self, part: Part) -> _Known:
        if part.key not in self.known:
            ways = sorted(self.candidates(part), key=lambda way: way.floor)
            self.known[part.key] = _Known(part.first_row, ways)
        return self.known[part.key]

    def _fastest(self, ways: Sequence[Candidate], below: int | None) -> Evaluated | None:
        """
        The fastest of these, which are in the order of their floors.

        The one that takes least as far as is known comes next: its core alone, then all of it.
        """
        best, least = None, sys.maxsize
        queue = [(way.floor, number, False) for number, way in enumerate(ways)]
        while queue:
            floor, number, alone = heappop(queue)
            if below is not None and floor >= below:
                break
            launch = ways[number].launch
            if launch is None:
                if ways[number].fits_without_sums:
                    least = min(least, floor)
            elif alone:
                cycles = self.cycles(launch)
                if below is None or cycles < below:
                    best, below = Evaluated(launch, cycles, least), cycles
            elif launch_faults(launch, self.chip):
                least = min(least, floor)
            else:
                heappush(queue, (max(floor, self.alone(launch)), number, True))
        return best and self._with_more_slots(replace(best, least=least))

    def _with_more_slots(self, best: Evaluated) -> Evaluated:
        better: Evaluated | None = best
        while better is not None:
            best, better = better, None
            for launch in with_more_slots(best.launch):
                if not launch_faults(launch, self.chip) and self.alone(launch) < (better or best).cycles:
                    cycles = self.cycles(launch)
                    if cycles < (better or best).cycles:
                        better = Evaluated(launch, cycles, best.least)
        return best
