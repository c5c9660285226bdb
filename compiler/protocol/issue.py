"""
In which order tasks that may start at the same time are issued: tile by tile, and what a tile takes in the order of its
registers, so that as much as possible of it is one instruction (`compiler.hardware.bursts`).

What a tile's descriptors do not hold is written before its first push. Two tasks of one channel keep their order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from compiler.hardware.bursts import Awaited, Described, Pushed
from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.routes import MEMTILE_ROW, kind_of
from compiler.protocol.descriptors import DescriptorBook, Started
from compiler.protocol.tasks import Task, begin
from dialects.aie import DMAChannelDir


def pushed(task: Task) -> Pushed:
    """The push of a task."""
    return Pushed(task.place, kind_of(task.place), task.direction is DMAChannelDir.MM2S, task.channel)


def awaited(task: Task) -> Awaited:
    """The wait for a task's token."""
    return Awaited(task.place, kind_of(task.place), task.direction is DMAChannelDir.MM2S, task.channel)


def described(task: Task, numbers: tuple[int, ...]) -> Described:
    """The descriptors of a task; those of shims address DDR."""
    kind = kind_of(task.place)
    return Described(task.place, kind, numbers, len(numbers) if kind is TileKind.SHIM else 0)


def descriptor_numbers(task: Task, started: Started, chip: Chip) -> tuple[int, ...]:
    """Numbers in the tile: the second half of a MemTile's descriptors serves its odd channels."""
    first = task.channel % 2 * chip.memtile_descriptors // 2 if task.place[1] == MEMTILE_ROW else 0
    return tuple(first + number for number in started.numbers)


@dataclass(frozen=True)
class UnderWay:
    """A task that has been pushed, and its place among the descriptors."""

    task: Task
    started: Started


class Issuer(ABC):
    """Who takes the tasks: the code generator writes them down, an estimate counts them."""

    def __init__(self, chip: Chip):
        self.chip = chip
        self.book = DescriptorBook()
        self.segment = ""

    def enter(self, segment: str) -> None:
        """What follows belongs to this segment."""
        self.segment = segment

    def start(self, *tasks: Task) -> list[UnderWay]:
        """
        Push tasks to their channels' queues, writing the descriptors that a tile does not hold.

        Raises CapacityError if a tile has too few descriptors.
        """
        begun: dict[int, Started] = {}
        for place in dict.fromkeys(task.place for task in tasks):
            mine = [(number, task) for number, task in enumerate(tasks) if task.place == place]
            for number, task in mine:
                begun[number] = begin(self.book, task, self.chip, self.segment)
            for number, _ in mine:
                self.drop(begun[number].dropped)
            self._write([(task, begun[number]) for number, task in mine if begun[number].written])
            for number, task in _by_register(mine):
                self.push(task, begun[number])
        return [UnderWay(task, begun[number]) for number, task in enumerate(tasks)]

    def _write(self, tasks: list[tuple[Task, Started]]) -> None:
        for task, started in sorted(tasks, key=lambda each: descriptor_numbers(*each, self.chip)):
            self.write(task, started, descriptor_numbers(task, started, self.chip))

    @abstractmethod
    def drop(self, dropped: Iterable[tuple[Hashable, int]]) -> None:
        """Descriptors hold these tasks no longer; each is what its request asked for, and its copy."""

    @abstractmethod
    def write(self, task: Task, started: Started, numbers: tuple[int, ...]) -> None:
        """Write the descriptors of a task."""

    @abstractmethod
    def push(self, task: Task, started: Started) -> None:
        """Push a task whose descriptors are written."""

    def wait(self, under_way: UnderWay) -> None:
        """Wait for a task's token; its descriptors are free then."""
        self.take_token(under_way)
        self.book.ended(under_way.started, dropped=True)

    def ended(self, under_way: UnderWay) -> None:
        """A task without a token is known to have ended."""
        self.book.ended(under_way.started)

    @abstractmethod
    def take_token(self, under_way: UnderWay) -> None:
        """Wait for a task's token."""


def have_room(issuer: Issuer, wanted: Sequence[Task]) -> bool:
    """Whether all of these can be started beside what is under way."""
    requests = [task.request(issuer.chip) for task in wanted]
    return issuer.book.has_room(requests, issuer.chip.queue_depth)


def _by_register(tasks: Sequence[tuple[int, Task]]) -> list[tuple[int, Task]]:
    """
    In rounds through the queues of a tile: the last task of every channel in the last round, the one before in the
    round before that. So a core's last output is pushed after all its input.
    """
    left = Counter(pushed(task).queue for _, task in tasks)
    rounds: list[tuple[int, int, int, Task]] = []
    for number, task in tasks:
        queue = pushed(task).queue
        rounds.append((-left[queue], queue, number, task))
        left[queue] -= 1
    return [(number, task) for _, _, number, task in sorted(rounds, key=lambda each: each[:3])]
