"""
Locks: counting semaphores of a tile, through which DMA channels and the core pass space and data to each other.

An acquire that cannot be served waits; who waits longest is served first, but whoever asks for no more than there is
gets it, as on the hardware, where a waiting acquire is an acquire that is tried again. A release is seen
`lock_cycles` after it was made. It is an event only if somebody waits; otherwise whoever asks next counts it.
"""

from __future__ import annotations

import heapq
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
    coming: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Releases that nobody has seen yet, as a heap: the cycle in which they can be, and the amount."""
    waiting: deque[tuple[int, Action]] = field(default_factory=deque[tuple[int, Action]])

    def acquire(self, amount: int, granted: Action) -> bool:
        """Take `amount` now and return True, or call `granted` later, when it has been taken."""
        if self.coming:
            self.see(self.events.now)
        if self.value >= amount:
            self.value -= amount
            return True
        self.waiting.append((amount, granted))
        for cycle, _ in self.coming:
            self.events.at(cycle, Priority.RELEASE, self._serve)
        return False

    def release(self, amount: int, cycle: int) -> None:
        """Add `amount` at `cycle`; it can be taken `delay` cycles later."""
        seen = cycle + self.delay
        heapq.heappush(self.coming, (seen, amount))
        if self.waiting:
            self.events.at(seen, Priority.RELEASE, self._serve)

    def see(self, now: int) -> None:
        """Count what has been released until `now`."""
        while self.coming and self.coming[0][0] <= now:
            cycle, amount = heapq.heappop(self.coming)
            self.value += amount
            if self.value > self.limit:
                raise SimulationError(
                    f"lock '{self.name}' rises to {self.value} in cycle {cycle}; a lock counts to {self.limit}"
                )

    def settle(self) -> None:
        """Nothing happens any more: count what is left."""
        if self.coming:
            self.see(max(cycle for cycle, _ in self.coming))

    def _serve(self) -> None:
        self.see(self.events.now)
        while self.waiting and self.waiting[0][0] <= self.value:
            wanted, granted = self.waiting.popleft()
            self.value -= wanted
            granted()
