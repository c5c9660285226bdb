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
from compiler.protocol.tasks import Place, Task, begin
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
        return self.prepare(tasks)[0]

    def prepare(self, tasks: Sequence[Task], late: Sequence[Task] = ()) -> tuple[list[UnderWay], list[UnderWay]]:
        """Push tasks as `start` does; of those that are `late` only write the descriptors."""
        now = len(tasks)
        tasks = [*tasks, *late]
        begun: dict[int, UnderWay] = {}
        places: dict[Place, list[int]] = {}
        for number, task in enumerate(tasks):
            places.setdefault(task.place, []).append(number)
        # from the shim upwards, so that pushes follow what is only written: an instruction belongs to what comes next
        for place in sorted(places) if late else places:
            mine = places[place]
            self.book.aim(tasks[number].request(self.chip) for number in mine)
            for number in mine:
                begun[number] = UnderWay(tasks[number], begin(self.book, tasks[number], self.chip, self.segment))
                self.drop(begun[number].started.dropped)
            self._write([begun[number] for number in mine if begun[number].started.written])
            self.push_prepared([begun[number] for number in mine if number < now])
        ordered = [begun[number] for number in range(len(tasks))]
        return ordered[:now], ordered[now:]

    def push_prepared(self, tasks: Sequence[UnderWay]) -> None:
        """Push tasks whose descriptors are written."""
        places: dict[Place, list[UnderWay]] = {}
        for one in tasks:
            places.setdefault(one.task.place, []).append(one)
        for mine in places.values():
            for one in _by_register(mine):
                self.book.push(one.started)
                self.push(one.task, one.started)

    def _write(self, tasks: list[UnderWay]) -> None:
        numbered = [(descriptor_numbers(one.task, one.started, self.chip), one) for one in tasks]
        for numbers, one in sorted(numbered, key=lambda each: each[0]):
            self.write(one.task, one.started, numbers)

    def wait(self, under_way: UnderWay) -> None:
        """Wait for a task's token; its descriptors are free then."""
        self.take_token(under_way)
        self.book.ended(under_way.started)

    def ended(self, under_way: UnderWay) -> None:
        """A task without a token is known to have ended."""
        if self.book.ended(under_way.started):
            self.drop([(under_way.task, under_way.started.copy)])

    @abstractmethod
    def drop(self, dropped: Iterable[tuple[Hashable, int]]) -> None:
        """Descriptors hold these tasks no longer; each is what its request asked for, and its copy."""

    @abstractmethod
    def write(self, task: Task, started: Started, numbers: tuple[int, ...]) -> None:
        """Write the descriptors of a task."""

    @abstractmethod
    def push(self, task: Task, started: Started) -> None:
        """Push a task whose descriptors are written."""

    @abstractmethod
    def take_token(self, under_way: UnderWay) -> None:
        """Wait for a task's token."""


def have_room(issuer: Issuer, wanted: Sequence[Task], prepared: Sequence[Task] = (), spare: int = 0) -> bool:
    """
    Whether tasks can be started beside what is under way, and the descriptors of others be written, with `spare`
    descriptors left to whatever else comes.
    """
    requests, held = ([task.request(issuer.chip) for task in tasks] for tasks in (wanted, prepared))
    return issuer.book.has_room(requests, issuer.chip.queue_depth, held, spare)


def _by_register(tasks: Sequence[UnderWay]) -> list[UnderWay]:
    """
    In rounds through the queues of a tile: the last task of every channel in the last round, the one before in the
    round before that. So a core's last output is pushed after all its input.
    """
    queues = [pushed(one.task).queue for one in tasks]
    left = Counter(queues)
    rounds: list[tuple[int, int, int]] = []
    for number, queue in enumerate(queues):
        rounds.append((-left[queue], queue, number))
        left[queue] -= 1
    return [tasks[number] for _, _, number in sorted(rounds)]
