"""
Which maps stay in the MemTiles, which go through DDR, and which layers run in bands.

Start from the wish that every map stays; allocate; where the MemTiles are over capacity, give up the map that is
needed latest. Where a single step is too large by itself, what passes through DDR anyway is cut into bands, and if that
is not enough, the largest map that it reads or writes goes through DDR as well. So in the end everything fits, or
nothing helps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from compiler.allocation.allocate import allocate
from compiler.allocation.bound import Section, lower_bound
from compiler.allocation.problem import Problem, Solution
from compiler.costs.feed import loaded
from compiler.errors import CapacityError
from compiler.scheduling.drafts import Choice, Draft, Drafts, band_name, fill_name, map_name
from compiler.scheduling.network import ArrayStep, inputs_of, outputs_of
from compiler.scheduling.stripes import tallest
from compiler.scheduling.ways import BandCycles, Way, candidates, cycles_of
from compiler.tiling.launch import Launch
from compiler.tiling.limits import own_ring_descriptors, spare_descriptors


class Apart(Exception):
    """The concatenation into map `number` has to stay a step of its own."""

    def __init__(self, number: int):
        super().__init__(f"map {number}")
        self.number = number


@dataclass(frozen=True)
class Residency:
    """Finds a draft that fits."""

    drafts: Drafts
    cycles: Callable[[Launch], int]
    """Of a launch by itself."""

    def _leaves_room(self, index: int) -> bool:
        """Whether descriptors for weights of the next step can wait while a step runs."""
        network = self.drafts.network
        if not isinstance(network.steps[index], ArrayStep) or network.reconfigured(index, index + 1):
            return False
        manner = self.drafts.by_channels.get(index)
        launches = manner.launches if manner else [launch for _, launch in self.drafts.band_launches(index, 1)[0]]
        return all(
            spare_descriptors(launch, self.drafts.chip) >= own_ring_descriptors(self.drafts.chip) for launch in launches
        )

    def solve(self) -> tuple[Choice, Draft, Solution]:
        """
        Give up residency and split into bands until the MemTiles hold everything.

        Raises Apart if that takes a concatenation of its own, and CapacityError if nothing helps.
        """
        steps = self.drafts.network.steps
        by_channels = set(self.drafts.by_channels)
        choice = Choice(set(range(len(self.drafts.network.maps))), [Way()] * len(steps), by_channels, set())
        for index in by_channels:
            if index and self.drafts.own_rings(index, choice) and self._leaves_room(index - 1):
                choice.ahead.add(index)
        while True:
            draft = self.drafts.draft(choice)
            try:
                return choice, draft, allocate(draft.problem, f"each MemTile of {self.drafts.chip.name}")
            except CapacityError as error:
                self._give_up(choice, draft, error)

    def _give_up(self, choice: Choice, draft: Draft, error: CapacityError) -> None:
        """
        Change `choice` where memory is fullest: bring weights later, evict a bystander, run the step WIDE, or split it.

        Raises if nothing helps.
        """
        section = lower_bound(draft.problem).section
        assert section is not None, "a problem that does not fit has buffers"
        index = next(i for i, (start, stop) in enumerate(draft.times) if start <= section.lower < stop)
        if index + 1 in choice.ahead:
            choice.ahead.remove(index + 1)
            return
        step = self.drafts.network.steps[index]
        roots: dict[int, list[int]] = {}
        for number in draft.stays:
            roots.setdefault(draft.shared.get(number, number), []).append(number)
        here = set(inputs_of(step)) | set(outputs_of(step))
        growing = [
            number
            for number, steps in self.drafts.writers.items()
            if len(steps) > 1 and steps[0] <= index and (index < steps[-1] or number in outputs_of(step))
        ]
        by_name = {map_name(root): members for root, members in roots.items()}
        kept = here.union(growing)
        bystanders = [b for b in section.buffers if b.name in by_name and not kept & set(by_name[b.name])]
        if bystanders:
            largest = max(bystanders, key=lambda buffer: (buffer.size, buffer.upper))
            self._evict(by_name[largest.name], choice)
            return
        if index in choice.by_channels:
            choice.by_channels.remove(index)
            choice.ahead.discard(index)
            return
        way = self._best_way(index, choice, draft, section)
        if way is not None:
            choice.tried.setdefault(index, set()).add(way)
            choice.ways[index] = way
            return
        if growing:
            raise Apart(max(growing, key=lambda number: (self.drafts.network.maps[number].bytes, number)))
        staying = [buffer for buffer in section.buffers if buffer.name in by_name]
        if not staying:
            message = f"layer '{step.name}' does not fit, not even one output row of each column at a time: {error}"
            raise CapacityError(message) from error
        self._evict(by_name[max(staying, key=lambda buffer: (buffer.size, buffer.upper)).name], choice)

    def _evict(self, numbers: Collection[int], choice: Choice) -> None:
        """Let maps go through DDR. Steps that had to run in bands beside them may not have to now."""
        choice.resident -= set(numbers)
        for index, step in enumerate(self.drafts.network.steps):
            if not set(numbers).isdisjoint((*inputs_of(step), *outputs_of(step))):
                choice.ways[index] = Way()
                choice.tried.pop(index, None)

    def _best_way(self, index: int, choice: Choice, draft: Draft, section: Section) -> Way | None:
        """Of the ways to run a step in bands that fit beside what else is there, the one that takes the least time."""
        step = self.drafts.network.steps[index]
        if not isinstance(step, ArrayStep) or index in choice.by_channels:
            return None
        filled = [(index, number) for number in inputs_of(step) if (index, number) in draft.filled]
        in_bands = {index} if self.drafts.passes(step, draft.stays) else set[int]()
        if not filled and not in_bands:
            return None
        own = {fill_name(*pair, 0)[:-1] for pair in filled} | {band_name(index, 0)[:-1]}
        whole = {map_name(step.output)} if in_bands else set[str]()
        others = [b for b in section.buffers if b.name[: b.name.rfind(".") + 1] not in own and b.name not in whole]
        room = draft.problem.capacity - sum(buffer.size for buffer in others)

        def fits(way: Way) -> bool:
            stripes = self.drafts.band_stripes(step, way.bands)
            buffers = tuple(self.drafts.passing(index, stripes, way.overlaps, 0, filled, in_bands))
            return lower_bound(Problem(buffers, room)).live_bytes <= room

        tried = choice.tried.get(index, set())
        ways = [way for way in candidates(tallest(self.drafts.stripes(step.output)), fits) if way not in tried]
        return min(ways, key=lambda way: self._way_cycles(index, way, filled, bool(in_bands)), default=None)

    def _way_cycles(self, index: int, way: Way, filled: Sequence[tuple[int, int]], spilled: bool) -> int:
        """Cycles of a step that runs in bands."""
        maps, step = self.drafts.network.maps, self.drafts.network.steps[index]
        assert isinstance(step, ArrayStep), "only array steps have bands"
        bands = self.drafts.band_stripes(step, way.bands)
        # one that sees no border stands for all: to plan each of them takes long
        typical = bands[len(bands) // 2]
        compute = sum(self.cycles(launch) for _, launch in self.drafts.planned(step, typical))
        times: list[BandCycles] = []
        for stripes in bands:
            fill = sum(maps[n].row_words * tallest(self.drafts.needed(step, n, stripes)) for _, n in filled)
            spill = maps[step.output].row_words * tallest(stripes) if spilled else 0
            fill, spill = (loaded(self.drafts.chip, words, self.drafts.chip.columns) for words in (fill, spill))
            times.append(BandCycles(fill, spill, compute * tallest(stripes) // tallest(typical)))
        return cycles_of(times, way.overlaps)
