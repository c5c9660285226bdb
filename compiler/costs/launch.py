"""
The time of one launch as a recurrence over its passes and rows, for all cores at once.

A core's row can begin when its input rows have come, and they come one after the other, as fast as the stream is and
as slots become free; its result needs an output slot, which is free when an earlier row has left. Weights come as one
stream (`compiler.costs.feed`). Parameters and weights run ahead of the launch before; input begins when that has ended.

    arrival(i)  = max(arrival(i-1) + set-up, slot free) + words
    begin(y)    = max(end(y-1), arrival(last row y needs), chunk(of y), output slot free)

Nothing is searched and no events are queued: every term is a maximum of terms before it. The recurrence runs for
several timelines at once (axis 0): one in which the controller takes no time, and others in which it does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compiler.costs.facts import LaunchFacts, Numbers
from compiler.costs.feed import Feed, cores_of, moved
from compiler.costs.pass_calls import PassCalls
from compiler.costs.program import ProgramCycles
from compiler.costs.timelines import Array, LaunchTimes, Spent, Starts
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_WORDS

Flags = npt.NDArray[np.bool_]

WAITS = ("input", "weights", "output")


class _Cores:
    """The state of all cores of a launch while the recurrence runs. All times are [timeline][core]."""

    def __init__(
        self, facts: LaunchFacts, chip: Chip, program: ProgramCycles, starts: Starts, array: Array, since: Numbers
    ):
        self.facts, self.chip, self.program, self.array = facts, chip, program, array
        self.since = since
        self.to_core = chip.hop_cycles * (facts.row + 2)
        self.setup, self.seen = chip.descriptor_cycles, chip.lock_cycles
        _, _, source = cores_of(chip)
        far = np.abs(facts.column - source) if facts.deep else np.zeros_like(source)
        self.from_memtile = self.to_core + chip.hop_cycles * far
        self.group = np.unique(source, return_inverse=True)[1]
        self.order = np.argsort(self.group, kind="stable")
        self.first = np.searchsorted(self.group[self.order], np.arange(int(self.group.max()) + 1))
        self._parameters(starts)
        self.time = self.began + program.begin
        outputs = np.full_like(facts.input_slots, facts.parameters["output_slots"])
        self.input_free, self.output_free = (self._mint(counts) for counts in (facts.input_slots, outputs))
        self.taken, self.given = np.zeros(len(facts.column), np.int64), np.zeros(len(facts.column), np.int64)
        self.sent = np.zeros(len(facts.column), np.int64)
        self.output_end = array.output_end
        self.waited, self.ahead = ({name: np.zeros_like(self.time) for name in WAITS} for _ in range(2))
        self.everyone = np.ones(len(facts.column), np.bool_)
        self.cores = np.arange(len(facts.column))
        self.begin_chunk(0)

    def _parameters(self, starts: Starts) -> None:
        """From the MemTile to the core, behind the input of the launch before."""
        chip, array = self.chip, self.array
        pushed = starts.early + self.setup
        ready = np.maximum(np.maximum(starts.loaded, pushed), array.input_end + self.setup)
        accepted = array.given_back + self.seen - self.to_core
        self.parameters_sent = np.maximum(ready, accepted) + int(moved(chip, PARAMETER_WORDS))
        self.input_end = starts.late if self.facts.deep else np.maximum(self.parameters_sent, starts.late)
        self.began = self.parameters_sent + self.to_core + self.seen

    def _mint(self, slots: Numbers) -> Numbers:
        """Each core's ring of empty slots: when each can be filled, [slot][timeline][core]."""
        steps = self.program.lock * np.arange(1, max(int(slots.max()), 1) + 1)
        free = self.time[None] + steps[:, None, None] + self.seen
        self.time = self.time + self.program.lock * slots
        return free

    def spend(self, active: Flags | npt.NDArray[np.int64], cycles: Numbers | int) -> None:
        """Time passes in the active cores."""
        self.time = self.time + active * cycles

    def wait(self, what: str, active: Flags, until: Numbers) -> None:
        """Active cores go on when both they and what they wait for are ready."""
        late = np.where(active, np.maximum(until - self.time, 0), 0)
        here = np.minimum(late, np.maximum(self.time + late - self.since, 0))
        self.waited[what] += here
        self.ahead[what] += late - here
        self.time = self.time + late

    def spent(self) -> tuple[Spent, Spent]:
        """What was spent ahead of `since`, and after."""
        ahead = np.minimum(self.time, self.since) - np.minimum(self.began, self.since)
        after = self.time - self.began - ahead
        return Spent(ahead - sum(self.ahead.values()), **self.ahead), Spent(
            after - sum(self.waited.values()), **self.waited
        )

    def begin_chunk(self, number: int) -> None:
        """What one row of the stream brings to each core from now on."""
        if self.facts.skips_alone and number > 0:
            self.row_duration = moved(self.chip, self.facts.skip_words)
        else:
            descriptors = self.facts.input_descriptors
            self.row_duration = moved(self.chip, self.facts.input_words) + self.setup * (descriptors - 1)

    def take_rows(self, counts: Numbers) -> None:
        """Each core takes `counts` rows of its stream, which the DMA brings as slots become free."""
        slots = self.facts.input_slots
        for number in range(int(counts.max(initial=0))):
            active = number < counts
            free = self.input_free[self.taken % slots, :, self.cores].T - self.from_memtile
            end = np.maximum(self.input_end + self.setup, self._of_all_listeners(free)) + self.row_duration
            self.input_end = np.where(active, end, self.input_end)
            self.taken = self.taken + active
            self.spend(active, self.program.lock)
            self.wait("input", active, end + self.from_memtile + self.seen)

    def _of_all_listeners(self, free: Numbers) -> Numbers:
        """When a row finds a free slot: in the core itself, or if it is broadcast, in every core that hears it."""
        if not self.facts.deep:
            return free
        return np.maximum.reduceat(free[:, self.order], self.first, axis=1)[:, self.group]

    def give_rows(self, counts: Numbers) -> None:
        """Each core gives `counts` slots back."""
        slots = self.facts.input_slots
        for number in range(int(counts.max(initial=0))):
            active = number < counts
            self.spend(active, self.program.lock)
            which = (self.given % slots)[active]
            self.input_free[which, :, self.cores[active]] = (self.time[:, active] + self.seen).T
            self.given = self.given + active

    def drain(self, active: Flags) -> None:
        """A smaller last chunk begins when all earlier outputs have left."""
        slots = len(self.output_free)
        self.spend(active, self.program.lock * slots)
        self.wait("output", active, self.output_free.max(axis=0))
        self.spend(active, self.program.lock * slots)
        self.output_free = np.where(active, self.time + self.seen, self.output_free)

    def take_outputs(self, counts: Numbers) -> None:
        """Each core takes space for `counts` rows."""
        for number in range(int(counts.max(initial=0))):
            active = number < counts
            slot = (self.sent + number) % len(self.output_free)
            self.spend(active, self.program.lock)
            self.wait("output", active, self.output_free[slot, :, self.cores].T)

    def send(self, active: Flags, last: Flags) -> None:
        """An output row is released and leaves; its slot is free when it has left."""
        words = np.where(last, self.facts.last_words, self.facts.output_words)
        begin = np.maximum(self.output_end + self.setup, self.time + self.seen)
        self.output_end = np.where(active, begin + moved(self.chip, words), self.output_end)
        slot = self.sent[active] % len(self.output_free)
        self.output_free[slot, :, self.cores[active]] = (self.output_end[:, active] + self.seen).T
        self.sent = self.sent + active


