"""
The time of one launch as a recurrence over its passes and rows, for all cores at once.

A core's row can begin when its input rows have come, and they come one after the other, as fast as the stream is and
as slots become free; its result needs an output slot, which is free when an earlier row has left. Weights come chunk
after chunk from DDR into the MemTile's ring and from there, as fast as the slowest listener takes them, to the cores.

    arrival(i)  = max(arrival(i-1) + set-up, slot free) + words
    chunk(k)    = max(chunk(k-1) + set-up, loaded(k), slot free in every listener) + words
    begin(y)    = max(end(y-1), arrival(last row y needs), chunk(of y), output slot free)

Nothing is searched and no events are queued: every term is a maximum of terms before it. The recurrence runs for
several timelines at once (axis 0): one in which the controller takes no time, and others in which it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.costs.facts import CallCycles, LaunchFacts, Numbers
from compiler.costs.program import ProgramCycles
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_WORDS, Kernel
from compiler.kernels.semantics import Call

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Starts:
    """When the controller starts the transfers of a launch, [timeline][column]; all others are started before."""

    parameters: Numbers
    weights: Numbers


@dataclass(frozen=True, eq=False)
class LaunchTimes:
    """[timeline][core]: when a core's last output has arrived, and cycles waited since the start of the launch."""

    done: Numbers
    began: Numbers
    """When a core had its parameters."""
    input: Numbers
    weights: Numbers
    output: Numbers
    finished: Numbers
    """When a core's program was done with the launch."""


