"""
The array as agents that meet only through locks, streams, queues and tokens.

An agent is a generator that yields what it waits for. Which ready agent goes on is drawn from the seed; for half of the
seeds DMA engines go on only when nothing else can, so that whatever a program does not wait for has not happened yet.
A stream has no storage of its own: words move when the source and every destination are ready, and are read from
memory at that moment, as late as possible.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from compiler.errors import BlockloomError
from compiler.interpret.aie_descriptors import LoadedDescriptor
from compiler.interpret.aie_memory import Actor, Clock

ChannelKey = tuple[int, int, str, int]
"""Column, array row, direction, channel."""


class DeadlockError(BlockloomError):
    """Nothing can go on, and the controller has not finished."""


@dataclass(eq=False)
class Lock:
    """A counting semaphore with what its releasers knew."""

    name: str
    value: int
    limit: int
    clock: Clock
    initial: int = 0
    waiting: list[Agent] = field(default_factory=list["Agent"])


@dataclass(eq=False)
class Agent:
    """A generator under the scheduler."""

    actor: Actor
    is_dma: bool
    steps: Generator[Any, None, None] = field(init=False)
    """Given after the agent is made: what an agent does refers to the agent."""
    blocked_on: str = ""
    scheduled: bool = False


@dataclass(frozen=True)
class QueueEntry:
    """A started task: its descriptors, runs, whether a token follows, and what the controller knew."""

    chain: tuple[LoadedDescriptor, ...]
    runs: int
    token: bool
    clock: Clock


@dataclass(eq=False)
class Channel:
    """A DMA channel: its queue, the transfer under way, and the streams it feeds."""

    key: ChannelKey
    actor: Actor
    queue: deque[QueueEntry] = field(default_factory=deque[QueueEntry])
    destinations: list[Channel] = field(default_factory=list["Channel"])
    source: Channel | None = None
    current: LoadedDescriptor | None = None
    run: int = 0
    moved: int = 0
    agent: Agent | None = None
    tokens: deque[Clock] = field(default_factory=deque[Clock])
    active: QueueEntry | None = None

    @property
    def remaining(self) -> int:
        """Words that the current descriptor can still take."""
        return self.current.length - self.moved if self.current is not None else 0


class Scheduler:
    """Runs agents until the controller has finished."""

    def __init__(self, seed: int):
        self.random = Random(seed)
        self.lazy_dma = seed % 2 == 1
        self.ready: list[Agent] = []
        self.lazy: list[Agent] = []
        self.agents: list[Agent] = []

    def add(self, agent: Agent) -> None:
        """A new agent, ready to start."""
        self.agents.append(agent)
        self.wake(agent)

    def wake(self, agent: Agent) -> None:
        """Let an agent go on; it looks again at what it waited for."""
        if agent.scheduled:
            return
        agent.scheduled = True
        agent.blocked_on = ""
        (self.lazy if agent.is_dma and self.lazy_dma else self.ready).append(agent)

    def _next(self) -> Agent | None:
        pool = self.ready or self.lazy
        if not pool:
            return None
        index = self.random.randrange(len(pool))
        pool[index], pool[-1] = pool[-1], pool[index]
        return pool.pop()

    def run(self, until: Agent) -> None:
        """Go on until agent `until` has ended. Raises DeadlockError when nothing can."""
        while True:
            agent = self._next()
            if agent is None:
                stuck = [f"{a.actor.name} waits for {a.blocked_on}" for a in self.agents if a.blocked_on]
                busy = [line for line in stuck if not line.endswith("waits for a task")]
                raise DeadlockError("nothing can go on: " + "; ".join(busy))
            if self._step(agent) and agent is until:
                return

    def settle(self) -> None:
        """Go on until nothing can: what is still under way then will never end."""
        while (agent := self._next()) is not None:
            self._step(agent)

    def _step(self, agent: Agent) -> bool:
        """Let an agent go on to where it waits next; whether it has ended."""
        agent.scheduled = False
        try:
            agent.blocked_on = str(next(agent.steps))
        except StopIteration:
            return True
        return False


class LockTable:
    """Locks by their SSA value."""

    def __init__(self, scheduler: Scheduler):
        self.scheduler = scheduler
        self.locks: dict[SSAValue, Lock] = {}

    def acquire(self, agent: Agent, value: SSAValue, count: int) -> Generator[str, None, None]:
        """Wait until the lock holds `count`, take it away, and learn what its releasers knew."""
        lock = self.locks[value]
        while lock.value < count:
            lock.waiting.append(agent)
            yield f"lock {lock.name}"
        lock.value -= count
        agent.actor.learn(lock.clock)

    def release(self, actor: Actor, value: SSAValue, count: int) -> None:
        """Add to a lock and tell what the actor knows. Raises BlockloomError past the hardware's limit."""
        lock = self.locks[value]
        lock.value += count
        if lock.value > lock.limit:
            raise BlockloomError(f"lock {lock.name} is released to {lock.value}, it counts to {lock.limit}")
        np.maximum(lock.clock, actor.tell(), out=lock.clock)
        waiting, lock.waiting = lock.waiting, []
        for agent in waiting:
            self.scheduler.wake(agent)