def launch_times(
    facts: LaunchFacts,
    chip: Chip,
    program: ProgramCycles,
    starts: Starts,
    array: Array,
    feed: Feed | None,
    since: Numbers,
) -> LaunchTimes:
    """
    Run the recurrence, from what earlier launches left in `array` and `feed`, which it brings up to date.

    Waits count from `since` on, [timeline][1]: the end of the launch before.
    """
    cores, kernels = _Cores(facts, chip, program, starts, array, since), PassCalls(facts, chip)
    if feed is not None and facts.streams:
        feed.begin(facts, np.maximum(starts.weights, cores.parameters_sent) if facts.rings else starts.weights)
    inputs, passes = facts.input_chunks, facts.passes
    for number in range(int(passes.max())):
        active = number < passes
        chunk, part = divmod(number, inputs)
        last_chunk = np.equal(chunk, facts.output_chunks - 1)
        if part == 0:
            cores.begin_chunk(chunk)
            cores.spend(active, program.chunk + program.drained)
            smaller = active & last_chunk & (facts.last_blocks != facts.blocks)
            if smaller.any():
                cores.drain(smaller)
        cores.spend(active, program.each_pass)
        if feed is not None and facts.streams:
            cores.spend(active, 1)
            cores.wait("weights", active, feed.arrive())
        kept = facts.stream_rows * facts.stays
        here, staying = kept * (chunk > 0), kept * ~last_chunk
        _pass(cores, kernels, number, active, last_chunk, here, staying)
        cores.spend(active, program.weights_end)
        if feed is not None and facts.streams:
            cores.spend(active, 1)
            feed.give(active, cores.time + cores.seen)
    everyone, slots = cores.everyone, facts.parameters
    cores.spend(facts.rows == 0, 1)
    cores.spend(everyone, program.end + program.lock * facts.input_slots + 1)
    cores.send(everyone, everyone)
    cores.spend(everyone, program.lock * slots["output_slots"])
    cores.wait("output", everyone, cores.output_end + cores.seen)
    cores.spend(everyone, 1)
    array.given_back = cores.time
    # back to the start, where the next parameters are asked for
    cores.spend(everyone, program.lock)
    # what comes next on a core's own stream comes behind its rows, its weights, or its parameters
    own = cores.parameters_sent if facts.deep else cores.input_end
    array.input_end = feed.send_end[:, feed.group] if facts.rings and feed is not None else own
    array.output_end = cores.output_end
    return LaunchTimes(cores.output_end + cores.to_core, *cores.spent())


