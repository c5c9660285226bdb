"""A whole network: launches and copies one after the other, as the controller waits for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.bulk import few_garbage_collections
from compiler.costs.facts import Numbers
from compiler.costs.feed import loaded
from compiler.costs.launch import launch_times
from compiler.costs.program import program_cycles
from compiler.costs.timelines import Array, Spent, Starts
from compiler.errors import InputError
from compiler.estimate.controller import InstructionCount
from compiler.estimate.facts import launch_facts
from compiler.estimate.feeds import Feeds
from compiler.estimate.pushes import PushTimes
from compiler.estimate.result import COPY, ControllerEstimate, CoreCycles, Estimate, SegmentEstimate
from compiler.hardware.chip import Chip
from compiler.hardware.routes import SHIM_ROW
from compiler.hardware.timing import instruction_costs, with_timing
from compiler.kernels.parameters import PARAMETER_WORDS, Kernel
from compiler.protocol.image import Image
from compiler.protocol.sequence import Sequence
from compiler.protocol.tasks import Task
from compiler.protocol.weight_streams import feeds_weights, weights_come_early
from dialects import mem
from dialects.chip import chip_of
from dialects.notes import WEIGHT_STREAM

FREE, CHARGED = 0, 1
"""Timelines: in the first the controller takes no time, in the second as much as the chip says; then others."""


@dataclass
class _Segment:
    """A segment while it is being estimated."""

    name: str
    lengths: Numbers
    """Cycles by timeline."""
    spent: CoreCycles = field(default_factory=CoreCycles)
    """By cores, but for idling."""
    kinds: set[str] = field(default_factory=set[str])


class _Clock:
    """Where the timelines are, and what is under way."""

    def __init__(self, chip: Chip, programs: Mapping[int, frozenset[Kernel]], instruction: Numbers):
        self.chip, self.programs = chip, programs
        self.configuration, self.reconfigurations = 0, 0
        self.instruction = instruction
        """Cycles of a controller instruction in each timeline."""
        self.now = np.zeros(len(instruction), np.int64)
        """When the controller can issue its next instruction."""
        self.end: Numbers | None = None
        """Of the last activity; set when something has begun."""
        self.copies: dict[SSAValue, Numbers] = {}
        """Copies under way and when they end."""
        self.done: dict[SSAValue, Numbers] = {}
        """Launches under way and when each core's last output comes."""
        self.spills: dict[int, Numbers] = {}
        """Until when the copies of a column to DDR keep their channel busy."""
        self.segments = [_Segment("", np.zeros(len(instruction), np.int64))]
        """The first one stands for what is before the first segment, and takes no time."""
        self.since = self.now
        """When the segment before had ended."""
        self.count, self.instructions = 0, Counter[str]()
        self.between: list[int] = []
        """Instructions from the end of each launch to the last activations of the next one."""

    def invocation(self, op: mem.InvokeOp) -> None:
        """All segments of an invocation, which begins with nothing under way."""
        changes = op.configuration != self.configuration
        self.configuration = op.configuration
        self.reconfigurations += changes
        cycles = self.chip.launch_cycles + self.chip.reconfiguration_cycles * changes
        self.now = self.now + cycles * (np.arange(len(self.now)) != FREE)
        self.counted = InstructionCount(self.chip)
        self.sequence = Sequence(self.counted, Image(), 0, op)
        self.early: dict[int, tuple[Numbers, Numbers, Numbers]] = {}
        """
        When the cores' descriptors for a launch's parameters and weights were pushed, and when the parameters were in
        their MemTiles, [timeline][core].
        """
        self.array = Array.quiet(self.chip, len(self.now), self.now[:, None])
        self.began = [self.now]
        """When each segment began."""
        self.feeds = self._feeds(op)
        self._pass(self.counted.count)
        for segment in op.segments:
            self._segment(segment)
        self.count += self.counted.count
        self.instructions += self.counted.by_segment

    def _feeds(self, op: mem.InvokeOp) -> Feeds:
        """The array's time begins with the first page of weights, if there are any."""
        first = self.counted.first_page
        start = self.now + self.instruction * (first or 0)
        if first is not None:
            self._begin(start)
        return Feeds(self.chip, op, self.sequence.feed.broadcast_words, start)

    def _pass(self, instructions: int) -> None:
        """The controller issues."""
        self.now = self.now + self.instruction * instructions

    def _begin(self, start: Numbers) -> None:
        """A transfer is started. The array's time begins with the first word of the first one."""
        if self.end is None:
            self.end = start + self.chip.descriptor_cycles

    def _token(self, instructions: int, time: Numbers) -> None:
        self.now = np.maximum(self.now + self.instruction * instructions, time)
        assert self.end is not None, "a token comes from something that was started"
        self.end = np.maximum(self.end, time)

    def _segment(self, op: mem.SegmentOp) -> None:
        """The ops of a segment in order."""
        before = self.counted.count
        self.sequence.begin(op)
        self._pass(self.counted.count - before)
        self.began.append(self.now)
        begin = self.end
        self.since = np.zeros_like(self.now) if begin is None else begin
        segment = _Segment(op.segment_name.data, np.zeros_like(self.now))
        self.segments.append(segment)
        for part in op.body.block.ops:
            match part:
                case mem.CopyOp():
                    self._copy(part, op)
                case mem.LaunchOp():
                    segment.kinds.add(part.kernel.symbol)
                    self._launch(part, op)
                case mem.WaitOp():
                    self._wait_for(part, op)
                case _:
                    pass
            begin = self.end if begin is None else begin
        if begin is not None and self.end is not None:
            segment.lengths = self.end - begin

    def _copy(self, op: mem.CopyOp, segment: mem.SegmentOp) -> None:
        """Start a copy; what is in its way has to end before."""
        before, first = self.counted.count, len(self.counted.waits)
        while (token := self.sequence.in_the_way(op, segment)) is not None:
            self.sequence.finish(token)
            self._all_ended([token], before, first)
            before, first = self.counted.count, len(self.counted.waits)
        self.sequence.run(op, segment)
        self._pass(self.counted.count - before)
        self._begin(self.now)
        column = op.column
        busy = self.array.loading[:, column] if op.fills else self.spills.get(column, self.now)
        words, beside = op.target_window.data.words, _columns_beside(op)
        cycles = loaded(self.chip, words, beside)
        if op.fills or self.chip.ddr_total_bytes_per_cycle:
            cycles += self._beside_the_feed(column, words, beside)
        end = np.maximum(self.now, busy) + self.chip.descriptor_cycles + cycles
        if op.fills:
            self.array.loading[:, column] = end
        else:
            self.spills[column] = end
        self.copies[op.token] = end + 2 * self.chip.hop_cycles

    def _beside_the_feed(self, column: int, words: int, columns: int) -> int:
        """Cycles by which `words` in a column and the feed of the weights delay each other, if both want DDR now."""
        feed = self.feeds.broadcast
        if feed is None or not feed.loads(column, int(self.now[FREE])):
            return 0
        cycles = loaded(self.chip, words, columns, 2) - loaded(self.chip, words, columns)
        feed.delay(column, cycles)
        return cycles

    def _wait_for(self, op: mem.WaitOp, segment: mem.SegmentOp) -> None:
        """Go on when everything has ended that the op names."""
        before, first = self.counted.count, len(self.counted.waits)
        self.sequence.run(op, segment)
        self._all_ended(op.tokens, before, first)

    def _all_ended(self, tokens: Iterable[SSAValue], before: int, first: int) -> None:
        """The controller has waited, counting instructions from `before` on, and its waits from the `first` on."""
        waits = self._waits(first)
        following = iter(waits)
        for token in tokens:
            self._ended(token, following)
        # the feed of the weights may push its next tasks
        self._pass(self.counted.count - before - sum(instructions for _, instructions in waits))

    def _waits(self, first: int) -> list[tuple[Task, int]]:
        """
        Waits for copies and launches, of all waits from the `first` on. Those for the feed of the weights tell nothing,
        since the launch that needs the weights ends later: they only take their instructions.
        """
        return [wait for wait in self.counted.waits[first:] if not feeds_weights(wait[0], self.chip)]

    def _ended(self, token: SSAValue, waits: Iterator[tuple[Task, int]]) -> None:
        """A copy or a launch has ended, unless that is known. Its waits come next."""
        if token in self.copies:
            _, instructions = next(waits)
            self._token(instructions, self.copies.pop(token))
        done = self.done.pop(token, np.zeros((1, 0), np.int64))
        for task, instructions in islice(waits, done.shape[1]):
            self._token(instructions, done[:, task.place[0] * self.chip.core_rows + task.channel])

    def _launch(self, op: mem.LaunchOp, segment: mem.SegmentOp) -> None:
        """Start a launch and work out when its cores are done."""
        number = self.sequence.numbers[op.token]
        tasks = self.sequence.launches[number].tasks
        before, pushed = self.counted.count, len(self.counted.pushes)
        self.sequence.run(op, segment)
        pushes = self.counted.pushes[pushed:]
        after = np.array([count - before for _, count in pushes], np.int64)
        ends = self.now + after[:, None] * self.instruction
        self._count_between(number, [count for _, count in pushes])
        everything = [(task, ends[at]) for at, (task, _) in enumerate(pushes)]
        times = [push for push in everything if push[0].place[1] != SHIM_ROW]
        if number not in self.early:
            pushed_early = sum(task.place[1] != SHIM_ROW for task in tasks.early)
            self._parameters(number, self._at(times[:pushed_early]))
            times = times[pushed_early:]
        early, weights, there = self.early.pop(number)
        pushed_late = sum(task.place[1] != SHIM_ROW for task in tasks.late)
        late = self._at(times[:pushed_late])
        starts = Starts(early, weights, late.of_broadcasts() if op.deep else late.of_inputs(), there)
        facts = launch_facts(op, self.chip)
        program = program_cycles(self.chip, self.programs[self.configuration], facts.kernel)
        feed = self.feeds.broadcast
        if op.rings:
            begun = self.began[-2 if op.ring_op.ahead else -1]
            shims = self._at([push for push in everything if push[0].place[1] == SHIM_ROW and push[0] in tasks.late])
            pushed_behind = np.maximum(late.of_fills(), shims.of_columns())
            # those that come early come right behind the parameters
            odd = self.array.loading if weights_come_early(op) else np.maximum(self.array.loading, pushed_behind)
            feed = self.feeds.own(facts, begun, odd)
        result = launch_times(facts, self.chip, program, starts, self.array, feed, self.since[:, None])
        if op.rings and feed is not None:
            self.feeds.after(feed, self.array)
        if len(times) > pushed_late:
            self._parameters(number + 1, self._at(times[pushed_late:]))
        self._pass(self.counted.count - before)
        self.done[op.token] = result.done
        self.segments[-1].spent += _of_all_cores(result.spent)
        self.segments[-2].spent += _of_all_cores(result.ahead)

    def _count_between(self, number: int, pushes: list[int]) -> None:
        """Instructions from the launch before to the last activations of this one; those so far at its `pushes`."""
        launch, ended = self.sequence.launches[number], self.counted.last_output
        own = len(launch.tasks.late)
        if number not in self.early:
            own += len(launch.loads) + len(launch.tasks.early)
        if ended is not None and own:
            self.between.append(pushes[own - 1] - ended)

    def _at(self, pushes: list[tuple[Task, Numbers]]) -> PushTimes:
        return PushTimes(self.chip, self.now, pushes)

    def _parameters(self, number: int, pushes: PushTimes) -> None:
        """Load the parameters of launch `number`."""
        loads = pushes.of_fills()
        self._begin(loads[:, 0])
        for column in range(self.chip.columns):
            self._beside_the_feed(column, self.chip.core_rows * PARAMETER_WORDS, self.chip.columns)
        early, weights = (pushes.of_cores(lock) for lock in ("parameters_empty", "weights_empty"))
        self.early[number] = (early, weights, self.array.load(self.chip, loads))

    def estimates(self) -> list[SegmentEstimate]:
        """What is known of every segment in the end."""
        cores = self.chip.columns * self.chip.core_rows
        estimates: list[SegmentEstimate] = []
        for segment in self.segments[1:]:
            cycles = int(segment.lengths[FREE])
            spent = segment.spent + CoreCycles(idle=cycles * cores - segment.spent.total)
            kind = "+".join(sorted(segment.kinds)) or COPY
            exposed = int(segment.lengths[CHARGED]) - cycles
            instructions = self.instructions[segment.name]
            estimates.append(SegmentEstimate(segment.name, kind, cycles, spent, instructions, exposed))
        return estimates


