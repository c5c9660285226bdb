"""
The specification of the memory planner: what must be true of every plan, checked slowly and without asking it.

The plan is run on memories whose words hold no values but the number of the map word that they stand for. A fill or a
launch that reads anything but the words it claims is a fault, whatever the reason: a buffer that another one overlaps,
a stripe that lacks a row, a step that comes too early. `placement_checker` has the rules about addresses alone,
`launch_checker` those about one core's stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from compiler.hardware.chip import Chip
from compiler.scheduling.additions_checker import additions_apart
from compiler.scheduling.chains import chains_apart
from compiler.scheduling.chains_checker import chain_faults
from compiler.scheduling.configurations_checker import configuration_faults
from compiler.scheduling.deep_checker import broadcast_faults, deep_faults, flat_input_faults
from compiler.scheduling.gathers import gathers_apart
from compiler.scheduling.in_place_checker import in_place_faults
from compiler.scheduling.launch_checker import (
    NOTHING,
    ZERO,
    Numbers,
    WordNumbers,
    added_numbers,
    arena_faults,
    input_faults,
    output_numbers,
    share_faults,
)
from compiler.scheduling.matmul_checker import matmul_input_faults
from compiler.scheduling.network import ArrayStep, HostStep, Network, outputs_of
from compiler.scheduling.placement_checker import placement_faults
from compiler.scheduling.plan import (
    HostSegment,
    MapBuffer,
    PlannedLaunch,
    ProgramPlan,
    Segment,
    Transfer,
)
from compiler.scheduling.stripes import source_column
from compiler.tiling.launch import CoreWork
from compiler.tiling.limits import launch_faults
from compiler.transfers.access import Chain, read_chains, write_chains
from compiler.transfers.window import PADDING, Window, window_faults


def plan_faults(network: Network, plan: ProgramPlan, chip: Chip) -> list[str]:
    """Everything that is wrong with a plan; empty if it is right."""
    apart = additions_apart(network, gathers_apart(network, chains_apart(plan.network)))
    faults = in_place_faults(network, apart) + placement_faults(plan.network, plan, chip)
    faults += [*chain_faults(plan.network), *configuration_faults(plan.network, chip)]
    if len(plan.segments) != len(plan.network.steps):
        return [*faults, f"{len(plan.segments)} segments for {len(plan.network.steps)} steps"]
    return faults + _Run(plan, chip).faults()


class _Run:
    """The plan, run on words that hold numbers of map words."""

    def __init__(self, plan: ProgramPlan, chip: Chip):
        self.network = network = plan.network
        self.last = {indices[-1] for indices in network.writers().values()}
        self.computed = [np.zeros((shape.height, shape.blocks, shape.width), np.int32) for shape in network.maps]
        """How many times each pixel of each channel block of a map is computed."""
        self.plan = plan
        self.chip = chip
        self.numbers = WordNumbers.of(network)
        # a plan that is out of range has been reported; here it must not stop the run
        height = max([plan.memtile_height, *(b.address + b.size for b in plan.buffers if b.stripes is not None)])
        ddr = max((b.address + b.size for b in plan.buffers if b.stripes is None), default=0)
        self.memtiles = [np.full(-(-height // 4), NOTHING, np.int64) for _ in range(chip.columns)]
        self.ddr = np.full(-(-ddr // 4), NOTHING, np.int64)
        launches = [p.launch for s in plan.segments if isinstance(s, Segment) for b in s.bands for p in b.launches]
        self.weight_slot = launches[0].arena.weight_slot if launches else 0
        self.time = 0
        self.previous = 0
        """The band in which the step before began."""
        self.where = ""
        self.found: list[str] = []

    def fault(self, text: str) -> None:
        """Note a fault of the step that is running."""
        self.found.append(f"{self.where}: {text}")

    def faults(self) -> list[str]:
        """Run everything."""
        produced = {number for step in chains_apart(self.network).steps for number in outputs_of(step)}
        for number, buffer in self.plan.ddr_maps.items():
            if number not in produced:
                self._write_ddr(buffer)
        begun = 0
        for index, (step, segment) in enumerate(zip(self.network.steps, self.plan.segments, strict=True)):
            self.where = f"step '{step.name}'"
            self.previous, begun = begun, self.time
            if index and self.network.reconfigured(index - 1, index):
                # nothing is brought ahead over it, either
                self.previous = self.time
                for memory in self.memtiles:
                    memory[:] = NOTHING
            if isinstance(segment, Segment) and isinstance(step, ArrayStep):
                self._segment(step, segment, whole=index in self.last)
            elif isinstance(segment, HostSegment) and isinstance(step, HostStep):
                self._host(step, segment)
            else:
                self.fault("the plan has another kind of segment")
        self.where = "the end"
        self.time -= 1  # outputs must live through the last band
        for number in self.network.outputs:
            self._expect_in_ddr(number)
        return self.found

    def _alive(self, buffer: MapBuffer) -> None:
        if buffer not in self.plan.buffers:
            self.fault(f"'{buffer.name}' is not among the plan's buffers")
        if not buffer.live[0] <= self.time < buffer.live[1] and self.time >= 0:
            self.fault(f"'{buffer.name}' is used in band {self.time}, it lives in {buffer.live}")

    # DDR

    def _write_ddr(self, buffer: MapBuffer) -> None:
        self._alive(buffer)
        words = self.numbers.rows(buffer.number, 0, buffer.shape.height)
        self.ddr[buffer.address // 4 : buffer.address // 4 + words.size] = words

    def _expect_in_ddr(self, number: int) -> None:
        buffer = self.plan.ddr_maps.get(number)
        if buffer is None:
            self.fault(f"map {number} has no place in DDR")
            return
        self._alive(buffer)
        words = self.numbers.rows(number, 0, buffer.shape.height)
        if not np.array_equal(self.ddr[buffer.address // 4 : buffer.address // 4 + words.size], words):
            self.fault(f"map {number} is not whole in DDR")

    def _host(self, step: HostStep, segment: HostSegment) -> None:
        if [b.number for b in segment.inputs] != [*step.inputs] or [b.number for b in segment.outputs] != [
            *step.outputs
        ]:
            self.fault("the host reads or writes other maps than the step")
        for number in step.inputs:
            self._expect_in_ddr(number)
        for buffer in segment.outputs:
            self._write_ddr(buffer)
        self.time += 1

    def _transfers(self, transfers: Sequence[Transfer]) -> None:
        """Rows between DDR and MemTiles; they run at the same time, so none may write what another one moves."""
        touched = [np.zeros(memory.size, np.bool_) for memory in (*self.memtiles, self.ddr)]
        for transfer in transfers:
            self._alive(transfer.ddr)
            self._alive(transfer.memtile)
            low, high = transfer.rows
            stripes = transfer.memtile.stripes
            what = f"rows {transfer.rows} of '{transfer.memtile.name}' in column {transfer.column}"
            if stripes is None or not stripes[transfer.column][0] <= low < high <= stripes[transfer.column][1]:
                self.fault(f"{what} are moved, but not in that stripe")
                continue
            pitch = transfer.memtile.shape.row_words
            there = transfer.ddr.address // 4 + low * pitch
            here = transfer.memtile.address // 4 + (low - stripes[transfer.column][0]) * pitch
            blocks = transfer.blocks or (0, transfer.memtile.shape.blocks)
            rows = np.arange((high - low) * pitch).reshape(high - low, transfer.memtile.shape.blocks, -1)
            moved = rows[:: transfer.row_step, slice(*blocks)].reshape(-1)
            words = self.numbers.rows(transfer.memtile.number, low, high)[moved]
            tile = self.memtiles[transfer.column]
            source, start = (tile, here) if transfer.to_ddr else (self.ddr, there)
            target, to = (self.ddr, there) if transfer.to_ddr else (tile, here)
            if transfer.ddr.number != transfer.memtile.number:
                self.fault(f"{what} are another map in DDR")
            if not np.array_equal(source[start + moved], words):
                self.fault(f"{what} are moved {'to' if transfer.to_ddr else 'from'} DDR, but do not lie there")
            target[to + moved] = words
            before = touched[-1 if transfer.to_ddr else transfer.column]
            if before[to + moved].any():
                self.fault(f"{what} are written by two transfers at once")
            before[to + moved] = True

    # Launches

    def _segment(self, step: ArrayStep, segment: Segment, whole: bool) -> None:
        """
        Run a step; if the map is `whole` then, every pixel of every channel block must have been computed once. Of the
        maps inside a chain nothing is left after the band in which it was made.
        """
        for number, band in enumerate(segment.bands):
            filled, spilled = segment.beside(number)
            self._transfers(segment.before(number))
            # what has no order is worst like this: memory is written early, and read late
            self._transfers(filled)
            for planned in band.launches:
                self._launch(step, planned)
            self._transfers(spilled)
            self._transfers(segment.after(number))
            for inner in {made for made in band.outputs if made.number in step.inner}:
                for memory in self.memtiles:
                    memory[inner.address // 4 : (inner.address + inner.size) // 4] = NOTHING
            self.time += 1
        if not whole:
            return
        computed = self.computed[step.output]
        for row, block, column in np.argwhere(computed != 1)[:4]:
            times = computed[row, block, column]
            self.fault(f"pixel ({row}, {column}) of channel block {block} is computed {times} times")
        self.time -= 1
        if step.output in self.plan.ddr_maps:
            self._expect_in_ddr(step.output)
        elif len({made for band in segment.bands for made in band.outputs if made.number == step.output}) > 1:
            self.fault("a map made in bands is nowhere whole")
        self.time += 1

    def _launch(self, step: ArrayStep, planned: PlannedLaunch) -> None:
        launch, made = planned.launch, planned.output.number
        own = [work for work in step.work if work.output == made and work.layer.same_as(launch.whole)]
        operands, computed = own[0].inputs if own else None, self.computed[made]
        if operands is None:
            self.fault("a launch computes no part of the step")
            return
        if planned.inputs and tuple(buffer.number for buffer in planned.inputs) != operands:
            self.fault(f"a launch reads maps {[b.number for b in planned.inputs]}, the layer reads {list(operands)}")
            return
        for buffer in (*planned.inputs, planned.output):
            self._alive(buffer)
        for fault in (*launch_faults(launch, self.chip), *arena_faults(launch), *self._weight_faults(planned)):
            self.fault(fault)
        places = [(work.column, work.row) for work in launch.cores]
        if len(set(places)) < len(places):
            self.fault(f"a core has two shares of one launch: {places}")
        beyond = share_faults(launch)
        if beyond:
            for fault in beyond:
                self.fault(fault)
            return
        reads = [self._core_reads(planned, work, operands) for work in launch.cores]
        writes = [self._core_writes(planned, work) for work in launch.cores]
        self._concurrency(planned, reads, writes)
        for work, where in zip(launch.cores, writes, strict=True):
            to = launch.layer.destination
            rows = [to.row_of(row) for row in range(*launch.map_rows(work))]
            blocks = slice(to.block + work.blocks[0], to.block + work.blocks[1])
            width = to.column_step * launch.on_map.output.width
            # every column gathers all of it, for itself
            computed[rows, blocks, to.column : to.column + width : to.column_step] += (
                not launch.gathers or work.column == 0
            )
            words = output_numbers(launch, work, made, self.numbers)
            if where.size != words.size:
                self.fault(f"core ({work.column}, {work.row}) sends {words.size} words, {where.size} have a place")
            else:
                self.memtiles[work.column][where] = words

    def _concurrency(self, planned: PlannedLaunch, reads: list[list[Numbers]], writes: list[Numbers]) -> None:
        """
        Cores run at the same time: none may write what another one touches, and over its own input only the map that
        is added, which comes before.
        """
        cores = planned.launch.cores
        owner = [np.full(memory.size, NOTHING, np.int64) for memory in self.memtiles]
        for index, (work, where) in enumerate(zip(cores, writes, strict=True)):
            if (owner[work.column][where] != NOTHING).any() or np.unique(where).size != where.size:
                self.fault(f"core ({work.column}, {work.row}) writes words that are written twice in one launch")
            owner[work.column][where] = index
        for index, (work, columns) in enumerate(zip(cores, reads, strict=True)):
            for column, words in enumerate(columns):
                owners = owner[column][words]
                if ((owners != NOTHING) & (owners != index)).any():
                    self.fault(f"core ({work.column}, {work.row}) reads what another core of the launch writes")
                mine = self.memtiles[column][words[owners == index]]
                operands = tuple(buffer.number for buffer in planned.inputs)
                if not np.isin(mine, added_numbers(planned.launch, work, operands, self.numbers)).all():
                    self.fault(f"core ({work.column}, {work.row}) writes over its own input")

    def _windows(self, work: CoreWork, chains: Sequence[Chain], reach: range) -> Iterator[tuple[int, Numbers]]:
        """Column and words of every run of every window that can be; the others are faults."""
        core = f"core ({work.column}, {work.row})"
        for chain in chains:
            possible: list[Window] = []
            for window in chain.windows:
                for fault in window_faults(window, self.chip):
                    self.fault(f"{core}: {fault}")
                if window.column not in reach or not 0 <= window.column < self.chip.columns:
                    self.fault(f"{core} reaches for MemTile {window.column}")
                elif window.offset < 0 or window.highest_word() >= self.memtiles[window.column].size:
                    self.fault(f"{core} reaches for words up to {window.highest_word()}")
                else:
                    possible.append(window)
            for run in range(chain.runs):
                for window in possible:
                    yield window.column, window.word_indices(run)

    def _core_reads(self, planned: PlannedLaunch, work: CoreWork, operands: tuple[int, ...]) -> list[Numbers]:
        """Check the input stream of a core; the words it reads in each MemTile."""
        parts: list[Numbers] = [np.zeros(0, np.int64)]
        touched: list[list[Numbers]] = [[np.zeros(0, np.int64)] for _ in self.memtiles]
        rows = range(work.input_rows[0], work.input_rows[1], planned.launch.fetch.row_step)
        if planned.launch.joined is not None:
            rows = range(*planned.launch.map_rows(work))
        column, reach = work.column, range(work.column - 1, work.column + 2)
        if planned.launch.deep:
            # a broadcast comes from one MemTile, and sees no other
            column = self.chip.source_column(work.column, work.row)
            layer, reach = planned.launch.on_map, range(column, column + 1)
            rows = range(*(work.input_rows if planned.launch.gathers else layer.input_rows((0, layer.output.height))))
        for buffer in planned.inputs:
            far = [row for row in rows if source_column(buffer.stripes or (), column, row) is None]
            if far:
                self.fault(f"core ({work.column}, {work.row}) has row {far[0]} of '{buffer.name}' out of reach")
                return [np.zeros(0, np.int64) for _ in self.memtiles]
        for column, words in self._windows(work, read_chains(planned.launch, work, planned.inputs, self.chip), reach):
            parts.append(np.where(words == PADDING, ZERO, self.memtiles[column][words]))
            touched[column].append(words[words != PADDING])
        launch, stream = planned.launch, np.concatenate(parts)
        if launch.layer.product is not None:
            faults = matmul_input_faults(launch, work, operands, stream, self.numbers)
        elif launch.flat is not None:
            faults = flat_input_faults(launch, launch.flat, operands[0], stream, self.numbers)
        else:
            faults = input_faults(launch, work, operands, stream, self.numbers)
        for fault in faults:
            self.fault(f"core ({work.column}, {work.row}): {fault}")
        return [np.unique(np.concatenate(words)) for words in touched]

    def _core_writes(self, planned: PlannedLaunch, work: CoreWork) -> Numbers:
        """Where the output stream of a core goes."""
        chains = write_chains(planned.launch, work, planned.output, self.chip)
        own = range(work.column, work.column + 1)
        parts = [words for _, words in self._windows(work, chains, own)]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def _weight_faults(self, planned: PlannedLaunch) -> Iterator[str]:
        """Weights without a way to the cores, or that the wrong cores would hear; weight slots that move."""
        launch = planned.launch
        for work in launch.cores:
            if not (0 <= work.column < self.chip.columns and 0 <= work.row < self.chip.core_rows):
                yield f"there is no core ({work.column}, {work.row})"
            elif launch.slices and work.blocks != launch.slices[launch.stream_of(self.chip, work.column, work.row)]:
                yield f"core ({work.column}, {work.row}) computes blocks {work.blocks} with the weights of others"
        if launch.arena.weight_slot != self.weight_slot:
            yield f"weight slots of {launch.arena.weight_slot} words, other launches have {self.weight_slot}"
        ring = planned.ring or self.plan.ring
        if launch.deep:
            yield from broadcast_faults(launch, self.chip)
        if not launch.layer.kernel.weighted:
            return
        if launch.rings is not None or planned.ring is not None:
            yield from deep_faults(planned, self.chip, self.previous)
        if ring is None:
            yield "weights without a ring"
        elif not ring.live[0] <= self.time < ring.live[1]:
            yield f"the ring is used in band {self.time}, it lives in {ring.live}"
        elif not 1 <= ring.pages <= (most := min(self.chip.most_turns, self.chip.lock_limit)):
            yield f"a ring of {ring.pages} pages, descriptors, locks and tasks count {most}"
