"""
The controller: it works through the runtime sequences, one instruction after the other.

A simulation of the array alone gives it instructions that take no time: it configures and starts tasks at once until
it has to wait for a token. A simulation of the whole charges every instruction, and every launch of a sequence. How
many there are is counted by segment, as the hardware takes them: a descriptor is one block write and, if it addresses
DDR, one address patch; a start is one queue push; an await is one sync.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import BlockArgument, Operation, SSAValue

from compiler.simulate.activity import Activity
from compiler.simulate.channels import Channel
from compiler.simulate.descriptors import Task, read_task
from compiler.simulate.events import EventQueue, Priority, SimulationError
from compiler.simulate.links import Pieces
from compiler.simulate.locks import Lock
from compiler.simulate.memory import Memory
from dialects.aie import DMABDOp, DMAChannelDir, RuntimeSequenceOp, int_value
from dialects.aiex import DMAAwaitTaskOp, DMAConfigureTaskOp, DMAFreeTaskOp, DMAStartTaskOp
from dialects.notes import SEGMENT

UNNAMED = "unnamed"

ChannelKey = tuple[SSAValue, DMAChannelDir, int]
"""Tile, direction and number."""


def segment_of(op: Operation) -> str:
    """The layer an operation of the sequence belongs to."""
    name = op.attributes.get(SEGMENT)
    return name.data if isinstance(name, StringAttr) else UNNAMED


def descriptor_writes(op: DMAConfigureTaskOp) -> int:
    """Instructions that write a task's descriptors."""
    descriptors = [part for part in op.walk() if isinstance(part, DMABDOp)]
    return len(descriptors) + sum(isinstance(part.buffer, BlockArgument) for part in descriptors)


@dataclass(frozen=True)
class ControllerCost:
    """Cycles of one instruction and of one launch."""

    instruction: int = 0
    launch: int = 0


@dataclass(eq=False)
class Controller:
    """Runs the operations of all sequences in order; a sequence comes before its operations and is its launch."""

    operations: Iterator[Operation]
    cost: ControllerCost
    channels: Mapping[ChannelKey, Channel]
    memories: Mapping[SSAValue, Memory]
    locks: Mapping[SSAValue, Lock]
    events: EventQueue
    activity: Activity
    tasks: dict[SSAValue, tuple[Task, Channel]] = field(default_factory=dict[SSAValue, tuple[Task, Channel]])
    writes: int = 0
    """Instructions for tasks that were configured and not yet started; their segment is that of the start."""
    awaits: str | None = None
    """What it waits for at the moment."""
    waits: Pieces = field(default_factory=Pieces)
    """For tokens."""
    finished: int | None = None
    """The cycle in which it came to the end."""

    def begin(self) -> None:
        """Start with cycle 0."""
        self.events.at(0, Priority.CONTROLLER, self._continue)

    def _continue(self) -> None:
        """Run to the next operation that takes time or has to wait."""
        self.awaits = None
        for op in self.operations:
            cycles = self._cycles(op)
            if cycles:
                self.events.at(self.events.now + cycles, Priority.CONTROLLER, lambda op=op: self._finish(op))
                return
            if not self._execute(op):
                return
        self.finished = self.events.now

    def _finish(self, op: Operation) -> None:
        if self._execute(op):
            self._continue()

    def _cycles(self, op: Operation) -> int:
        """Cycles of the instructions behind an operation."""
        match op:
            case RuntimeSequenceOp():
                return self.cost.launch
            case DMAConfigureTaskOp():
                return descriptor_writes(op) * self.cost.instruction
            case DMAStartTaskOp() | DMAAwaitTaskOp():
                return self.cost.instruction
            case _:
                return 0

    def _execute(self, op: Operation) -> bool:
        """Do it; whether the next one may follow at once."""
        match op:
            case DMAConfigureTaskOp():
                self._configure(op)
            case DMAStartTaskOp():
                task, channel = self.tasks[op.task]
                segment = segment_of(op)
                self.activity.instructed(segment, self.writes + 1)
                self.writes = 0
                channel.push(task, segment)
            case DMAAwaitTaskOp():
                return self._has_token(op)
            case RuntimeSequenceOp() | DMAFreeTaskOp():
                pass
            case _:
                raise SimulationError(
                    f"the runtime sequence holds '{op.name}'; simulated are aiex.dma_configure_task, "
                    "dma_start_task, dma_await_task and dma_free_task"
                )
        return True

    def _configure(self, op: DMAConfigureTaskOp) -> None:
        key = (op.tile, op.channel_direction, int_value(op.channel))
        if key not in self.channels:
            raise SimulationError(
                f"a task is configured for {key[1].name} {key[2]} of a tile where no flow begins or ends"
            )
        self.writes += descriptor_writes(op)
        self.tasks[op.result] = (read_task(op, self.memories, self.locks), self.channels[key])

    def _has_token(self, op: DMAAwaitTaskOp) -> bool:
        """Take the token of a task, or go on when it comes."""
        task, channel = self.tasks[op.task]
        segment = segment_of(op)
        if not task.token:
            raise SimulationError(
                f"segment '{segment}': a task of {channel.name} is awaited, but issues no token; it never ends the wait"
            )
        self.activity.instructed(segment, 1)
        if task.tokens:
            task.tokens -= 1
            return True
        self.awaits = f"the token of segment '{segment}' from {channel.name}"
        began = self.events.now
        task.awaiting = lambda: self._resume(task, segment, began)
        return False

    def _resume(self, task: Task, segment: str, began: int) -> None:
        task.tokens -= 1
        self.waits.add(began, self.events.now, 0, segment)
        self.events.at(self.events.now, Priority.CONTROLLER, self._continue)
