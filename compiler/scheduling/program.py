"""From a network to a program: residency, addresses, and each step as bands of fills, launches and spills."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from compiler.allocation.allocate import allocate
from compiler.allocation.problem import Buffer, Problem, Solution
from compiler.costs.planned import launch_cycles
from compiler.costs.program import program_cycles
from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.scheduling.additions import add_at_once
from compiler.scheduling.by_channels import ByChannels, Layout
from compiler.scheduling.chain_search import in_chains
from compiler.scheduling.chains import band_rows
from compiler.scheduling.configurations import in_configurations, torn_maps
from compiler.scheduling.deep import steps_apart
from compiler.scheduling.drafts import Choice, Draft, Drafts
from compiler.scheduling.gathers import with_gathers
from compiler.scheduling.in_place import concatenate_in_place
from compiler.scheduling.names import PARAMETERS, band_name, fill_name, inner_name, map_name, ring_name
from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of, outputs_of
from compiler.scheduling.plan import (
    Band,
    HostSegment,
    MapBuffer,
    PlannedLaunch,
    ProgramPlan,
    Ring,
    Segment,
    Transfer,
)
from compiler.scheduling.residency import Apart, Residency
from compiler.scheduling.ring import ring_bytes, widest_ring
from compiler.scheduling.stripes import Slices, Stripes, even_stripes
from compiler.scheduling.weight_room import with_room
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, Range
from compiler.tiling.matmul import plan_matmul
from compiler.tiling.pointwise import plan_pointwise

_WEIGHT_SHARES = ((1, 1), (1, 2), (1, 4), (1, 8), (1, 16), (1, 64), (2, 1))
"""Of the bytes that a chip sets aside for weights in every core: what is tried until all layers fit."""
DDR_BYTES = 4 << 30
"""DDR of the published system; descriptors address far more."""


def weight_shares(chip: Chip) -> Iterator[Chip]:
    """The chip with what its cores may set aside for weights, in the order in which a plan tries it."""
    for numerator, denominator in _WEIGHT_SHARES:
        yield replace(chip, core_weight_bytes=chip.core_weight_bytes * numerator // denominator)


def plan_layer(layer: Layer, convolutions: ConvPlanner, column_rows: Sequence[Range]) -> list[Launch]:
    """Launches of any layer."""
    if layer.kernel.convolves:
        return convolutions.plan(layer, column_rows)
    if layer.product is not None:
        return plan_matmul(layer, convolutions.chip, column_rows)
    return plan_pointwise(layer, convolutions.chip, column_rows)


def _cycles(layer: Layer, convolutions: ConvPlanner) -> int:
    """Cycles of all launches of a layer whose maps stay in the MemTiles."""
    chip = convolutions.chip
    program = program_cycles(chip, convolutions.kernels, layer.kernel)
    stripes = even_stripes((0, layer.output.height), chip.columns)
    if layer.kernel.convolves:
        return convolutions.planned(layer, stripes).cycles
    return sum(launch_cycles(launch, chip, program) for launch in plan_layer(layer, convolutions, stripes))


def _ddr_maps(network: Network, draft: Draft) -> dict[int, MapBuffer]:
    """A place in DDR for every map that passes through it; inputs live from the start, outputs to the end."""
    end = max((stop for _, stop in draft.times), default=1)
    lives: dict[int, list[int]] = {number: [0, 1] for number in draft.in_ddr}
    for (start, stop), step in zip(draft.times, network.steps, strict=True):
        for number in outputs_of(step):
            if number in lives:
                lives[number] = [start, max(stop, lives[number][1])]
        for number in inputs_of(step):
            if number in lives:
                lives[number][1] = max(stop, lives[number][1])
    for number in network.outputs:
        lives[number][1] = end
    buffers = [Buffer(map_name(n), low, high, network.maps[n].bytes) for n, (low, high) in sorted(lives.items())]
    solution = allocate(Problem(tuple(buffers), DDR_BYTES), "DDR")
    return {
        n: MapBuffer(
            f"ddr{n}", n, network.maps[n], None, solution.offsets[map_name(n)], network.maps[n].bytes, (low, high)
        )
        for n, (low, high) in sorted(lives.items())
    }


class _Program:
    """Builds segments; holds what they share. `names` has one for each map in the MemTiles."""

    def __init__(self, names: dict[int, str], drafts: Drafts, choice: Choice, draft: Draft, solution: Solution):
        self.names = names
        self.drafts = drafts
        self.network = drafts.network
        self.choice = choice
        self.draft = draft
        self.solution = solution
        self.lives = {buffer.name: buffer for buffer in draft.problem.buffers}
        self.ddr = _ddr_maps(drafts.network, draft)
        self.resident: dict[int, MapBuffer] = {}
        self.buffers: list[MapBuffer] = list(self.ddr.values())

    def _buffer(self, name: str, number: int, stripes: Stripes, place: str, slices: Slices | None = None) -> MapBuffer:
        """A MemTile buffer for map `number` at the address of the allocated buffer `place`."""
        life = self.lives[place]
        buffer = MapBuffer(
            name,
            number,
            self.network.maps[number],
            stripes,
            self.solution.offsets[place],
            life.size,
            (life.lower, life.upper),
            slices,
        )
        self.buffers.append(buffer)
        return buffer

    def _spills(
        self, memtile: MapBuffer, manner: ByChannels, launches: Sequence[PlannedLaunch]
    ) -> tuple[Transfer, ...]:
        """Spills of what every column has in full, or of the channel blocks that its own cores made."""
        if manner.writes is Layout.WHOLE:
            return self._transfers(memtile, self.drafts.stripes(memtile.number), to_ddr=True)
        rows = (0, memtile.shape.height)
        spills: list[Transfer] = []
        for planned in launches:
            for column in range(self.drafts.chip.columns):
                mine = [work.blocks for work in planned.launch.cores if work.column == column]
                if mine:
                    blocks = (min(first for first, _ in mine), max(last for _, last in mine))
                    spills.append(Transfer(self.ddr[memtile.number], memtile, column, rows, True, blocks))
        return tuple(spills)

    def _ring(self, index: int, launch: Launch) -> Ring | None:
        """Where the weights of a DEEP launch pass."""
        if launch.rings is None:
            return None
        place = self.lives[ring_name(index)]
        return Ring(
            self.solution.offsets[ring_name(index)],
            launch.rings.page_words,
            launch.rings.pages,
            (place.lower, place.upper),
            self.drafts.chip.core_rows,
            index in self.choice.ahead,
        )

    def _transfers(self, memtile: MapBuffer, stripes: Stripes, to_ddr: bool, row_step: int = 1) -> tuple[Transfer, ...]:
        """Copies of these rows of each column, of what blocks it holds, but for the rows that nobody looks at."""
        slices = memtile.slices or (None,) * len(stripes)
        return tuple(
            Transfer(self.ddr[memtile.number], memtile, column, rows, to_ddr, blocks, row_step)
            for column, (rows, blocks) in enumerate(zip(stripes, slices, strict=True))
            if rows[1] > rows[0] and (blocks is None or blocks[1] > blocks[0])
        )

    def _inner(self, index: int, step: ArrayStep, offset: int, needed: Mapping[int, Stripes]) -> dict[int, MapBuffer]:
        """Buffers for the rows of maps inside a chain."""
        places = {number: inner_name(index, number, offset) for number in step.inner}
        names = {member.output: member.name for member in step.before}
        return {
            number: self._buffer(f"{place}.{names[number]}", number, needed[number], place)
            for number, place in places.items()
            if place in self.lives
        }

    def _band(self, index: int, step: ArrayStep, offset: int, stripes: Stripes) -> Band:
        needed = band_rows(step, stripes)
        inputs: dict[int, MapBuffer] = self._inner(index, step, offset, needed)
        fills: list[Transfer] = []
        manner = self.drafts.manner(index, self.choice)
        made = self.drafts.step_launches(index, self.choice)[offset]
        row_step = min(launch.row_step for _, launch in made) if manner else 1
        for number in inputs_of(step):
            place = fill_name(index, number, offset)
            if (index, number) not in self.draft.filled:
                inputs[number] = self.resident[number]
            elif place in self.lives:
                slices = manner.slices if manner and manner.reads is Layout.SLICES else None
                inputs[number] = self._buffer(f"{place}.{step.name}", number, needed[number], place, slices)
                fills += self._transfers(inputs[number], needed[number], False, row_step)
        if index in self.draft.in_bands:
            place = band_name(index, offset)
            output = self._buffer(f"{place}.{step.name}", step.output, stripes, place)
        else:
            root = self.draft.shared.get(step.output, step.output)
            if step.output not in self.resident:
                name = self.names[step.output]
                place, held = map_name(root), self.drafts.held(step.output, self.choice)
                slices = manner.slices if manner and manner.writes is Layout.SLICES else None
                self.resident[step.output] = self._buffer(name, step.output, held, place, slices)
            output = self.resident[step.output]
        operands, buffers = step.work, {**inputs, step.output: output}
        launches = tuple(
            PlannedLaunch(
                launch,
                tuple(inputs[n] for n in operands[part].inputs if n in inputs),
                buffers[operands[part].output],
                self._ring(index, launch),
            )
            for part, launch in made
        )
        if manner is not None:
            spilled = step.output in self.draft.in_ddr
            return Band(tuple(fills), launches, self._spills(output, manner, launches) if spilled else ())
        whole = index == self.drafts.writers[step.output][-1]
        spills = self._transfers(output, stripes, to_ddr=True) if whole and step.output in self.draft.in_ddr else ()
        return Band(tuple(fills), launches, spills)

    def segment(self, index: int, step: Step) -> Segment | HostSegment:
        """One step, with its buffers."""
        if not isinstance(step, ArrayStep):
            return HostSegment(step, tuple(self.ddr[n] for n in step.inputs), tuple(self.ddr[n] for n in step.outputs))
        bands = self.drafts.step_stripes(index, step, self.choice)
        return Segment(
            step.title,
            tuple(self._band(index, step, offset, stripes) for offset, stripes in enumerate(bands)),
            self.choice.ways[index].overlaps,
        )


def _solve(
    network: Network,
    convolutions: ConvPlanner,
    apart: Mapping[int, ByChannels],
    gathered: Collection[int],
    reserved: int,
) -> tuple[Drafts, tuple[Choice, Draft, Solution]]:
    """
    A draft that fits beside `reserved` bytes, with as many concatenations in place as the MemTiles allow, and the maps
    that are `gathered` copied.
    """

    def plan(layer: Layer, column_rows: Sequence[Range]) -> list[Launch]:
        return plan_layer(layer, convolutions, column_rows)

    def cycles(launch: Launch) -> int:
        program = program_cycles(convolutions.chip, convolutions.kernels, launch.layer.kernel)
        return launch_cycles(launch, convolutions.chip, program)

    copied = set(gathered)
    while True:
        placed = in_configurations(concatenate_in_place(network, copied), convolutions.chip)
        if torn := torn_maps(placed):
            copied |= torn
            continue
        drafts = Drafts(placed, convolutions.chip, plan, reserved, apart)
        residency = Residency(drafts, cycles)
        try:
            found = residency.solve()
        except Apart as refusal:
            copied.add(refusal.number)
            continue
        return in_chains(residency, found)


def plan_program(network: Network, chip: Chip) -> ProgramPlan:
    """
    Plan a whole network. Raises CapacityError if a layer fits neither a core nor, row by row, the MemTiles.

    Cores set aside what the chip says for weights, or what all chunks need if that is less; where a layer does not fit
    beside that, less, or more.
    """
    refused: CapacityError | None = None
    for share in weight_shares(chip):
        try:
            return with_room(_plan(network, share), share, partial(_plan, network))
        except CapacityError as error:
            refused = refused or error
    assert refused is not None, "something was tried"
    raise refused


def _plan(network: Network, chip: Chip) -> ProgramPlan:
    steps = [step for step in network.steps if isinstance(step, ArrayStep)]
    kernels = frozenset[Kernel]().union(*(step.kernels for step in steps))
    weighted = any(kernel.weighted for kernel in kernels)
    if not weighted:
        chip = replace(chip, core_weight_bytes=0)
    convolutions = ConvPlanner(chip, kernels)

    def cycles(layer: Layer) -> int:
        return _cycles(layer, convolutions)

    apart, gathers = steps_apart(concatenate_in_place(network), convolutions, cycles)
    network, gathered = with_gathers(add_at_once(network, cycles, apart), gathers)
    names = {step.output: step.name for step in network.steps if isinstance(step, ArrayStep)}
    reserved = ring_bytes(chip) if weighted else 0
    drafts, found = _solve(network, convolutions, {**apart, **gathered}, gathered, reserved)
    program = _Program(names, drafts, *found)
    segments = tuple(program.segment(index, step) for index, step in enumerate(drafts.network.steps))
    ring = None
    if weighted:
        ring = widest_ring(chip, program.solution.height, max(stop for _, stop in program.draft.times))
    return ProgramPlan(
        drafts.network,
        tuple(program.buffers),
        program.solution.offsets.get(PARAMETERS, 0),
        ring,
        segments,
        program.ddr,
        program.solution.height if ring is None else ring.address + ring.size,
    )
