"""
Which steps run in chains: where maps went through DDR between them, as far as that takes less time.

A plan without chains says which maps pass through DDR. Of each run of steps with such maps between them, the cheapest
way to cut it into chains and steps is a shortest path. A chain is planned only where it lies on that path: until then
its launches count as much as those of its steps by themselves, for as many rows as it makes, halos included. Chains
grow once more from the plan that this gives, and so on, as long as all steps together take less time by the same
functions by which residency decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from compiler.allocation.bound import lower_bound
from compiler.allocation.problem import Buffer, Problem, Solution
from compiler.errors import CapacityError
from compiler.scheduling.chains import Run, band_rows, can_follow, chain_of, closed, with_chains
from compiler.scheduling.drafts import Choice, Draft, Drafts
from compiler.scheduling.names import band_name, fill_name, inner_name, map_name, without_band
from compiler.scheduling.network import ArrayStep, inputs_of
from compiler.scheduling.residency import Apart, Residency, Traffic
from compiler.scheduling.stripes import Stripes, tallest

MOST_STEPS = 4
"""Steps that are looked at together; a chain may still grow."""
NEVER = 1 << 62
"""Cycles of a chain that does not fit."""

Found = tuple[Choice, Draft, Solution]


def in_chains(residency: Residency, found: Found) -> tuple[Drafts, Found]:
    """The drafts and what was found for them, with chains where those take less time."""
    while runs := _Search(residency, *found[:2]).best():
        network = with_chains(residency.drafts.network, runs)
        chained = replace(residency, drafts=replace(residency.drafts, network=network, launches={}))
        try:
            other = chained.solve()
        except (CapacityError, Apart):
            break
        if _cycles(chained, other) >= _cycles(residency, found):
            break
        residency, found = chained, other
    return residency.drafts, found


def _cycles(residency: Residency, found: Found) -> int:
    """Of all steps, one after the other."""
    choice, draft, _ = found
    return sum(residency.step_cycles(index, choice, draft) for index in range(len(residency.drafts.network.steps)))


@dataclass(frozen=True)
class _Search:
    """Looks for chains in a plan."""

    residency: Residency
    choice: Choice
    draft: Draft

    def best(self) -> list[Run]:
        """Chains that take less time than their steps."""
        return [chain for run in self._runs() for chain in self._cut(run)]

    def _runs(self) -> list[Run]:
        """Steps of which each reads through DDR what the one before it makes, as many as there are."""
        steps = self.residency.drafts.network.steps
        cuts = [0, *(index for index in range(1, len(steps)) if not self._linked(index)), len(steps)]
        return [run for run in pairwise(cuts) if run[1] > run[0] + 1]

    def _linked(self, index: int) -> bool:
        """Whether a step reads through DDR what the step before it makes, and may be its next in a chain."""
        network = self.residency.drafts.network
        if not can_follow(network, index) or not self.choice.by_channels.isdisjoint((index - 1, index)):
            return False
        before = network.steps[index - 1]
        assert isinstance(before, ArrayStep), "steps of a chain run on the array"
        return (index, before.output) in self.draft.filled

    def _cut(self, run: Run) -> list[Run]:
        """The chains of the cheapest way through a run."""
        alone = {index: self.residency.step_cycles(index, self.choice, self.draft) for index in range(*run)}
        costs = {
            (first, last): self._chain_cycles((first, last), planned=False)
            for first in range(*run)
            for last in range(first + 2, min(first + MOST_STEPS, run[1]) + 1)
            if closed(self.residency.drafts.network, (first, last))
        }
        planned = set[Run]()
        while True:
            chains = _shortest(run, alone, costs)
            unknown = [chain for chain in chains if chain not in planned]
            if not unknown:
                return chains
            for chain in unknown:
                costs[chain] = self._chain_cycles(chain, planned=True)
                planned.add(chain)

    def _chain_cycles(self, run: Run, planned: bool) -> int:
        """Cycles of a chain in the best way that fits; of its launches as planned, or as those of its steps."""
        residency, drafts = self.residency, self.residency.drafts
        indices = range(*run)
        chain, last = chain_of(drafts.network.steps[slice(*run)]), run[1] - 1
        from_ddr = {number for index in indices for number in residency.traffic(index, self.draft).filled}
        ends = residency.traffic(last, self.draft)
        traffic = Traffic(tuple(n for n in inputs_of(chain) if n in from_ddr), ends.spilled, ends.passes)
        room = self.draft.problem.capacity - self._beside(run, ends.passes)

        def computing(stripes: Stripes) -> int:
            if planned:
                return residency.computing(chain, stripes)
            return sum(self._share(index, band_rows(chain, stripes)) for index in indices)

        ways = residency.ways(chain, traffic, room)
        bands = [(drafts.band_stripes(chain, way.bands), way.overlaps) for way in ways]
        return min((residency.way_cycles(chain, *way, traffic, computing) for way in bands), default=NEVER)

    def _share(self, index: int, rows: dict[int, Stripes]) -> int:
        """Cycles of a step's launches for some rows, as if all rows took the same time."""
        drafts, choice = self.residency.drafts, self.choice
        step = drafts.network.steps[index]
        assert isinstance(step, ArrayStep), "steps of a chain run on the array"
        bands = drafts.band_stripes(step, choice.ways[index].bands)
        typical = bands[len(bands) // 2]
        return self.residency.computing(step, typical) * tallest(rows[step.output]) // tallest(typical)

    def _beside(self, run: Run, passes: bool) -> int:
        """Bytes of each MemTile that others than these steps take while they run."""
        start, stop = self.draft.times[run[0]][0], self.draft.times[run[1] - 1][1]
        own = set(self._own(run, passes))
        buffers = [
            Buffer(buffer.name, max(buffer.lower, start), min(buffer.upper, stop), buffer.size)
            for buffer in self.draft.problem.buffers
            if buffer.lower < stop and start < buffer.upper
            if without_band(buffer.name) not in own
        ]
        return lower_bound(Problem(tuple(buffers), self.draft.problem.capacity)).live_bytes

    def _own(self, run: Run, passes: bool) -> Iterator[str]:
        """Names of what these steps fill and make, without the numbers of bands."""
        steps = self.residency.drafts.network.steps
        for index in range(*run):
            step = steps[index]
            assert isinstance(step, ArrayStep), "steps of a chain run on the array"
            yield from (without_band(fill_name(index, number, 0)) for number in inputs_of(step))
            yield from (without_band(inner_name(index, number, 0)) for number in step.inner)
            yield without_band(band_name(index, 0))
            if index + 1 < run[1] or passes:
                yield map_name(step.output)


def _shortest(run: Run, alone: dict[int, int], costs: dict[Run, int]) -> list[Run]:
    """The chains on the shortest path from the first step to behind the last one; of equals the shorter chains."""
    best: dict[int, tuple[int, list[Run]]] = {run[0]: (0, [])}
    for last in range(run[0] + 1, run[1] + 1):
        cycles, chains = best[last - 1]
        best[last] = cycles + alone[last - 1], chains
        for first in range(last - 2, run[0] - 1, -1):
            if (first, last) in costs and best[first][0] + costs[first, last] < best[last][0]:
                best[last] = best[first][0] + costs[first, last], [*best[first][1], (first, last)]
    return best[run[1]][1]