def run_channel(channel: Channel, scheduler: Scheduler, locks: LockTable) -> Generator[str, None, None]:
    """A DMA channel's life: take a task, run its chain, hand out a token."""
    agent = channel.agent
    assert agent is not None, "a channel runs as an agent"
    while True:
        while not channel.queue:
            yield "a task"
        entry = channel.active = channel.queue.popleft()
        channel.actor.learn(entry.clock)
        for _ in range(entry.runs):
            for descriptor in entry.chain:
                if descriptor.acquire is not None:
                    yield from locks.acquire(agent, *descriptor.acquire)
                channel.current, channel.moved, channel.run = descriptor, 0, descriptor.iteration
                descriptor.iteration += 1
                yield from _send(channel, scheduler) if channel.key[2] == "MM2S" else _receive(channel, scheduler)
                channel.current = None
                if descriptor.release is not None:
                    locks.release(channel.actor, *descriptor.release)
        channel.active = None
        if entry.token:
            channel.tokens.append(channel.actor.tell())
            for other in scheduler.agents:
                if other.blocked_on == f"a token of {channel.actor.name}":
                    scheduler.wake(other)


def _wake_source(channel: Channel, scheduler: Scheduler) -> None:
    source = channel.source
    if source is not None and source.agent is not None and source.agent.blocked_on == "its destinations":
        scheduler.wake(source.agent)


def _receive(channel: Channel, scheduler: Scheduler) -> Generator[str, None, None]:
    """Be ready until the source has filled this descriptor."""
    _wake_source(channel, scheduler)
    while channel.remaining:
        yield "its source"


def _send(channel: Channel, scheduler: Scheduler) -> Generator[str, None, None]:
    """Move words whenever all destinations are ready; the one with the least room sets the pace."""
    if not channel.destinations:
        raise BlockloomError(f"{channel.actor.name} sends, but no flow leads from it")
    while channel.remaining:
        room = min(destination.remaining for destination in channel.destinations)
        count = min(room, channel.remaining)
        if not count:
            yield "its destinations"
            continue
        _move(channel, count)
        for destination in channel.destinations:
            if not destination.remaining and destination.agent is not None:
                scheduler.wake(destination.agent)


def _move(channel: Channel, count: int) -> None:
    """`count` words from the source's memory to every destination's."""
    descriptor = channel.current
    assert descriptor is not None, "a sending channel has a descriptor"
    where, inside = descriptor.words(channel.run, channel.moved, count)
    if inside is None:
        values = descriptor.memory.read(channel.actor, where)
    else:
        values = np.zeros(count, np.int32)
        values[inside] = descriptor.memory.read(channel.actor, where)
    told = channel.actor.tell()
    channel.moved += count
    for destination in channel.destinations:
        target = destination.current
        assert target is not None, "a receiving channel has a descriptor"
        destination.actor.learn(told)
        there, padded = target.words(destination.run, destination.moved, count)
        if padded is not None:
            raise BlockloomError(f"{destination.actor.name} pads while receiving; only sending MemTile channels can")
        target.memory.write(destination.actor, there, values)
        destination.moved += count