def _of_all_cores(spent: Spent) -> CoreCycles:
    """On the timeline in which the controller takes no time."""
    parts = (spent.compute, spent.input, spent.weights, spent.output)
    return CoreCycles(*(int(part[FREE].sum()) for part in parts))


def _columns_beside(op: mem.CopyOp) -> int:
    """Columns that copy at the same time: all copies that are waited for together."""
    waits = [use.operation for use in op.token.uses if isinstance(use.operation, mem.WaitOp)]
    beside = [token.owner for wait in waits for token in wait.tokens]
    return max(1, len({copy.column for copy in beside if isinstance(copy, mem.CopyOp)}))


def estimate(module: ModuleOp, *, overrides: Mapping[str, int] | None = None) -> Estimate:
    """
    Cycles of a module of level `mem`. Raises InputError if it is of another level.

    `overrides` replaces numbers of the chip that time depends on and the plan does not.
    """
    with few_garbage_collections():
        return _estimate(module, with_timing(chip_of(module), overrides or {}))


def _estimate(module: ModuleOp, chip: Chip) -> Estimate:
    invocations = [op for op in module.walk() if isinstance(op, mem.InvokeOp)]
    if not invocations and any(isinstance(op, mem.RunOp) for op in module.walk()):
        raise InputError("an estimate needs the module of level 'mem'; this one has been converted to the array")
    programs: dict[int, frozenset[Kernel]] = {}
    for op in invocations:
        called = {launch.kernel for launch in op.walk() if isinstance(launch, mem.LaunchOp)}
        programs[op.configuration] = programs.get(op.configuration, frozenset()) | called
    instruction = np.array([0, *instruction_costs(chip)], np.int64)
    clock = _Clock(chip, programs, instruction)
    for invocation in invocations:
        clock.invocation(invocation)
    segments = clock.estimates()
    totals = [ControllerEstimate(*pair) for pair in zip(instruction.tolist(), clock.now.tolist(), strict=True)]
    return Estimate(
        sum(segment.cycles for segment in segments),
        totals[CHARGED].total_cycles,
        tuple(segments),
        clock.count,
        clock.instructions[WEIGHT_STREAM],
        tuple(clock.between),
        len(invocations),
        clock.reconfigurations,
        chip.clock_hz,
        tuple(sorted(totals[CHARGED:], key=lambda total: total.instruction_cycles)),
    )
