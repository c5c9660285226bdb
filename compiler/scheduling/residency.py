"""
Which maps stay in the MemTiles, which go through DDR, and which layers run in bands.

Start from the wish that every map stays; allocate; where the MemTiles are over capacity, give up the map that is
needed latest, and where a single layer is too large by itself, halve its bands. Each round gives something up, so it
ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from compiler.allocation.allocate import allocate
from compiler.allocation.bound import lower_bound
from compiler.allocation.problem import Buffer, Problem, Solution
from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.scheduling.network import ArrayStep, Network, inputs_of, outputs_of
from compiler.scheduling.plan import parameter_bytes
from compiler.scheduling.stripes import Stripes, even_stripes, everywhere, needed_rows, reachable, tallest
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, Range, split_evenly
from compiler.tiling.limits import own_ring_descriptors, spare_descriptors

PARAMETERS = "parameters"
Planner = Callable[[Layer, Sequence[Range]], list[Launch]]


class Apart(Exception):
    """The concatenation into map `number` has to stay a step of its own."""

    def __init__(self, number: int):
        super().__init__(f"map {number}")
        self.number = number


@dataclass
class Choice:
    """The current wish: which maps may stay, and in how many bands each step runs."""

    resident: set[int]
    bands: list[int]
    deep: set[int]
    """Steps that run DEEP: their maps come from DDR and go there."""
    ahead: set[int]
    """DEEP steps whose weights may come while the step before runs."""


@dataclass(frozen=True)
class Draft:
    """What a choice means: who reads what from where, and when buffers live."""

    times: tuple[Range, ...]
    """Bands of each step, as an interval of time."""
    stays: frozenset[int]
    """Maps whose MemTile buffer is read by a later step."""
    in_ddr: frozenset[int]
    filled: frozenset[tuple[int, int]]
    """(step, map) pairs that are read through DDR."""
    shared: dict[int, int]
    """Map -> the map whose buffer it takes over: an addition writes over one of its operands."""
    problem: Problem


@dataclass
class Residency:
    """
    Finds a draft that fits. `plan` maps (layer, rows per column) to launches.

    A map that several steps write stays in the MemTiles until it is whole, and its writers run in one band.
    """

    network: Network
    chip: Chip
    plan: Planner
    reserved: int = 0
    """Bytes of each MemTile that are not for maps."""
    apart: Mapping[int, list[Launch]] = field(default_factory=dict[int, list[Launch]])
    """Launches of the steps that should run DEEP, by the map that each writes alone."""
    launches: dict[tuple[int, int], list[list[tuple[int, Launch]]]] = field(
        default_factory=dict[tuple[int, int], list[list[tuple[int, Launch]]]]
    )

    @cached_property
    def writers(self) -> dict[int, tuple[int, ...]]:
        """The steps that write each map."""
        return self.network.writers()

    @cached_property
    def deep(self) -> dict[int, list[Launch]]:
        """Launches of the steps that should run DEEP."""
        return {writers[0]: self.apart[n] for n, writers in self.writers.items() if n in self.apart}

    def band_stripes(self, step: ArrayStep, bands: int) -> list[Stripes]:
        """Output rows per column of each band."""
        height = self.network.maps[step.output].height
        return [even_stripes(rows, self.chip.columns) for rows in split_evenly(height, bands) if rows[1] > rows[0]]

    def step_launches(self, index: int, choice: Choice) -> list[list[tuple[int, Launch]]]:
        """Per band of a choice, the launches with the index of their part."""
        if index in choice.deep:
            return [[(0, launch) for launch in self.deep[index]]]
        return self.band_launches(index, choice.bands[index])

    def step_stripes(self, index: int, step: ArrayStep, choice: Choice) -> list[Stripes]:
        """Output rows per column of each band of a choice."""
        if index in choice.deep:
            return [everywhere((0, self.network.maps[step.output].height), self.chip.columns)]
        return self.band_stripes(step, choice.bands[index])

    def band_launches(self, index: int, bands: int) -> list[list[tuple[int, Launch]]]:
        """Per band, the launches with the index of their part; planned once per number of bands."""
        key = (index, bands)
        if key not in self.launches:
            step = self.network.steps[index]
            assert isinstance(step, ArrayStep), "only array steps have launches"
            self.launches[key] = [
                [
                    (part, launch)
                    for part, (layer, _) in enumerate(step.parts)
                    for launch in self.plan(layer, [layer.own_rows(rows) for rows in stripes])
                ]
                for stripes in self.band_stripes(step, bands)
            ]
        return self.launches[key]

    def stripes(self, number: int) -> Stripes:
        """Stripes of a resident map."""
        return even_stripes((0, self.network.maps[number].height), self.chip.columns)

    def needed(self, step: ArrayStep, number: int, band: Stripes) -> Stripes:
        """Rows of map `number` that each column needs for a band, over all parts that read it."""
        ranges = [needed_rows(layer, band) for layer, inputs in step.parts if number in inputs]
        merged: list[Range] = []
        for column in range(self.chip.columns):
            mine = [rows[column] for rows in ranges if rows[column][1] > rows[column][0]]
            merged.append((min(r[0] for r in mine), max(r[1] for r in mine)) if mine else (0, 0))
        return tuple(merged)

    def draft(self, choice: Choice) -> Draft:
        """Consequences of a choice."""
        steps, maps = self.network.steps, self.network.maps
        times: list[Range] = []
        start = 0
        for index, step in enumerate(steps):
            count = len(self.step_stripes(index, step, choice)) if isinstance(step, ArrayStep) else 1
            times.append((start, start + count))
            start += count
        producer = {number: index for index, step in enumerate(steps) for number in outputs_of(step)}
        by_array = {number for number, index in producer.items() if isinstance(steps[index], ArrayStep)}
        in_ddr = {number for number in range(len(maps)) if number not in by_array} | set(self.network.outputs)
        filled: set[tuple[int, int]] = set()
        last_read: dict[int, int] = {}
        for index, step in enumerate(steps):
            for number in inputs_of(step):
                if not isinstance(step, ArrayStep):
                    in_ddr.add(number)
                    continue
                band = even_stripes((0, maps[step.output].height), self.chip.columns)
                stays = number in by_array and number in choice.resident
                stays = stays and choice.bands[index] == choice.bands[producer[number]] == 1
                stays = stays and choice.deep.isdisjoint((index, producer[number]))
                if stays and reachable(self.stripes(number), self.needed(step, number, band)):
                    last_read[number] = index
                else:
                    filled.add((index, number))
                    in_ddr.add(number)
        for index, step in enumerate(steps):
            if choice.bands[index] > 1 or index in choice.deep:
                in_ddr.update(outputs_of(step))
        shared = self._shared(choice, filled, last_read)
        problem = self._problem(choice, times, filled, last_read, producer, shared)
        return Draft(tuple(times), frozenset(last_read), frozenset(in_ddr), frozenset(filled), shared, problem)

    def _shared(self, choice: Choice, filled: set[tuple[int, int]], last_read: dict[int, int]) -> dict[int, int]:
        """
        Additions that may write over an operand: both operands resident, and this the operand's last reader. A
        convolution that adds may write over what it adds, never over its input.
        """
        shared: dict[int, int] = {}
        for index, step in enumerate(self.network.steps):
            if not isinstance(step, ArrayStep) or choice.bands[index] > 1:
                continue
            (layer, inputs), *others = step.parts
            added = inputs if layer.kernel.pairs else inputs[1:]
            whole = not others and len(self.writers[step.output]) == 1
            if not whole or any((index, number) in filled for number in added):
                continue
            for number in added:
                if last_read.get(number) == index and inputs.count(number) == 1:
                    shared[step.output] = shared.get(number, number)
                    break
        return shared

    def _problem(
        self,
        choice: Choice,
        times: list[Range],
        filled: set[tuple[int, int]],
        last_read: dict[int, int],
        producer: dict[int, int],
        shared: dict[int, int],
    ) -> Problem:
        """MemTile buffers. A map that takes over another's buffer lengthens that one's life."""
        maps = self.network.maps
        end = max((stop for _, stop in times), default=1)
        buffers = [Buffer(PARAMETERS, 0, end, parameter_bytes(self.chip))]
        lives: dict[int, Range] = {}
        for index, step in enumerate(self.network.steps):
            if not isinstance(step, ArrayStep):
                continue
            start, stop = times[index]
            bands = self.step_stripes(index, step, choice)
            if index in choice.deep:
                size = max(launch.rings.bytes(self.chip) for launch in self.deep[index] if launch.rings)
                first = times[index - 1][0] if index in choice.ahead else start
                buffers.append(Buffer(ring_name(index), first, stop, size))
            for number in inputs_of(step):
                if (index, number) in filled:
                    for offset, band in enumerate(bands):
                        size = 4 * maps[number].row_words * tallest(self.needed(step, number, band))
                        if size:
                            time = start + offset
                            buffers.append(Buffer(fill_name(index, number, offset), time, time + 1, size))
            if len(bands) > 1 or index in choice.deep:
                for offset, band in enumerate(bands):
                    size = 4 * maps[step.output].row_words * tallest(band)
                    buffers.append(Buffer(band_name(index, offset), start + offset, start + offset + 1, size))
            else:
                root = shared.get(step.output, step.output)
                until = times[last_read[step.output]][1] if step.output in last_read else stop
                begin, before = lives.get(root, (start, stop))
                lives[root] = (begin, max(before, until))
        for number, (start, stop) in lives.items():
            size = 4 * maps[number].row_words * tallest(self.stripes(number))
            buffers.append(Buffer(map_name(number), start, stop, size))
        return Problem(tuple(buffers), self.chip.memtile_bytes - self.reserved)

    def _leaves_room(self, index: int) -> bool:
        """Whether descriptors for weights of the next step can wait while a step runs."""
        if not isinstance(self.network.steps[index], ArrayStep):
            return False
        launches = self.deep.get(index) or [launch for _, launch in self.band_launches(index, 1)[0]]
        return all(spare_descriptors(launch, self.chip) >= own_ring_descriptors(self.chip) for launch in launches)

    def solve(self) -> tuple[Choice, Draft, Solution]:
        """
        Give up residency and split into bands until the MemTiles hold everything.

        Raises Apart if that takes a concatenation of its own, and CapacityError if nothing helps.
        """
        steps = self.network.steps
        ahead = {index for index in self.deep if index and self._leaves_room(index - 1)}
        choice = Choice(set(range(len(self.network.maps))), [1] * len(steps), set(self.deep), ahead)
        while True:
            draft = self.draft(choice)
            try:
                return choice, draft, allocate(draft.problem, f"each MemTile of {self.chip.name}")
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
        step = self.network.steps[index]
        roots: dict[int, list[int]] = {}
        for number in draft.stays:
            roots.setdefault(draft.shared.get(number, number), []).append(number)
        here = set(inputs_of(step)) | set(outputs_of(step))
        growing = [
            number
            for number, steps in self.writers.items()
            if len(steps) > 1 and steps[0] <= index and (index < steps[-1] or number in outputs_of(step))
        ]
        by_name = {map_name(root): members for root, members in roots.items()}
        kept = here.union(growing)
        bystanders = [b for b in section.buffers if b.name in by_name and not kept & set(by_name[b.name])]
        if bystanders:
            largest = max(bystanders, key=lambda buffer: (buffer.size, buffer.upper))
            choice.resident -= set(by_name[largest.name])
            return
        if index in choice.deep:
            choice.deep.remove(index)
            choice.ahead.discard(index)
            return
        if growing:
            raise Apart(max(growing, key=lambda number: (self.network.maps[number].bytes, number)))
        height = self.network.maps[outputs_of(step)[0]].height
        if isinstance(step, ArrayStep) and choice.bands[index] < height:
            choice.bands[index] = min(2 * choice.bands[index], height)
            return
        raise CapacityError(f"layer '{step.name}' does not fit, not even one output row at a time: {error}") from error


def map_name(number: int) -> str:
    """Name of a resident map's buffer."""
    return f"map{number}"


def fill_name(step: int, number: int, band: int) -> str:
    """Name of a buffer filled from DDR for one band."""
    return f"fill{step}.{number}.{band}"


def ring_name(step: int) -> str:
    """Name of the rings of a DEEP step."""
    return f"rings{step}"


def band_name(step: int, band: int) -> str:
    """Name of the output buffer of one band."""
    return f"band{step}.{band}"
