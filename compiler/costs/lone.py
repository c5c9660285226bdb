"""
The recurrence of one core of a launch, as if no other core were there: a floor that is seldom far below the time.

All terms of the recurrence (`compiler.costs.launch`) are maxima and sums, and other cores only add to the maxima: a
broadcast waits for a free slot in every core that hears it, a channel that loads pages for several cores shares DDR. A
core without the others is never later than among them, and the busiest core alone is nearly as late as the launch. Its
time is a few sums of plain numbers where the whole recurrence moves vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.costs.calls import calls_of
from compiler.costs.feed import moved
from compiler.costs.lone_weights import LoneWeights, ring_of
from compiler.costs.planned import LONG_AGO, stream_entries
from compiler.costs.program import ProgramCycles
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_WORDS, Parameter
from compiler.tiling.core_parameters import common_parameters, own_parameters
from compiler.tiling.launch import CoreWork, Launch

P = Parameter


class _Core:
    """The core's time, and its rings of rows."""

    def __init__(self, launch: Launch, work: CoreWork, chip: Chip, program: ProgramCycles, slots: int):
        arena, self.chip, self.lock = launch.arena, chip, program.lock
        hops, far = work.row + 2, 0
        if launch.deep:
            far = abs(work.column - chip.source_column(work.column, work.row))
        self.to_core = chip.hop_cycles * hops
        self.from_memtile = self.to_core + chip.hop_cycles * far
        self.setup, self.seen = chip.descriptor_cycles, chip.lock_cycles
        self.parameters_sent = max(0, self.seen - self.to_core) + int(moved(chip, PARAMETER_WORDS))
        self.input_end = 0 if launch.deep else self.parameters_sent
        self.time = self.parameters_sent + self.to_core + self.seen + program.begin
        self.input_free = self._mint(slots)
        self.output_free = self._mint(arena.output_slots)
        self.output_end = -chip.descriptor_cycles
        self.taken, self.given, self.sent, self.row_cycles = 0, 0, 0, 0

    def _mint(self, slots: int) -> list[int]:
        """When each slot of a ring is free."""
        free = [self.time + self.lock * number + self.seen for number in range(1, slots + 1)]
        self.time += self.lock * slots
        return free

    def take_rows(self, count: int) -> None:
        """Rows come as slots are free."""
        slots = len(self.input_free)
        for _ in range(count):
            free = self.input_free[self.taken % slots] - self.from_memtile
            self.input_end = max(self.input_end + self.setup, free) + self.row_cycles
            self.taken += 1
            self.time = max(self.time + self.lock, self.input_end + self.from_memtile + self.seen)

    def give_rows(self, count: int) -> None:
        """Slots are free again."""
        slots = len(self.input_free)
        for _ in range(count):
            self.time += self.lock
            self.input_free[self.given % slots] = self.time + self.seen
            self.given += 1

    def drain(self) -> None:
        """All outputs leave."""
        slots = len(self.output_free)
        self.time = max(self.time + self.lock * slots, *self.output_free) + self.lock * slots
        self.output_free = [self.time + self.seen] * slots

    def take_outputs(self, count: int) -> None:
        """Space for so many rows."""
        slots = len(self.output_free)
        for number in range(self.sent, self.sent + count):
            self.time = max(self.time + self.lock, self.output_free[number % slots])

    def send(self, cycles: int) -> None:
        """A row leaves."""
        self.output_end = max(self.output_end + self.setup, self.time + self.seen) + cycles
        self.output_free[self.sent % len(self.output_free)] = self.output_end + self.seen
        self.sent += 1


@dataclass(frozen=True)
class _Step:
    """A kernel call of every pass."""

    rows: int
    need: int
    """Rows of the stream until it can begin."""
    done: int
    """Rows that no call looks at after it."""
    on_map: int
    """Taps that lie on the map, over its rows."""
    table: int
    """Entries of its row table."""


