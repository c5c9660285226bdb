"""
The controller: it works through the runtime sequences, one instruction after the other.

In the array's time its instructions are free: it configures and starts tasks in no time until it has to wait for a
token. How many instructions that were is counted by segment, as the hardware takes them: a descriptor is one block
write and, if it addresses DDR, one address patch; a start is one queue push; an await is one sync.
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
from compiler.simulate.locks import Lock
from compiler.simulate.memory import Memory
from dialects.aie import DMABDOp, DMAChannelDir, int_value
from dialects.aiex import DMAAwaitTaskOp, DMAConfigureTaskOp, DMAFreeTaskOp, DMAStartTaskOp

SEGMENT = "blockloom.segment"
"""Note on an operation of the sequence: the layer it belongs to."""
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


@dataclass(eq=False)
class Controller:
    """Runs the operations of all sequences in order."""

    operations: Iterator[Operation]
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
    finished: bool = False

    def begin(self) -> None:
        """Start with cycle 0."""
        self.events.at(0, Priority.CONTROLLER, self._continue)

    def _continue(self) -> None:
        self.awaits = None
        for op in self.operations:
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
                    if not self._has_token(op):
                        return
                case DMAFreeTaskOp():
                    pass
                case _:
                    raise SimulationError(
                        f"the runtime sequence holds '{op.name}'; simulated are aiex.dma_configure_task, "
                        "dma_start_task, dma_await_task and dma_free_task"
                    )
        self.finished = True

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
        task.awaiting = lambda: self._resume(task)
        return False

    def _resume(self, task: Task) -> None:
        task.tokens -= 1
        self.events.at(self.events.now, Priority.CONTROLLER, self._continue)
