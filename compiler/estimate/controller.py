"""
How many instructions the controller needs, in the order in which it issues them.

The protocol itself says which tasks are pushed when; here they are counted instead of written down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable

from compiler.hardware.bursts import Bursts, Step
from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW
from compiler.protocol.descriptors import Started
from compiler.protocol.issue import Issuer, UnderWay, awaited, described, pushed
from compiler.protocol.tasks import Task
from dialects.notes import WEIGHT_STREAM


class InstructionCount(Issuer):
    """Takes the tasks of one invocation and counts."""

    def __init__(self, chip: Chip):
        super().__init__(chip)
        self.bursts = Bursts()
        self.count = 0
        self.by_segment: Counter[str] = Counter()
        self.pushes: list[tuple[Task, int]] = []
        """Every task with the number of instructions up to its push, but for MemTiles' tasks of the weight stream."""
        self.first_page: int | None = None
        """Instructions up to the first push of those."""
        self.waits: list[tuple[Task, int]] = []
        """Every task whose token was waited for, with the instructions that the wait took."""
        self.last_output: int | None = None
        """Instructions up to the last wait for the output of a launch."""

    def _issue(self, step: Step) -> int:
        instructions = self.bursts.count(step).instructions
        self.count += instructions
        self.by_segment[self.segment] += instructions
        return instructions

    def drop(self, dropped: Iterable[tuple[Hashable, int]]) -> None:
        """That takes no instruction."""

    def write(self, task: Task, started: Started, numbers: tuple[int, ...]) -> None:
        """Count writes and patches."""
        self._issue(described(task, numbers))

    def push(self, task: Task, started: Started) -> None:
        """Count a push."""
        self._issue(pushed(task))
        if self.segment != WEIGHT_STREAM or task.place[1] != MEMTILE_ROW:
            self.pushes.append((task, self.count))
        elif self.first_page is None:
            self.first_page = self.count

    def take_token(self, under_way: UnderWay) -> None:
        """Count a wait."""
        task = under_way.task
        self.waits.append((task, self._issue(awaited(task))))
        if task.place[1] == MEMTILE_ROW and task.channel < self.chip.core_rows:
            self.last_output = self.count
