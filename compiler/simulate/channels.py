"""
DMA channels: a queue of tasks, worked off one descriptor after the other.

A descriptor is under way from the moment its lock has been granted and the engine has been set up for it
(`descriptor_cycles` after the one before); then its stream moves words whenever the other side is under way too. At
its end it releases its lock. The queue holds as many tasks beside the running one as the chip says, four on all that
are built. Pushing one more is an error: the hardware loses it without a word.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from compiler.simulate.activity import Activity
from compiler.simulate.banks import Banks
from compiler.simulate.events import EventQueue, SimulationError
from compiler.simulate.links import Pieces
from compiler.simulate.memory import Words
from compiler.simulate.tasks import Step, Task

if TYPE_CHECKING:
    from compiler.simulate.streams import Stream


@dataclass(eq=False)
class Channel:
    """One channel of one tile; `sends` tells MM2S from S2MM."""

    name: str
    sends: bool
    depth: int
    setup: int
    events: EventQueue
    activity: Activity
    setups: Pieces
    waits: Pieces
    """For locks, after the set-up."""
    carries: bool = True
    """Whether the words it sends can matter: what a core sends are activations."""
    banks: Banks | None = None
    """Of its MemTile, if they can make it wait."""
    stream: Stream | None = None
    queue: deque[tuple[Task, int, str]] = field(default_factory=deque[tuple[Task, int, str]])
    """Tasks, how often each runs, and the layer that it belongs to."""
    task: Task | None = None
    segment: str = ""
    runs: int = 0
    run: int = 0
    link: int = 0
    remaining: int = 0
    """Words still to move of the descriptor under way; 0 when there is none."""
    ready: int = 0
    """When the descriptor under way may move its first word."""
    total: int = 0
    """Words of the descriptor under way."""
    began: int = 0
    payload: Words | None = None
    arrived: list[Words | None] = field(default_factory=list[Words | None])

    def push(self, task: Task, runs: int, segment: str) -> None:
        """Queue a task, to run so often."""
        if self.stream is None:
            raise SimulationError(
                f"segment '{segment}': a task is started on {self.name}, where no flow begins or ends"
            )
        if len(self.queue) == self.depth:
            raise SimulationError(
                f"segment '{segment}': {self.name} has {self.depth} tasks waiting in cycle {self.events.now}; the "
                "hardware loses one more. Await a task of this channel first"
            )
        self.queue.append((task, runs, segment))
        if self.task is None:
            self._next_task()

    def _next_task(self) -> None:
        if not self.queue:
            self.task = None
            return
        self.task, self.runs, self.segment = self.queue.popleft()
        self.run = self.link = 0
        self._open()

    @property
    def descriptor(self) -> Step:
        """The one under way, or waiting for its lock."""
        assert self.task is not None, f"{self.name} is idle"
        return self.task.chain[self.link]

    def _open(self) -> None:
        now = self.events.now
        self.ready = now + self.setup
        self.setups.add(now, self.ready, 0, self.segment)
        acquire = self.descriptor.acquire
        if acquire is None or acquire[0].acquire(acquire[1], self._granted):
            self._granted()

    def _granted(self) -> None:
        now, descriptor = self.events.now, self.descriptor
        if now > self.ready:
            self.waits.add(self.ready, now, 0, self.segment)
            self.ready = now
        self.remaining = self.total = descriptor.words
        if self.carries and self.sends and descriptor.memory.known and not descriptor.padded:
            self.payload = descriptor.memory.read(descriptor.start, descriptor.pattern)
        assert self.stream is not None, "only connected channels have tasks"
        self.stream.try_move()

    def pass_banks(self, start: int, words: int) -> int:
        """When the banks have served the next words; padding reaches for none."""
        assert self.banks is not None, "only channels at banks that can be behind pass them"
        descriptor, position = self.descriptor, self.total - self.remaining
        offsets = descriptor.pattern.offsets[position : position + words]
        return self.banks.pass_burst(start, descriptor.start + offsets, self.segment)

    def take(self, words: int, cycle: int) -> Words | None:
        """The next words that leave, at `cycle`; None where they are not known."""
        position = self.total - self.remaining
        if not position:
            self.began = cycle
        self.remaining -= words
        return None if self.payload is None else self.payload[position : position + words]

    def give(self, words: int, cycle: int, piece: Words | None) -> None:
        """Words that are on their way here."""
        if self.remaining == self.total:
            self.began = cycle
        self.remaining -= words
        self.arrived.append(piece)

    def finish(self) -> None:
        """The last word of the descriptor has left or arrived."""
        task, descriptor, now = self.task, self.descriptor, self.events.now
        assert task is not None, f"{self.name} is idle"
        if self.sends:
            self.payload = None
        else:
            descriptor.memory.write(descriptor.start, descriptor.pattern, self._collected(), self.segment)
            self.arrived.clear()
        self.activity.moved(self.segment, self.began, now)
        if descriptor.release is not None:
            lock, amount = descriptor.release
            lock.release(amount, now)
        descriptor.count += 1
        self.link += 1
        if self.link == len(task.chain):
            self.link = 0
            self.run += 1
            if self.run == self.runs:
                task.completed()
                self._next_task()
                return
        self._open()

    def _collected(self) -> Words | None:
        """What arrived, if all of it is known."""
        pieces = [piece for piece in self.arrived if piece is not None]
        if len(pieces) < len(self.arrived):
            return None
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
