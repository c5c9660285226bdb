"""The controller as an agent: it writes descriptors, pushes queues and waits for tokens, in the sequence's order."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, SSAValue

from compiler.errors import BlockloomError
from compiler.interpret.aie_descriptors import LoadedDescriptor, load_chain
from compiler.interpret.aie_machine import Agent, Channel, ChannelKey, QueueEntry, Scheduler
from compiler.interpret.aie_memory import Memory
from dialects.aie import DMABDOp, int_value
from dialects.aiex import DMAAwaitTaskOp, DMAConfigureTaskOp, DMAFreeTaskOp, DMAStartTaskOp
from dialects.notes import SEGMENT

Place = tuple[int, int]


@dataclass(frozen=True)
class ConfiguredTask:
    """A task whose descriptors have been written."""

    op: DMAConfigureTaskOp
    channel: ChannelKey
    chain: tuple[LoadedDescriptor, ...]
    token: bool


@dataclass(eq=False)
class Controller:
    """State of the controller: descriptor tables, configured tasks, and whom to tell when a segment has ended."""

    channels: dict[ChannelKey, Channel]
    scheduler: Scheduler
    tile_of: Callable[[SSAValue], Place]
    place: Callable[[DMABDOp, Place, int], tuple[Memory, int]]
    queue_depth: int
    ended: Callable[[str], None]
    tables: dict[tuple[Place, int], LoadedDescriptor] = field(default_factory=dict[tuple[Place, int], LoadedDescriptor])
    tasks: dict[SSAValue, ConfiguredTask] = field(default_factory=dict[SSAValue, ConfiguredTask])

    def _busy(self, place: Place) -> set[int]:
        """Descriptor numbers of a tile that a queue or a running task still needs."""
        numbers: set[int] = set()
        for key, channel in self.channels.items():
            if key[:2] == place:
                entries = [*channel.queue, *([channel.active] if channel.active is not None else [])]
                numbers |= {descriptor.number for entry in entries for descriptor in entry.chain}
        return numbers

    def configure(self, op: DMAConfigureTaskOp) -> None:
        """Write a task's descriptors. Raises BlockloomError if one of them is still in use."""
        place = self.tile_of(op.tile)
        channel = int_value(op.channel)
        key = (*place, op.channel_direction.name, channel)
        if key not in self.channels:
            raise BlockloomError(f"tile {place} has no flow at {op.channel_direction.name} {channel}")
        chain = tuple(load_chain(op.body.blocks[0], lambda bd: self.place(bd, place, channel)))
        busy = self._busy(place)
        for descriptor in chain:
            if descriptor.number in busy:
                raise BlockloomError(f"descriptor {descriptor.number} of tile {place} is rewritten while in use")
            self.tables[place, descriptor.number] = descriptor
        self.tasks[op.result] = ConfiguredTask(op, key, chain, bool(op.issue_token))

    def start(self, agent: Agent, op: DMAStartTaskOp) -> None:
        """Push a task. Raises BlockloomError if the queue is full or a descriptor has been rewritten since."""
        task = self.tasks[op.task]
        channel = self.channels[task.channel]
        if len(channel.queue) >= self.queue_depth:
            raise BlockloomError(f"the queue of {channel.actor.name} holds {self.queue_depth} tasks; one more is lost")
        for descriptor in task.chain:
            if self.tables[task.channel[:2], descriptor.number] is not descriptor:
                raise BlockloomError(
                    f"a task of {channel.actor.name} is started after its descriptor {descriptor.number} was rewritten"
                )
        channel.queue.append(QueueEntry(task.chain, op.runs(task.op), task.token, agent.actor.tell()))
        if channel.agent is not None and channel.agent.blocked_on == "a task":
            self.scheduler.wake(channel.agent)

    def run(self, agent: Agent, block: Block) -> Generator[str, None, None]:
        """The sequence from its first op to its last."""
        last = {note.data: op for op in block.ops if isinstance(note := op.attributes.get(SEGMENT), StringAttr)}
        for op in block.ops:
            match op:
                case DMAConfigureTaskOp():
                    self.configure(op)
                case DMAStartTaskOp():
                    self.start(agent, op)
                case DMAAwaitTaskOp():
                    channel = self.channels[self.tasks[op.task].channel]
                    while not channel.tokens:
                        yield f"a token of {channel.actor.name}"
                    agent.actor.learn(channel.tokens.popleft())
                case DMAFreeTaskOp():
                    pass
                case _:
                    raise BlockloomError(f"the controller does not know {op.name}")
            # the next segment may have begun before
            if isinstance(note := op.attributes.get(SEGMENT), StringAttr) and last[note.data] is op:
                self.ended(note.data)
