"""
What a wish about residency means: which maps lie where and when, and which MemTile buffers that takes.

A map that several steps write stays in the MemTiles until it is whole. A band is the same share of every column's rows,
so that what runs in bands may read a map that stays, and write one. Of a map inside a chain there are rows of one band.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from compiler.allocation.problem import Buffer, Problem
from compiler.hardware.chip import Chip
from compiler.scheduling.by_channels import ByChannels, stays
from compiler.scheduling.chains import band_rows
from compiler.scheduling.names import PARAMETERS, band_name, fill_name, inner_name, map_name, ring_name
from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of, outputs_of
from compiler.scheduling.plan import parameter_bytes
from compiler.scheduling.stripes import Stripes, even_stripes, everywhere, reachable, tallest
from compiler.scheduling.ways import Way
from compiler.tiling.launch import Launch, Rings
from compiler.tiling.layer import Layer, Range, split_evenly

Planner = Callable[[Layer, Sequence[Range]], list[Launch]]


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
        """Launches for these output rows, with the index of their work; those of a chain that make rows, in order."""
        needed = band_rows(step, stripes)
        return [
            (part, launch)
            for part, work in enumerate(step.work)
            if tallest(needed[work.output])
            for launch in self.plan(work.layer, [work.layer.own_rows(rows) for rows in needed[work.output]])
        ]

    def stripes(self, number: int) -> Stripes:
        """Stripes of a resident map that is divided by rows."""
        return even_stripes((0, self.network.maps[number].height), self.chip.columns)

    def held(self, number: int, choice: Choice) -> Stripes:
        """Rows of a resident map in each column, of all channel blocks or some."""
        if choice.by_channels.isdisjoint(self.writers[number]):
            return self.stripes(number)
        return everywhere((0, self.network.maps[number].height), self.chip.columns)

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
        inner = {number for step in steps if isinstance(step, ArrayStep) for number in step.inner}
        in_ddr = {n for n in range(len(maps)) if n not in by_array | inner} | set(self.network.outputs)
        filled: set[tuple[int, int]] = set()
        last_read: dict[int, int] = {}
        for index, step in enumerate(steps):
            for number in inputs_of(step):
                if not isinstance(step, ArrayStep):
                    in_ddr.add(number)
                    continue
                needed = band_rows(step, self.stripes(step.output))[number]
                there = number in by_array and number in choice.resident
                if there and self._finds(producer[number], index, number, needed, choice):
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
            if not isinstance(step, ArrayStep) or step.before or banded or index in choice.by_channels:
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
            mine = [number for number in inputs_of(step) if (index, number) in filled]
            buffers += self.passing(index, step, stripes, overlaps, start, mine, index in in_bands)
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
        step: ArrayStep,
        bands: Sequence[Stripes],
        overlaps: bool,
        start: int,
        filled: Collection[int],
        passes: bool,
    ) -> Iterator[Buffer]:
        """
        What is filled for each band of a step, what is made inside a chain, and what each band makes if that `passes`
        and does not stay.
        """
        maps = self.network.maps
        for offset, band in enumerate(bands):
            time, needed = start + offset, band_rows(step, band)
            for number in (*inputs_of(step), *step.inner):
                size = 4 * maps[number].row_words * tallest(needed[number])
                if number in filled and size:
                    yield Buffer(fill_name(index, number, offset), time - (overlaps and offset > 0), time + 1, size)
                if number in step.inner and size:
                    yield Buffer(inner_name(index, number, offset), time, time + 1, size)
            if passes:
                size = 4 * maps[step.output].row_words * tallest(band)
                until = time + 1 + (overlaps and offset + 1 < len(bands))
                yield Buffer(band_name(index, offset), time, until, size)
