"""
What the controller knows to have ended, from what it waited for and nothing else.

    a token awaited                     the task has ended, and all before it on its channel
    words received                      their source has sent them: its tasks up to there have ended
    an output of a core                 what was started on that core before it: a core takes all its input before its
                                        last output
    a lock acquired                     somebody released it first: where one channel does, its tasks up to there

`Progress` keeps, for every channel, how many of its starts are known to have ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.routes import kind_of
from dialects.aie import DMAChannelDir, LockAction, WireBundle
from passes.array_checks.streams import ports
from passes.array_program import Lock, Place, Program, Task

ChannelKey = tuple[Place, DMAChannelDir, int]


def key_of(task: Task) -> ChannelKey:
    """The channel of a task."""
    return task.place, task.direction, task.channel


@dataclass(eq=False)
class Channel:
    """Starts of a channel in order: what each one was, when it was, and running totals after it."""

    key: ChannelKey
    tasks: list[Task] = field(default_factory=list[Task])
    times: list[int] = field(default_factory=list[int])
    words: list[int] = field(default_factory=list[int])
    tokens: list[int] = field(default_factory=list[int])
    """Positions of the starts that issue a token."""
    awaited: int = 0
    acquired: dict[Lock, list[int]] = field(default_factory=dict[Lock, list[int]])
    released: dict[Lock, list[int]] = field(default_factory=dict[Lock, list[int]])
    ended: int = 0

    def total(self, sums: list[int]) -> int:
        """A running total at the last start that is known to have ended."""
        return sums[self.ended - 1] if self.ended else 0

    def running(self) -> list[Task]:
        """Starts that may not have ended."""
        return self.tasks[self.ended :]


class Progress:
    """Channels of a sequence while its steps are gone through."""

    def __init__(self, program: Program):
        self.channels: dict[ChannelKey, Channel] = {}
        self.sources: dict[ChannelKey, ChannelKey] = {}
        self.on_core: dict[Place, set[ChannelKey]] = defaultdict(set)
        self.releasers: dict[Lock, set[ChannelKey]] = defaultdict(set)
        self.acquirers: dict[Lock, set[ChannelKey]] = defaultdict(set)
        self.clock = 0
        for flow in program.flows:
            (place, bundle, channel), (to, to_bundle, to_channel) = ports(program, flow)
            if bundle == to_bundle == WireBundle.DMA:
                self.sources[to, DMAChannelDir.S2MM, to_channel] = (place, DMAChannelDir.MM2S, channel)

    def channel(self, key: ChannelKey) -> Channel:
        """The channel of a key."""
        if key not in self.channels:
            self.channels[key] = Channel(key)
            if kind_of(key[0]) is TileKind.CORE:
                self.on_core[key[0]].add(key)
        return self.channels[key]

    def start(self, task: Task) -> None:
        """One more start."""
        channel = self.channel(key_of(task))
        self.clock += 1
        if task.token:
            channel.tokens.append(len(channel.tasks))
        channel.tasks.append(task)
        channel.times.append(self.clock)
        channel.words.append((channel.words[-1] if channel.words else 0) + task.words)
        self._count_locks(channel, task)

    def _count_locks(self, channel: Channel, task: Task) -> None:
        changes: dict[tuple[bool, Lock], int] = defaultdict(int)
        for descriptor in task.chain:
            for use in descriptor.uses:
                changes[use.action is LockAction.Release, use.lock] += use.count * task.runs
        for releases, lock in changes:
            sums = channel.released if releases else channel.acquired
            (self.releasers if releases else self.acquirers)[lock].add(channel.key)
            if lock not in sums:
                sums[lock] = [0] * (len(channel.tasks) - 1)
        for releases, sums in ((False, channel.acquired), (True, channel.released)):
            for lock, running in sums.items():
                running.append((running[-1] if running else 0) + changes.get((releases, lock), 0))

    def wait(self, task: Task) -> bool:
        """Wait for the next token of the task's channel; False if no start before issues one."""
        channel = self.channel(key_of(task))
        if channel.awaited >= len(channel.tokens):
            return False
        position = channel.tokens[channel.awaited]
        channel.awaited += 1
        self._end(channel, position + 1)
        return True

    def _end(self, first: Channel, count: int) -> None:
        """The first `count` starts of a channel have ended, and so has whatever they could not have ended without."""
        pending = [(first, count)]
        while pending:
            channel, ended = pending.pop()
            if ended <= channel.ended:
                continue
            channel.ended = ended
            pending += self._causes(channel)

    def _causes(self, channel: Channel) -> list[tuple[Channel, int]]:
        found: list[tuple[Channel, int]] = []
        place, direction, _ = channel.key
        if direction is DMAChannelDir.S2MM and channel.key in self.sources:
            source = self.channel(self.sources[channel.key])
            found.append((source, bisect_right(source.words, channel.words[channel.ended - 1])))
        if direction is DMAChannelDir.MM2S and place in self.on_core:
            time = channel.times[channel.ended - 1]
            for key in self.on_core[place]:
                other = self.channels[key]
                found.append((other, bisect_right(other.times, time)))
        for lock in channel.acquired:
            releasers = self.releasers[lock]
            if len(releasers) == 1:
                acquired = sum(other.total(other.acquired[lock]) for other in map(self.channel, self.acquirers[lock]))
                (key,) = releasers
                releaser = self.channel(key)
                found.append((releaser, bisect_right(releaser.released[lock], acquired - lock.initial)))
        return found
