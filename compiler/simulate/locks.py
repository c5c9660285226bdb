"""
Locks: counting semaphores of a tile, through which DMA channels and the core pass space and data to each other.

An acquire that cannot be served waits; who waits longest is served first, but whoever asks for no more than there is
gets it, as on the hardware, where a waiting acquire is an acquire that is tried again. A release is seen
`lock_cycles` after it was made.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from compiler.simulate.events import Action, EventQueue, Priority, SimulationError


@dataclass(eq=False)
class Lock:
    """One semaphore; `waiting` holds who asks for how much and what happens then."""

    name: str
    value: int
    limit: int
    delay: int
    events: EventQueue
    waiting: deque[tuple[int, Action]] = field(default_factory=deque[tuple[int, Action]])

    def acquire(self, amount: int, granted: Action) -> bool:
        """Take `amount` now and return True, or call `granted` later, when it has been taken."""
        if self.value >= amount:
            self.value -= amount
            return True
        self.waiting.append((amount, granted))
        return False

    def release(self, amount: int, cycle: int) -> None:
        """Add `amount` at `cycle`; it can be taken `delay` cycles later."""
        self.events.at(cycle + self.delay, Priority.RELEASE, lambda: self._raise(amount))

    def _raise(self, amount: int) -> None:
        self.value += amount
        if self.value > self.limit:
            raise SimulationError(
                f"lock '{self.name}' rises to {self.value} in cycle {self.events.now}; a lock counts to {self.limit}"
            )
        while self.waiting and self.waiting[0][0] <= self.value:
            wanted, granted = self.waiting.popleft()
            self.value -= wanted
            granted()
