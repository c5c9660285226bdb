"""
How many instructions the controller needs, in the order in which it issues them.

The protocol itself says which tasks are pushed when; here they are counted instead of written down. A descriptor is
one block write and, if it addresses DDR, one address patch; a push is one write, and so is an await.
"""

from __future__ import annotations

from collections import Counter

from compiler.hardware.chip import Chip
from compiler.hardware.routes import SHIM_ROW
from compiler.protocol.descriptors import DescriptorBook, Started
from compiler.protocol.tasks import Task, begin


class InstructionCount:
    """Takes the tasks of one invocation and counts."""

    def __init__(self, chip: Chip):
        self.chip = chip
        self.book = DescriptorBook()
        self.count = 0
        self.segment = ""
        self.by_segment: Counter[str] = Counter()
        self.pushes: list[tuple[Task, int]] = []
        """Every task with the number of instructions up to its push."""

    def enter(self, segment: str) -> None:
        """What follows belongs to this segment."""
        self.segment = segment

    def _issue(self, instructions: int) -> None:
        self.count += instructions
        self.by_segment[self.segment] += instructions

    def start(self, task: Task) -> Started:
        """Write a task's descriptors if need be, push it."""
        started = begin(self.book, task, self.chip, self.segment)
        each = 2 if task.place[1] == SHIM_ROW else 1
        self._issue(1 + (each * len(task.chain) if started.written else 0))
        self.pushes.append((task, self.count))
        return started

    def wait(self, task: Started) -> None:
        """Wait for a token; the task's descriptors are free then."""
        self._issue(1)
        self.book.ended(task, dropped=True)