def _pass(
    cores: _Cores, kernels: PassCalls, number: int, active: Flags, last_chunk: Flags, here: Numbers, staying: Numbers
) -> None:
    """Pass `number` over the input, with one chunk of weights; `here` rows need not come, `staying` ones go."""
    facts, program = cores.facts, cores.program
    calls = kernels.cycles(number, last_chunk)
    writes = number % facts.input_chunks == facts.input_chunks - 1
    window, stride = facts.parameters["window"], facts.parameters["row_stride"]
    taps = facts.parameters["taps"]
    have, freed = here, staying
    for index in range(calls.shape[1]):
        rows = kernels.rows[:, index] * active
        working = rows > 0
        following = kernels.tops[:, index] + rows * stride
        cores.spend(working, program.row)
        seen = np.minimum(following - stride + window, facts.stream_rows)
        need = np.where(working, np.maximum(seen, have), have)
        cores.take_rows(need - have)
        cores.spend(working, (taps + (rows - 1) * stride) * program.tap + program.output)
        if writes:
            cores.take_outputs(rows)
        cores.spend(working, program.call + calls[:, index] + program.after)
        if writes:
            last = last_chunk & ((index + 1) * facts.rows_together >= facts.rows)
            for row in range(facts.rows_together):
                sending = row < rows - last
                cores.spend(sending, program.lock)
                cores.send(sending, last_chunk)
        done = np.where(working, np.maximum(np.minimum(following, need), freed), freed)
        cores.spend(working, program.rows_end)
        cores.give_rows(done - freed)
        have, freed = need, done
    rest = np.where(active, facts.stream_rows, have)
    cores.spend(active, program.rest)
    cores.take_rows(np.maximum(rest - have, 0))
    cores.spend(active, program.rest)
    cores.give_rows(np.maximum(rest - freed, 0))
