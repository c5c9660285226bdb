"""
What a wish about residency means: which maps lie where and when, and which MemTile buffers that takes.

A map that several steps write stays in the MemTiles until it is whole. A band is the same share of every column's rows,
so that what runs in bands may read a map that stays, and write one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from compiler.allocation.problem import Buffer, Problem
from compiler.hardware.chip import Chip
from compiler.scheduling.by_channels import ByChannels, stays
from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of, outputs_of
from compiler.scheduling.plan import parameter_bytes
from compiler.scheduling.stripes import Stripes, even_stripes, everywhere, needed_rows, reachable, tallest
from compiler.scheduling.ways import Way
from compiler.tiling.launch import Launch, Rings
from compiler.tiling.layer import Layer, Range, split_evenly

PARAMETERS = "parameters"
Planner = Callable[[Layer, Sequence[Range]], list[Launch]]


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


@dataclass
class Choice:
    """The current wish: which maps may stay, and in how many bands each step runs."""

    resident: set[int]
    ways: list[Way]
    """Of each step, in how many bands it runs."""
    by_channels: set[int]
    """Steps that do not divide their maps by rows."""
    ahead: set[int]
    """Of those, the ones whose weights may come while the step before runs."""
    tried: dict[int, set[Way]] = field(default_factory=dict[int, set[Way]])
    """Ways of steps that turned out not to fit, though by themselves they would."""


@dataclass(frozen=True)
class Draft:
    """What a choice means: who reads what from where, and when buffers live."""

    times: tuple[Range, ...]
    """Bands of each step, as an interval of time."""
    stays: frozenset[int]
    """Maps whose MemTile buffer is read by a later step."""
    in_bands: frozenset[int]
    """Steps whose result is nowhere whole in the MemTiles."""
    in_ddr: frozenset[int]
    filled: frozenset[tuple[int, int]]
    """(step, map) pairs that are read through DDR."""
    shared: dict[int, int]
    """Map -> the map whose buffer it takes over: an addition writes over one of its operands."""
    problem: Problem


@dataclass
class Drafts:
    """Draws up what choices mean for a network. `plan` maps (layer, rows per column) to launches."""

    network: Network
    chip: Chip
    plan: Planner
    reserved: int = 0
    """Bytes of each MemTile that are not for maps."""
    apart: Mapping[int, ByChannels] = field(default_factory=dict[int, ByChannels])
    """Steps that should not divide their maps by rows, by the map that each writes alone."""
    launches: dict[tuple[int, int], list[list[tuple[int, Launch]]]] = field(
        default_factory=dict[tuple[int, int], list[list[tuple[int, Launch]]]]
    )

    @cached_property
    def writers(self) -> dict[int, tuple[int, ...]]:
        """The steps that write each map."""
        return self.network.writers()

    @cached_property
    def by_channels(self) -> dict[int, ByChannels]:
        """Steps that should not divide their maps by rows."""
        return {writers[0]: self.apart[n] for n, writers in self.writers.items() if n in self.apart}

    def manner(self, index: int, choice: Choice) -> ByChannels | None:
        """How a step runs that does not divide its maps by rows; None if it does."""
        return self.by_channels[index] if index in choice.by_channels else None

    def own_rings(self, index: int, choice: Choice) -> list[Rings]:
        """The rings of a step's launches whose weights come to each core by itself."""
        manner = self.manner(index, choice)
        return [launch.rings for launch in manner.launches if launch.rings is not None] if manner else []

    def band_stripes(self, step: ArrayStep, bands: int) -> list[Stripes]:
        """Output rows per column of each band: as many in every column, while it has any."""
        stripes = self.stripes(step.output)
        return [
            tuple((min(first + low, last), min(first + high, last)) for first, last in stripes)
            for low, high in split_evenly(tallest(stripes), bands)
            if high > low
        ]

    def step_launches(self, index: int, choice: Choice) -> list[list[tuple[int, Launch]]]:
        """Per band of a choice, the launches with the index of their part."""
        manner = self.manner(index, choice)
        if manner is not None:
            return [[(0, launch) for launch in manner.launches]]
        return self.band_launches(index, choice.ways[index].bands)

    def step_stripes(self, index: int, step: ArrayStep, choice: Choice) -> list[Stripes]:
        """Output rows per column of each band of a choice."""
        if index in choice.by_channels:
            return [everywhere((0, self.network.maps[step.output].height), self.chip.columns)]
        return self.band_stripes(step, choice.ways[index].bands)

    def band_launches(self, index: int, bands: int) -> list[list[tuple[int, Launch]]]:
        """Per band, the launches with the index of their part; planned once per number of bands."""
        key = (index, bands)
        if key not in self.launches:
            step = self.network.steps[index]
            assert isinstance(step, ArrayStep), "only array steps have launches"
            self.launches[key] = [self.planned(step, stripes) for stripes in self.band_stripes(step, bands)]
        return self.launches[key]

    def planned(self, step: ArrayStep, stripes: Stripes) -> list[tuple[int, Launch]]:
        """Launches for these output rows, with the index of their part."""
        return [
            (part, launch)
            for part, (layer, _) in enumerate(step.parts)
            for launch in self.plan(layer, [layer.own_rows(rows) for rows in stripes])
        ]

    def stripes(self, number: int) -> Stripes:
        """Stripes of a resident map that is divided by rows."""
        return even_stripes((0, self.network.maps[number].height), self.chip.columns)

    def held(self, number: int, choice: Choice) -> Stripes:
        """Rows of a resident map in each column, of all channel blocks or some."""
        if choice.by_channels.isdisjoint(self.writers[number]):
            return self.stripes(number)
        return everywhere((0, self.network.maps[number].height), self.chip.columns)

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
                there = number in by_array and number in choice.resident
                if there and self._finds(producer[number], index, number, self.needed(step, number, band), choice):
                    last_read[number] = index
                else:
                    filled.add((index, number))
                    in_ddr.add(number)
        in_bands = {
            index
            for index, step in enumerate(steps)
            if choice.ways[index].bands > 1 and self.passes(step, last_read) and index not in choice.by_channels
        }
        scattered = {index for index in choice.by_channels if self.by_channels[index].scatters}
        for index in in_bands | scattered:
            in_ddr.update(outputs_of(steps[index]))
        shared = self._shared(choice, filled, last_read)
        problem = self._problem(choice, times, filled, in_bands, last_read, shared)
        staying, apart = frozenset(last_read), frozenset(in_bands)
        return Draft(tuple(times), staying, apart, frozenset(in_ddr), frozenset(filled), shared, problem)

    def _finds(self, maker: int, reader: int, number: int, needed: Stripes, choice: Choice) -> bool:
        """Whether a step finds a map in the MemTiles as it wants it, from the step that made it."""
        if self.network.reconfigured(maker, reader):
            return False
        wanted = self.manner(reader, choice)
        if not stays(self.manner(maker, choice), wanted):
            return False
        return wanted is not None or reachable(self.held(number, choice), needed)

    def passes(self, step: Step, stays: Collection[int]) -> bool:
        """Whether the result of a step need not be whole in the MemTiles."""
        return isinstance(step, ArrayStep) and step.output not in stays and len(self.writers[step.output]) == 1

    def _shared(self, choice: Choice, filled: set[tuple[int, int]], last_read: dict[int, int]) -> dict[int, int]:
        """
        Additions that may write over an operand: both operands resident, and this the operand's last reader. A
        convolution that adds may write over what it adds, never over its input.
        """
        shared: dict[int, int] = {}
        for index, step in enumerate(self.network.steps):
            banded = choice.ways[index].bands > 1
            if not isinstance(step, ArrayStep) or banded or index in choice.by_channels:
                continue
            (layer, inputs), *others = step.parts
            added = layer.added(inputs)
            whole = not others and len(self.writers[step.output]) == 1
            if not whole or any((index, number) in filled for number in added):
                continue
            for number in added:
                by_rows = choice.by_channels.isdisjoint(self.writers.get(number, ()))
                if by_rows and last_read.get(number) == index and inputs.count(number) == 1:
                    shared[step.output] = shared.get(number, number)
                    break
        return shared

    def _problem(
        self,
        choice: Choice,
        times: list[Range],
        filled: Collection[tuple[int, int]],
        in_bands: Collection[int],
        last_read: dict[int, int],
        shared: dict[int, int],
    ) -> Problem:
        """MemTile buffers. A map that takes over another's buffer lengthens that one's life."""
        maps = self.network.maps
        end = max((stop for _, stop in times), default=1)
        on_array = any(isinstance(step, ArrayStep) for step in self.network.steps)
        buffers = [Buffer(PARAMETERS, 0, end, parameter_bytes(self.chip))] if on_array else []
        lives: dict[int, Range] = {}
        for index, step in enumerate(self.network.steps):
            if not isinstance(step, ArrayStep):
                continue
            start, stop = times[index]
            size = max((rings.bytes(self.chip) for rings in self.own_rings(index, choice)), default=0)
            if size:
                first = times[index - 1][0] if index in choice.ahead else start
                buffers.append(Buffer(ring_name(index), first, stop, size))
            stripes, overlaps = self.step_stripes(index, step, choice), choice.ways[index].overlaps
            buffers += self.passing(index, stripes, overlaps, start, filled, in_bands)
            if index not in in_bands:
                root = shared.get(step.output, step.output)
                until = times[last_read[step.output]][1] if step.output in last_read else stop
                begin, before = lives.get(root, (start, stop))
                lives[root] = (begin, max(before, until))
        for number, (start, stop) in lives.items():
            size = 4 * maps[number].row_words * tallest(self.held(number, choice))
            buffers.append(Buffer(map_name(number), start, stop, size))
        return Problem(tuple(buffers), self.chip.memtile_bytes - self.reserved)

    def passing(
        self,
        index: int,
        bands: Sequence[Stripes],
        overlaps: bool,
        start: int,
        filled: Collection[tuple[int, int]],
        in_bands: Collection[int],
    ) -> Iterator[Buffer]:
        """What is filled for each band of a step, and what each band makes that does not stay."""
        maps, step = self.network.maps, self.network.steps[index]
        assert isinstance(step, ArrayStep), "only array steps have bands"
        for offset, band in enumerate(bands):
            time = start + offset
            for number in inputs_of(step):
                size = 4 * maps[number].row_words * tallest(self.needed(step, number, band))
                if (index, number) in filled and size:
                    yield Buffer(fill_name(index, number, offset), time - (overlaps and offset > 0), time + 1, size)
            if index in in_bands:
                size = 4 * maps[step.output].row_words * tallest(band)
                until = time + 1 + (overlaps and offset + 1 < len(bands))
                yield Buffer(band_name(index, offset), time, until, size)
