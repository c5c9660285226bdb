"""
Who has which buffer descriptor, and how many tasks wait in which queue: the controller's memory.

Writing descriptors is what the controller spends its time on, so what a tile's descriptors hold is remembered: a task
that is asked for again while its descriptors still hold it is only pushed. A descriptor keeps its iteration counter
when its task ends, so this holds only for tasks that end on a whole turn of their iteration. A task under way may be
pushed once more if it does; if not, or if each has a token that is waited for, the second one needs descriptors of
its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from compiler.errors import CapacityError


@dataclass(frozen=True)
class Request:
    """A task that is to be started. Equal `what` in one pool means equal descriptors."""

    pool: Hashable
    size: int
    """Descriptors of the pool."""
    channel: Hashable
    what: Hashable
    links: int = 1
    """Descriptors of its chain."""
    turns: bool = True
    """Whether it ends on a whole turn of every iteration."""
    token: bool = False


@dataclass(frozen=True)
class Started:
    """A task under way: `copy` tells tasks that are equal and have descriptors of their own."""

    request: Request
    copy: int
    numbers: tuple[int, ...]
    written: bool
    """Whether its descriptors had to be written."""
    dropped: tuple[tuple[Hashable, int], ...] = ()
    """What the tile no longer holds: `what` and `copy`."""


@dataclass
class _Pool:
    free: list[int]
    held: OrderedDict[tuple[Hashable, int], tuple[int, ...]] = field(
        default_factory=OrderedDict[tuple[Hashable, int], tuple[int, ...]]
    )
    """Oldest use first."""
    busy: Counter[tuple[Hashable, int]] = field(default_factory=Counter[tuple[Hashable, int]])


@dataclass
class DescriptorBook:
    """Descriptors and queues of the whole array."""

    pools: dict[Hashable, _Pool] = field(default_factory=dict[Hashable, _Pool])
    queued: Counter[Hashable] = field(default_factory=Counter[Hashable])

    def _pool(self, request: Request) -> _Pool:
        if request.pool not in self.pools:
            self.pools[request.pool] = _Pool(list(range(request.size)))
        return self.pools[request.pool]

    def _copy(self, request: Request) -> int:
        """The first copy that may be pushed."""
        if request.turns and not request.token:
            return 0
        busy, copy = self._pool(request).busy, 0
        while busy[request.what, copy]:
            copy += 1
        return copy

    def has_room(self, requests: Iterable[Request], queue_depth: int) -> bool:
        """Whether all of these can be started now, with what is under way still under way."""
        queued = Counter(self.queued)
        wanted: dict[Hashable, list[Request]] = {}
        for request in requests:
            queued[request.channel] += 1
            if queued[request.channel] > queue_depth:
                return False
            wanted.setdefault(request.pool, []).append(request)
        return all(self._fits(requests) for requests in wanted.values())

    def _fits(self, requests: list[Request]) -> bool:
        pool = self._pool(requests[0])
        wanted = {(request.what, self._copy(request)): request.links for request in requests}
        kept = {key: len(numbers) for key, numbers in pool.held.items() if pool.busy[key] or key in wanted}
        used = sum(kept.values()) + sum(links for key, links in wanted.items() if key not in kept)
        return used <= requests[0].size

    def start(self, request: Request) -> Started:
        """Note a task as under way. Raises CapacityError if its pool has too few descriptors that are not in use."""
        pool, copy = self._pool(request), self._copy(request)
        key = (request.what, copy)
        numbers, dropped = pool.held.get(key), list[tuple[Hashable, int]]()
        written = numbers is None or not request.turns
        if numbers is None:
            for old in list(pool.held):
                if len(pool.free) >= request.links:
                    break
                if not pool.busy[old]:
                    pool.free += pool.held.pop(old)
                    dropped.append(old)
            if len(pool.free) < request.links:
                raise CapacityError(
                    f"{request.pool} needs {request.links} descriptors for {request.channel}, {len(pool.free)} are "
                    f"free while the others of {request.size} are in use"
                )
            pool.free.sort()
            numbers, pool.free = tuple(pool.free[: request.links]), pool.free[request.links :]
            pool.held[key] = numbers
        pool.held.move_to_end(key)
        pool.busy[key] += 1
        self.queued[request.channel] += 1
        return Started(request, copy, numbers, written, tuple(dropped))

    def ended(self, task: Started, *, dropped: bool = False) -> None:
        """It is no longer under way; `dropped` if its descriptors are given up too."""
        pool, key = self._pool(task.request), (task.request.what, task.copy)
        pool.busy[key] -= 1
        self.queued[task.request.channel] -= 1
        if dropped:
            pool.free += pool.held.pop(key)
