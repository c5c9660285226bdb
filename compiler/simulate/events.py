"""
Time: a queue of things that will happen, in whole cycles.

    events = EventQueue()
    events.at(12, Priority.TRANSFER, finish)
    events.run()

Events of one cycle happen in the order of their priority, then in the order in which they were scheduled, so a run is
repeatable to the last cycle. The clock moves before an event runs: `now` is always the event's own cycle.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from enum import IntEnum

from compiler.errors import BlockloomError

Action = Callable[[], None]


class SimulationError(BlockloomError):
    """The program asks the array for something it cannot do, or waits for what never comes."""


class Priority(IntEnum):
    """Who goes first in a cycle: a lock that rises is seen by everybody who asks for it in that cycle."""

    RELEASE = 0
    TRANSFER = 1
    CORE = 2
    CONTROLLER = 3


class EventQueue:
    """Pending events as a heap of (cycle, priority, serial, action)."""

    def __init__(self) -> None:
        self.now = 0
        self._heap: list[tuple[int, int, int, Action]] = []
        self._serial = 0

    def at(self, cycle: int, priority: Priority, action: Action) -> None:
        """Schedule `action`; the past cannot be changed."""
        assert cycle >= self.now, f"an event for cycle {cycle} comes too late, it is {self.now}"
        self._serial += 1
        heapq.heappush(self._heap, (cycle, priority, self._serial, action))

    def run(self) -> None:
        """Until nothing is pending."""
        heap, pop = self._heap, heapq.heappop
        while heap:
            self.now, _, _, action = pop(heap)
            action()
