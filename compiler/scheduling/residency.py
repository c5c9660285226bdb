"""
Which maps stay in the MemTiles, which go through DDR, and which layers run in bands.

Start from the wish that every map stays; allocate; where the MemTiles are over capacity, give up the map that is
needed latest. Where a single step is too large by itself, what passes through DDR anyway is cut into bands, and if that
is not enough, the largest map that it reads or writes goes through DDR as well. So in the end everything fits, or
nothing helps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from compiler.allocation.allocate import allocate
from compiler.allocation.bound import Section, lower_bound
from compiler.allocation.problem import Problem, Solution
from compiler.costs.feed import loaded
from compiler.errors import CapacityError
from compiler.scheduling.chains import band_rows
from compiler.scheduling.drafts import Choice, Draft, Drafts
from compiler.scheduling.names import band_name, fill_name, inner_name, map_name, without_band
from compiler.scheduling.network import ArrayStep, inputs_of, outputs_of
from compiler.scheduling.stripes import Stripes, tallest
from compiler.scheduling.ways import BandCycles, Way, candidates, cycles_of
from compiler.tiling.launch import Launch
from compiler.tiling.limits import own_ring_descriptors, spare_descriptors


class Apart(Exception):
    """The concatenation into map `number` has to stay a step of its own."""

    def __init__(self, number: int):
        super().__init__(f"map {number}")
        self.number = number


@dataclass(frozen=True)
class Traffic:
    """What a step moves between DDR and the MemTiles."""

    filled: tuple[int, ...]
    """Maps that it reads from there."""
    spilled: bool
    """Whether its result goes there."""
    passes: bool
    """Whether its result need not be whole in the MemTiles."""


@dataclass(frozen=True)
class Residency:
    """Finds a draft that fits."""

    drafts: Drafts
    cycles: Callable[[Launch], int]
    """Of a launch by itself."""
    known: dict[tuple[ArrayStep, Stripes], int] = field(default_factory=dict[tuple[ArrayStep, Stripes], int])
    """Cycles of bands that were asked for."""

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
        A chain is there to be split, so that comes first.

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
        if isinstance(step, ArrayStep) and step.before and self._take_way(index, choice, draft, section):
            return
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
        if self._take_way(index, choice, draft, section):
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

    def _take_way(self, index: int, choice: Choice, draft: Draft, section: Section) -> bool:
        """Let a step run in the best way that was not tried, if there is one."""
        way = self._best_way(index, choice, draft, section)
        if way is not None:
            choice.tried.setdefault(index, set()).add(way)
            choice.ways[index] = way
        return way is not None

    def _best_way(self, index: int, choice: Choice, draft: Draft, section: Section) -> Way | None:
        """Of the ways to run a step in bands that fit beside what else is there, the one that takes the least time."""
        step = self.drafts.network.steps[index]
        if not isinstance(step, ArrayStep) or index in choice.by_channels:
            return None
        traffic = self.traffic(index, draft)
        if not traffic.filled and not traffic.passes and not step.before:
            return None
        fills = (fill_name(index, number, 0) for number in traffic.filled)
        inner = (inner_name(index, number, 0) for number in step.inner)
        own = {without_band(name) for name in (*fills, *inner, band_name(index, 0))}
        if traffic.passes:
            own.add(map_name(step.output))
        others = [buffer for buffer in section.buffers if without_band(buffer.name) not in own]
        room = draft.problem.capacity - sum(buffer.size for buffer in others)
        tried = choice.tried.get(index, set())
        ways = [way for way in self.ways(step, traffic, room) if way not in tried]

        def cycles(way: Way) -> int:
            bands = self.drafts.band_stripes(step, way.bands)
            return self.way_cycles(step, bands, way.overlaps, traffic, partial(self.computing, step))

        return min(ways, key=cycles, default=None)

    def traffic(self, index: int, draft: Draft) -> Traffic:
        """What a step moves between DDR and the MemTiles."""
        step = self.drafts.network.steps[index]
        filled = tuple(number for number in inputs_of(step) if (index, number) in draft.filled)
        spilled = not draft.in_ddr.isdisjoint(outputs_of(step))
        return Traffic(filled, spilled, self.drafts.passes(step, draft.stays))

    def ways(self, step: ArrayStep, traffic: Traffic, room: int) -> list[Way]:
        """Ways to run a step in bands that fit into `room` bytes."""

        def fits(way: Way) -> bool:
            stripes = self.drafts.band_stripes(step, way.bands)
            buffers = self.drafts.passing(0, step, stripes, way.overlaps, 0, traffic.filled, traffic.passes)
            return lower_bound(Problem(tuple(buffers), room)).live_bytes <= room

        return candidates(tallest(self.drafts.stripes(step.output)), fits)

    def computing(self, step: ArrayStep, stripes: Stripes) -> int:
        """Cycles of the launches of a band."""
        if (step, stripes) not in self.known:
            launches = self.drafts.planned(step, stripes)
            self.known[step, stripes] = sum(self.cycles(launch) for _, launch in launches)
        return self.known[step, stripes]

    def way_cycles(
        self,
        step: ArrayStep,
        bands: Sequence[Stripes],
        overlaps: bool,
        traffic: Traffic,
        computing: Callable[[Stripes], int],
    ) -> int:
        """Cycles of a step that runs in bands; `computing` says how many the launches of a band take."""
        maps, columns = self.drafts.network.maps, self.drafts.chip.columns
        # one that sees no border stands for all: to plan each of them takes long
        typical = bands[len(bands) // 2]
        compute = computing(typical)
        times: list[BandCycles] = []
        for stripes in bands:
            needed = band_rows(step, stripes)
            fill = sum(maps[number].row_words * tallest(needed[number]) for number in traffic.filled)
            spill = maps[step.output].row_words * tallest(stripes) if traffic.spilled else 0
            fill, spill = (loaded(self.drafts.chip, words, columns) for words in (fill, spill))
            times.append(BandCycles(fill, spill, compute * tallest(stripes) // tallest(typical)))
        return cycles_of(times, overlaps)

    def step_cycles(self, index: int, choice: Choice, draft: Draft) -> int:
        """Cycles of a step as a choice has it run; 0 of one on the host."""
        step, manner = self.drafts.network.steps[index], self.drafts.manner(index, choice)
        if not isinstance(step, ArrayStep):
            return 0
        bands, overlaps = self.drafts.step_stripes(index, step, choice), choice.ways[index].overlaps

        def computing(stripes: Stripes) -> int:
            return manner.cycles if manner else self.computing(step, stripes)

        return self.way_cycles(step, bands, overlaps, self.traffic(index, draft), computing)
