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
class _Held:
    """Descriptors that hold a task, and how often it is under way."""

    numbers: tuple[int, ...]
    busy: int = 0


@dataclass
class _Pool:
    free: list[int]
    held: OrderedDict[tuple[Hashable, int], _Held] = field(default_factory=OrderedDict[tuple[Hashable, int], _Held])
    """Oldest use first."""


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
        held, copy = self._pool(request).held, 0
        while (request.what, copy) in held and held[request.what, copy].busy:
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
        kept = sum(len(held.numbers) for key, held in pool.held.items() if held.busy and key not in wanted)
        return kept + sum(wanted.values()) <= requests[0].size

    def start(self, request: Request) -> Started:
        """Note a task as under way. Raises CapacityError if its pool has too few descriptors that are not in use."""
        pool, copy = self._pool(request), self._copy(request)
        key = (request.what, copy)
        held, dropped = pool.held.get(key), list[tuple[Hashable, int]]()
        written = held is None or not request.turns
        if held is None:
            for old, idle in list(pool.held.items()):
                if len(pool.free) >= request.links:
                    break
                if not idle.busy:
                    pool.free += pool.held.pop(old).numbers
                    dropped.append(old)
            if len(pool.free) < request.links:
                raise CapacityError(
                    f"{request.links} descriptors are needed, and {len(pool.free)} of the {request.size} that serve "
                    f"this channel are free; the others belong to tasks under way"
                )
            pool.free.sort()
            held, pool.free = _Held(tuple(pool.free[: request.links])), pool.free[request.links :]
            pool.held[key] = held
        pool.held.move_to_end(key)
        held.busy += 1
        self.queued[request.channel] += 1
        return Started(request, copy, held.numbers, written, tuple(dropped))

    def ended(self, task: Started, *, dropped: bool = False) -> None:
        """It is no longer under way; `dropped` if its descriptors are given up too."""
        pool, key = self._pool(task.request), (task.request.what, task.copy)
        pool.held[key].busy -= 1
        self.queued[task.request.channel] -= 1
        if dropped:
            pool.free += pool.held.pop(key).numbers
