"""A whole network: launches and copies one after the other, as the controller waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.costs.facts import Numbers
from compiler.costs.launch import Starts, launch_times, loaded
from compiler.costs.program import program_cycles
from compiler.errors import InputError
from compiler.estimate.controller import Controller
from compiler.estimate.facts import launch_facts
from compiler.estimate.result import COPY, ControllerEstimate, CoreCycles, Estimate, SegmentEstimate
from compiler.hardware.chip import Chip
from compiler.hardware.timing import instruction_costs, with_timing
from compiler.kernels.parameters import Kernel
from dialects import mem
from dialects.chip import chip_of

FREE, CHARGED = 0, 1
"""Timelines: in the first the controller takes no time, in the second as much as the chip says; then others."""


@dataclass
class _Clock:
    """Where the timelines are, and what is under way."""

    chip: Chip
    kernels: frozenset[Kernel]
    controller: Controller
    instruction: Numbers
    """Cycles of a controller instruction in each timeline."""
    now: Numbers
    """When the controller can issue its next instruction."""
    copies: dict[SSAValue, tuple[mem.CopyOp, Numbers]] = field(
        default_factory=dict[SSAValue, tuple[mem.CopyOp, Numbers]]
    )
    """Copies under way and when they end."""
    launched: dict[SSAValue, tuple[mem.LaunchOp, Numbers]] = field(
        default_factory=dict[SSAValue, tuple[mem.LaunchOp, Numbers]]
    )
    """Launches under way and when each core's last output comes."""
    channels: dict[tuple[int, bool], Numbers] = field(default_factory=dict[tuple[int, bool], Numbers])
    """Until when the copies of a column and direction keep their channel busy."""
    end: Numbers | None = None
    """Of the last activity; set when something has begun."""
    spent: CoreCycles = field(default_factory=CoreCycles)
    """By cores, in the segment so far, but for idling."""

    def _begin(self, start: Numbers) -> None:
        """A transfer is started. The array's time begins with the first word of the first one."""
        if self.end is None:
            self.end = start + self.chip.descriptor_cycles

    def copy(self, op: mem.CopyOp) -> None:
        """Start a copy. A column's queue holds four, so a fifth waits first."""
        waiting = [token for token, (other, _) in self.copies.items() if other.column == op.column]
        if len(waiting) == self.chip.queue_depth:
            self.wait_copy(waiting[0])
        before = self.controller.count
        self.controller.copy(op)
        self.now = self.now + self.instruction * (self.controller.count - before)
        self._begin(self.now)
        key = (op.column, op.fills)
        begin = np.maximum(self.now, self.channels.get(key, self.now)) + self.chip.descriptor_cycles
        end = begin + loaded(self.chip, op.target_window.data.words, _columns_beside(op))
        self.channels[key] = end
        self.copies[op.token] = (op, end + 2 * self.chip.hop_cycles)

    def wait_copy(self, token: SSAValue) -> None:
        """Go on when a copy has ended."""
        if token not in self.copies:
            return
        op, end = self.copies.pop(token)
        self.controller.copied(op)
        self._token(end)

    def _token(self, time: Numbers) -> None:
        self.controller.count += 1
        self.now = np.maximum(self.now + self.instruction, time)
        assert self.end is not None, "a token comes from something that was started"
        self.end = np.maximum(self.end, time)

    def launch(self, op: mem.LaunchOp) -> None:
        """Start a launch and work out when its cores are done."""
        facts = launch_facts(op, self.chip)
        issued = self.controller.launch(op, facts)
        each = self.instruction[:, None]
        starts = Starts(self.now[:, None] + each * issued.parameters, self.now[:, None] + each * issued.weights)
        self._begin(starts.parameters[:, 0])
        times = launch_times(facts, self.chip, program_cycles(self.chip, self.kernels, facts.kernel), starts)
        self.now = self.now + self.instruction * issued.all
        self.launched[op.token] = (op, times.done)
        waits = [int(values[FREE].sum()) for values in (times.input, times.weights, times.output)]
        compute = int((times.finished - times.began)[FREE].sum()) - sum(waits)
        self.spent += CoreCycles(compute, *waits)

    def wait(self, op: mem.WaitOp) -> None:
        """Go on when everything has ended that the op names."""
        for token in op.tokens:
            if token in self.launched:
                launch, done = self.launched.pop(token)
                self.controller.launched(launch)
                for core in range(done.shape[1]):
                    self._token(done[:, core])
            else:
                self.wait_copy(token)
        if not self.copies and not self.launched:
            self.controller.all_ended()

    def segment(self, op: mem.SegmentOp) -> SegmentEstimate:
        """The ops of a segment in order."""
        begin, counted, self.spent = self.end, self.controller.count, CoreCycles()
        kinds: set[str] = set()
        for part in op.body.block.ops:
            match part:
                case mem.CopyOp():
                    self.copy(part)
                    begin = self.end if begin is None else begin
                case mem.LaunchOp():
                    kinds.add(part.kernel.symbol)
                    self.launch(part)
                    begin = self.end if begin is None else begin
                case mem.WaitOp():
                    self.wait(part)
                case _:
                    pass
        if begin is None or self.end is None:
            return SegmentEstimate(op.segment_name.data, COPY, 0, CoreCycles(), 0, 0)
        lengths = self.end - begin
        cycles = int(lengths[FREE])
        idle = cycles * self.chip.columns * self.chip.core_rows - self.spent.total
        spent = self.spent + CoreCycles(idle=idle)
        instructions = self.controller.count - counted
        exposed = int(lengths[CHARGED]) - cycles
        kind = "+".join(sorted(kinds)) or COPY
        return SegmentEstimate(op.segment_name.data, kind, cycles, spent, instructions, exposed)


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
    chip = with_timing(chip_of(module), overrides or {})
    invocations = [op for op in module.walk() if isinstance(op, mem.InvokeOp)]
    if not invocations and any(isinstance(op, mem.RunOp) for op in module.walk()):
        raise InputError("an estimate needs the module of level 'mem'; this one has been converted to the array")
    kernels = frozenset(op.kernel for op in module.walk() if isinstance(op, mem.LaunchOp))
    segments: list[SegmentEstimate] = []
    instruction = np.array([0, *instruction_costs(chip)], np.int64)
    clock = _Clock(chip, kernels, Controller(chip), instruction, np.zeros(len(instruction), np.int64))
    for invocation in invocations:
        # every invocation has its own descriptors, and is a launch of the host
        clock.controller.pools.clear()
        clock.now = clock.now + chip.launch_cycles * (np.arange(len(instruction)) != FREE)
        segments += [clock.segment(segment) for segment in invocation.segments]
    totals = [ControllerEstimate(*pair) for pair in zip(instruction.tolist(), clock.now.tolist(), strict=True)]
    return Estimate(
        sum(segment.cycles for segment in segments),
        totals[CHARGED].total_cycles,
        tuple(segments),
        clock.controller.count,
        len(invocations),
        chip.clock_hz,
        tuple(sorted(totals[CHARGED:], key=lambda total: total.instruction_cycles)),
    )