def _steps(launch: Launch, work: CoreWork) -> list[_Step]:
    common, own = common_parameters(launch), own_parameters(launch, work)
    stride, stream = common[P.ROW_STRIDE], own[P.STREAM_ROWS]
    taps = [common[P.ROW_STEP] * tap for tap in range(common[P.TAPS])]
    steps: list[_Step] = []
    for first in range(0, work.rows, launch.rows_together):
        rows = min(launch.rows_together, work.rows - first)
        top = own[P.ROW_ORIGIN] + stride * first
        following = top + rows * stride
        need = min(following - stride + common[P.WINDOW], stream)
        on_map = sum(0 <= top + stride * row + tap < stream for row in range(rows) for tap in taps)
        steps.append(_Step(rows, need, min(following, need), on_map, len(taps) + (rows - 1) * stride))
    return steps


def busiest(launch: Launch) -> CoreWork:
    """The core that computes with most blocks of weights; of equal ones one that receives most rows."""
    present = {blocks: int(launch.layer.gamma[slice(*blocks)].sum()) for blocks in launch.slices}
    return max(launch.cores, key=lambda work: (work.rows * present[work.blocks], launch.stream_rows(work), work.rows))


def lone_cycles(launch: Launch, work: CoreWork, chip: Chip, program: ProgramCycles) -> int:
    """Cycles that a convolution's launch takes at least, because one of its cores computes `work`."""
    calls = calls_of(chip, launch.layer.kernel, common_parameters(launch))
    stream_rows, inputs = launch.stream_rows(work), launch.input_chunks
    kept = launch.stays and not launch.skips_alone
    slots = max(1, inputs * stream_rows) if launch.stays else launch.arena.input_slots
    core = _Core(launch, work, chip, program, slots)
    pushed = (core.parameters_sent if launch.rings else -LONG_AGO) + chip.descriptor_cycles
    weights = LoneWeights(launch, work, chip, ring_of(launch, work, chip), pushed)
    steps = _steps(launch, work)
    entries = stream_entries(launch, work.blocks) * launch.layer.kernel_size[1]
    chunks = len(entries)
    last_blocks = work.block_count - (chunks - 1) * launch.output_chunk
    row_words = launch.stream_row_words if stream_rows else 0
    around = program.call + program.after
    for chunk in range(chunks):
        final = chunk == chunks - 1
        blocks = last_blocks if final else min(launch.output_chunk, work.block_count)
        leaving = int(moved(chip, blocks * launch.sent_width * 2))
        core.row_cycles = int(moved(chip, row_words)) + core.setup * (launch.row_descriptors - 1)
        if launch.skips_alone and chunk:
            core.row_cycles = int(moved(chip, launch.skip_words if stream_rows else 0))
        core.time += program.chunk + program.drained
        if final and last_blocks != launch.output_chunk:
            core.drain()
        for part, count in enumerate(entries[chunk].tolist()):
            first, writes = part == 0, part == inputs - 1
            core.time += program.each_pass + 1
            core.time = max(core.time, weights.arrive())
            have = stream_rows if kept and chunk else 0
            freed = stream_rows if kept and not final else 0
            for number, step in enumerate(steps):
                core.time += program.row
                need = max(step.need, have)
                core.take_rows(need - have)
                core.time += step.table * program.tap + program.output
                if writes:
                    core.take_outputs(step.rows)
                call = calls.of(blocks, step.rows, int(first), int(writes))
                core.time += around + call.fixed + (call.row + call.entry * count) * step.on_map
                if writes:
                    # the last row is given when all is done
                    for _ in range(step.rows - (final and number == len(steps) - 1)):
                        core.time += core.lock
                        core.send(leaving)
                done = max(min(step.done, need), freed)
                core.time += program.rows_end
                core.give_rows(done - freed)
                have, freed = need, done
            core.time += program.rest
            core.take_rows(stream_rows - have)
            core.time += program.rest
            core.give_rows(stream_rows - freed)
            core.time += program.weights_end + 1
            weights.give(core.time + core.seen)
    core.time += program.end + core.lock * slots + 1
    core.send(int(moved(chip, last_blocks * launch.sent_width * 2)))
    return core.output_end + core.to_core