def moved(chip: Chip, words: Numbers | int) -> Numbers | int:
    """Cycles in which a stream moves `words`."""
    return -(-4 * words // chip.stream_bytes_per_cycle)


def loaded(chip: Chip, words: int, columns: int) -> int:
    """Cycles in which each of `columns` shims moves `words` on one channel: DDR may be slower than the stream."""
    cycles = -(-4 * words // min(chip.stream_bytes_per_cycle, chip.ddr_bytes_per_cycle))
    if not chip.ddr_total_bytes_per_cycle:
        return cycles
    return max(cycles, -(-4 * words * columns // chip.ddr_total_bytes_per_cycle))


class _Cores:
    """The state of all cores of a launch while the recurrence runs. All times are [timeline][core]."""

    def __init__(self, facts: LaunchFacts, chip: Chip, program: ProgramCycles, starts: Starts):
        self.facts, self.chip, self.program = facts, chip, program
        self.to_shim = 2 * chip.hop_cycles
        self.to_core = chip.hop_cycles * (facts.row + 2)
        self.setup, self.seen = chip.descriptor_cycles, chip.lock_cycles
        column = facts.column
        block = loaded(chip, PARAMETER_WORDS * chip.core_rows, chip.columns)
        self.parameters_loaded = starts.parameters + self.setup + block
        sent = (self.parameters_loaded + self.to_shim + self.seen)[:, column] + int(moved(chip, PARAMETER_WORDS))
        self.input_end = sent
        self.began = sent + self.to_core + self.seen
        self.time = self.began + program.begin
        slots = [facts.parameters[name] for name in ("input_slots", "weight_slots", "output_slots")]
        self.input_free, self.weights_free, self.output_free = (self._mint(count) for count in slots)
        self.taken, self.given = np.zeros(len(column), np.int64), np.zeros(len(column), np.int64)
        self.sent = np.zeros(len(column), np.int64)
        self.output_end = np.zeros_like(self.time)
        self.waited = {name: np.zeros_like(self.time) for name in ("input", "weights", "output")}
        self.everyone = np.ones(len(column), np.bool_)
        self.cores = np.arange(len(column))

    def _mint(self, slots: int) -> Numbers:
        """A ring of empty slots: when each can be filled, [slot][timeline][core]."""
        steps = self.program.lock * np.arange(1, max(slots, 1) + 1)
        free = self.time[None] + steps[:, None, None] + self.seen
        self.time = self.time + self.program.lock * slots
        return free

    def spend(self, active: Flags | npt.NDArray[np.int64], cycles: Numbers | int) -> None:
        """Time passes in the active cores."""
        self.time = self.time + active * cycles

    def wait(self, what: str, active: Flags, until: Numbers) -> None:
        """Active cores go on when both they and what they wait for are ready."""
        late = np.where(active, np.maximum(until - self.time, 0), 0)
        self.waited[what] += late
        self.time = self.time + late

    def take_rows(self, counts: Numbers) -> None:
        """Each core takes `counts` rows of its stream, which the DMA brings as slots become free."""
        slots = len(self.input_free)
        duration = moved(self.chip, self.facts.input_words)
        for number in range(int(counts.max(initial=0))):
            active = number < counts
            free = self.input_free[self.taken % slots, :, self.cores].T
            end = np.maximum(self.input_end + self.setup, free - self.to_core) + duration
            self.input_end = np.where(active, end, self.input_end)
            self.taken = self.taken + active
            self.spend(active, self.program.lock)
            self.wait("input", active, end + self.to_core + self.seen)

    def give_rows(self, counts: Numbers) -> None:
        """Each core gives `counts` slots back."""
        slots = len(self.input_free)
        for number in range(int(counts.max(initial=0))):
            active = number < counts
            self.spend(active, self.program.lock)
            which = self.given[active] % slots
            self.input_free[which, :, self.cores[active]] = (self.time[:, active] + self.seen).T
            self.given = self.given + active

    def drain(self, active: Flags) -> None:
        """A smaller last chunk begins when all earlier outputs have left."""
        slots = len(self.output_free)
        self.spend(active, self.program.lock * slots)
        self.wait("output", active, self.output_free.max(axis=0))
        self.spend(active, self.program.lock * slots)
        self.output_free = np.where(active, self.time + self.seen, self.output_free)

    def take_output(self, active: Flags) -> None:
        """Each active core takes space for a row."""
        slot = self.sent % len(self.output_free)
        self.wait("output", active, self.output_free[slot, :, self.cores].T)

    def send(self, active: Flags, last: Flags) -> None:
        """An output row is released and leaves; its slot is free when it has left."""
        words = np.where(last, self.facts.last_words, self.facts.output_words)
        begin = np.maximum(self.output_end + self.setup, self.time + self.seen)
        self.output_end = np.where(active, begin + moved(self.chip, words), self.output_end)
        slot = self.sent[active] % len(self.output_free)
        self.output_free[slot, :, self.cores[active]] = (self.output_end[:, active] + self.seen).T
        self.sent = self.sent + active


class _Weights:
    """Chunks on their way: DDR, the ring of every MemTile, and the broadcast to its listeners."""

    def __init__(self, cores: _Cores, starts: Starts):
        facts, chip = cores.facts, cores.chip
        self.cores = cores
        source = np.array([chip.source_column(int(c), int(r)) for c, r in zip(facts.column, facts.row, strict=True)])
        self.columns, self.group = np.unique(source, return_inverse=True)
        self.order = np.argsort(self.group, kind="stable")
        self.first = np.searchsorted(self.group[self.order], np.arange(len(self.columns)))
        self.to_core = chip.hop_cycles * (np.abs(facts.column - source) + facts.row + 2)
        pushed = starts.weights[:, self.columns] + cores.setup
        self.load_end = np.maximum(cores.parameters_loaded[:, self.columns], pushed - cores.setup)
        self.send_end = pushed - cores.setup
        self.ring_free = np.repeat(pushed[None], facts.ring_slots, axis=0)
        chunks = np.array([stream.chunks for stream in facts.streams], np.int64)
        # a stream may be empty, when there are fewer output blocks than streams
        loading = int((chunks[facts.stream[self.order[self.first]]] > 0).sum())
        self.load, self.send = loaded(chip, facts.chunk_words, loading), int(moved(chip, facts.chunk_words))

    def arrive(self, number: int) -> Numbers:
        """When chunk `number` can be used, in every core."""
        cores = self.cores
        slot = number % len(self.ring_free)
        begin = np.maximum(self.load_end + cores.setup, self.ring_free[slot] - cores.to_shim)
        self.load_end = begin + self.load
        space = cores.weights_free[number % len(cores.weights_free)] - self.to_core
        slowest = np.maximum.reduceat(space[:, self.order], self.first, axis=1)
        ready = np.maximum(self.send_end + cores.setup, self.load_end + cores.to_shim + cores.seen)
        self.send_end = np.maximum(ready, slowest) + self.send
        self.ring_free[slot] = self.send_end + cores.seen
        return self.send_end[:, self.group] + self.to_core + cores.seen


class _Kernels:
    """Cycles of every kernel call of a launch."""

    def __init__(self, facts: LaunchFacts, chip: Chip):
        self.facts, self.chip = facts, chip
        self.known: dict[tuple[int, int, int], CallCycles] = {}
        common = facts.parameters
        tops = facts.origin[:, None] + common["row_stride"] * np.arange(int(facts.rows.max()))[None, :]
        taps = tops[:, :, None] + common["row_step"] * np.arange(common["taps"])[None, None, :]
        self.on_map = ((taps >= 0) & (taps < facts.stream_rows[:, None, None])).astype(np.int64)
        self.taps_on_map = self.on_map.sum(axis=2)
        self.tops = tops

    def _calls(self, blocks: int, first: int, last: int) -> CallCycles:
        key = (blocks, first, last)
        if key not in self.known:
            call = Call(0, 0, 0, blocks, first, last, 0)
            self.known[key] = CallCycles.of(self.chip, self.facts.kernel, self.facts.parameters, call)
        return self.known[key]

    def cycles(self, number: int, last_chunk: Flags) -> Numbers:
        """[core][row] of pass `number`."""
        facts = self.facts
        part = number % facts.input_chunks
        first, last = int(part == 0), int(part == facts.input_chunks - 1)
        blocks = np.where(last_chunk, facts.last_blocks, facts.blocks)
        calls = [self._calls(int(count), first, last) for count in blocks]
        fixed, row, entry = (np.array([getattr(c, name) for c in calls]) for name in ("fixed", "row", "entry"))
        total = fixed[:, None] + row[:, None] * self.taps_on_map
        if facts.kernel is Kernel.CONV:
            # nobody hears a stream that is over
            silence = np.zeros(facts.parameters["taps"], np.int64)
            heard = [s.entries[number] if number < s.chunks else silence for s in facts.streams]
            entries = np.stack(heard)[facts.stream]
            total = total + entry[:, None] * (self.on_map @ entries[:, :, None])[:, :, 0]
        return total


def launch_times(facts: LaunchFacts, chip: Chip, program: ProgramCycles, starts: Starts) -> LaunchTimes:
    """Run the recurrence."""
    cores, kernels = _Cores(facts, chip, program, starts), _Kernels(facts, chip)
    weights = _Weights(cores, starts) if facts.streams else None
    inputs, passes = facts.input_chunks, facts.passes
    for number in range(int(passes.max())):
        active = number < passes
        chunk, part = divmod(number, inputs)
        last_chunk = np.equal(chunk, facts.output_chunks - 1)
        if part == 0:
            cores.spend(active, program.chunk + program.drained)
            smaller = active & last_chunk & (facts.last_blocks != facts.blocks)
            if smaller.any():
                cores.drain(smaller)
        cores.spend(active, program.each_pass)
        if weights is not None:
            cores.spend(active, 1)
            cores.wait("weights", active, weights.arrive(number))
        _pass(cores, kernels.tops, kernels.cycles(number, last_chunk), active, last_chunk, part == inputs - 1)
        cores.spend(active, program.weights_end)
        if weights is not None:
            cores.spend(active, 1)
            slot = number % len(cores.weights_free)
            cores.weights_free[slot] = np.where(active, cores.time + cores.seen, cores.weights_free[slot])
    everyone, slots = cores.everyone, facts.parameters
    cores.spend(facts.rows == 0, 1)
    cores.spend(everyone, program.end + program.lock * (slots["input_slots"] + slots["weight_slots"]) + 1)
    cores.send(everyone, everyone)
    cores.spend(everyone, program.lock * slots["output_slots"])
    cores.wait("output", everyone, cores.output_end + cores.seen)
    # the parameters are given back, and the next ones are asked for
    cores.spend(everyone, program.lock + 1)
    return LaunchTimes(
        cores.output_end + cores.to_core,
        cores.began,
        cores.waited["input"],
        cores.waited["weights"],
        cores.waited["output"],
        cores.time,
    )


def _pass(cores: _Cores, tops: Numbers, calls: Numbers, active: Flags, last_chunk: Flags, writes: bool) -> None:
    """One pass of the input stream over one chunk of weights."""
    facts, program = cores.facts, cores.program
    window, stride = facts.parameters["window"], facts.parameters["row_stride"]
    table = facts.parameters["taps"] * program.tap + program.output
    have, freed = np.zeros_like(facts.rows), np.zeros_like(facts.rows)
    for y in range(calls.shape[1]):
        working = active & (y < facts.rows)
        cores.spend(working, program.row)
        need = np.where(working, np.maximum(np.minimum(tops[:, y] + window, facts.stream_rows), have), have)
        cores.take_rows(need - have)
        cores.spend(working, table)
        if writes:
            cores.spend(working, 1)
            cores.take_output(working)
        cores.spend(working, program.call + calls[:, y] + program.after)
        if writes:
            more = working & ~(last_chunk & (y + 1 == facts.rows))
            cores.spend(more, 1)
            cores.send(more, last_chunk)
        done = np.where(working, np.maximum(np.minimum(tops[:, y] + stride, need), freed), freed)
        cores.spend(working, program.rows_end)
        cores.give_rows(done - freed)
        have, freed = need, done
    rest = np.where(active, facts.stream_rows, have)
    cores.spend(active, program.rest)
    cores.take_rows(np.maximum(rest - have, 0))
    cores.spend(active, program.rest)
    cores.give_rows(np.maximum(rest - freed, 0))
