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
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import heappop, heappush

from compiler.costs.lone import busiest, lone_cycles
from compiler.costs.planned import launch_cycles
from compiler.costs.program import ProgramCycles
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.tiling.conv_ways import KERNELS, Candidate, ConvWays, Part
from compiler.tiling.launch import Launch
from compiler.tiling.limits import launch_faults
from compiler.tiling.mapping import with_more_slots
from compiler.tiling.shifted import moved_launch


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
    def ways(self) -> ConvWays:
        """What lists the ways."""
        return ConvWays(self.chip, self.kernels)

    @property
    def programs(self) -> dict[Kernel, ProgramCycles]:
        """Cycles of the core program around each kernel that convolves."""
        return self.ways.programs

    def cycles(self, launch: Launch) -> int:
        """By the recurrence."""
        return launch_cycles(launch, self.chip, self.programs[launch.layer.kernel])

    def alone(self, launch: Launch) -> int:
        """Cycles that a launch takes at least: those of its busiest core without the others."""
        return lone_cycles(launch, busiest(launch), self.chip, self.programs[launch.layer.kernel])

    def fits(self, part: Part) -> bool:
        """Whether the array can compute a part in one launch."""
        return any(way.launch and not launch_faults(way.launch, self.chip) for way in self.ways.candidates(part))

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
            return self._fastest(sorted(self.ways.candidates(part), key=lambda way: way.floor), below)
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
            ways = sorted(self.ways.candidates(part), key=lambda way: way.floor)
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
