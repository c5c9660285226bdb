"""The DEEP launches of a convolution: of all ways that `compiler.tiling.deep` lists, the one with the fewest cycles."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from compiler.costs.floor import Chunkings, launch_floors
from compiler.costs.shares import shares
from compiler.tiling.conv import ConvPlanner, Planned
from compiler.tiling.deep import deep_launches
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, Range, split_evenly
from compiler.tiling.limits import launch_faults

PARTS = (1, 2, 4, 8, 16, 32)
"""Launches that output blocks may be divided over, where weights are too many for the counters of one."""


@dataclass(frozen=True)
class DeepPlanner:
    """Chooses on the chip of `convolutions`."""

    convolutions: ConvPlanner
    known: dict[Hashable, Planned | None] = field(default_factory=dict[Hashable, "Planned | None"])
    """What was chosen, by everything that the choice depends on."""

    def plan(self, layer: Layer, below: int) -> Planned | None:
        """Launches that compute a whole convolution in less than `below` cycles, if there are any."""
        key = (layer.geometry, layer.gamma.shape, layer.gamma.tobytes(), below)
        if key not in self.known:
            self.known[key] = self._plan(layer, below)
        found = self.known[key]
        return found and Planned([_of(layer, launch) for launch in found.launches], found.cycles)

    def _plan(self, layer: Layer, below: int) -> Planned | None:
        """As few launches as fit."""
        for parts in PARTS:
            ways = [self.ways(layer, blocks) for blocks in split_evenly(layer.output.blocks, parts)]
            if all(any(self._runs(launch) for _, launch in some) for some in ways):
                return self._fastest(ways, below)
        return None

    def _runs(self, launch: Launch) -> bool:
        """Whether the array can run it."""
        return not launch_faults(launch, self.convolutions.chip)

    def ways(self, layer: Layer, blocks: Range) -> list[tuple[int, Launch]]:
        """Launches of these output blocks, with the cycles that each takes at least."""
        alike: dict[Hashable, list[Launch]] = {}
        for launch in deep_launches(layer, self.convolutions.chip, blocks):
            alike.setdefault((launch.slices, launch.flat, launch.rows_together), []).append(launch)
        ways = [way for some in alike.values() for way in zip(self._floors(some), some, strict=True)]
        return sorted(ways, key=lambda way: way[0])

    def _floors(self, launches: list[Launch]) -> list[int]:
        """Cycles that each of some launches of the same cores and calls of as many rows takes at least."""
        launch, search = launches[0], self.convolutions.search
        program = search.programs[launch.layer.kernel]
        return launch_floors(launch, Chunkings.of(launches), shares(launch), search.chip, program).tolist()

    def _fastest(self, ways: list[list[tuple[int, Launch]]], below: int) -> Planned | None:
        """The fastest launch of each of some blocks, if they all together take less than `below` cycles."""
        launches: list[Launch] = []
        total = 0
        for some in ways:
            best, least = None, below - total
            for floor, launch in some:
                if floor >= least:
                    break
                if not self._runs(launch) or self.convolutions.search.alone(launch) >= least:
                    continue
                cycles = self.convolutions.search.cycles(launch)
                if cycles < least:
                    best, least = launch, cycles
            if best is None:
                return None
            launches.append(best)
            total += least
        return Planned(launches, total)


def _of(layer: Layer, launch: Launch) -> Launch:
    """The same launch of a layer of equal shape."""
    if launch.flat is None:
        return replace(launch, layer=layer)
    flat = replace(launch.flat, layer=layer)
    return replace(launch, layer=flat.seen, flat=flat)
