"""
Who has which buffer descriptor, and how many tasks wait in which queue: the controller's memory.

Writing descriptors is what the controller spends its time on, so what a tile's descriptors hold is remembered: a task
that is asked for again while its descriptors still hold it is only pushed, be it still under way. A descriptor keeps
its iteration counter when its task ends, so this holds only where a task begins where the one before it ends; and if
each has a token that is waited for, the second one needs descriptors of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.errors import CapacityError

NEVER = 1 << 31
"""A launch that does not come."""


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
    runs: int = 1
    first: int = 0
    """The run of a turn that it begins with."""
    turn: int = 1
    """Runs after which its iterations are back where they were."""
    token: bool = False
    kept: bool = True
    """Whether its descriptors stay as they are when it has ended, since it may be asked for again."""


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
    runs: int = 0
    """Where their iterations stand when all that is under way has ended."""

    def stands_at(self, request: Request) -> bool:
        """Whether a task may go on where the iterations stand then."""
        return (self.runs - request.first) % request.turn == 0


@dataclass
class _Pool:
    free: list[int]
    held: OrderedDict[tuple[Hashable, int], _Held] = field(default_factory=OrderedDict[tuple[Hashable, int], _Held])
    """Oldest use first."""
    last: int = -1
    """The number that was taken last."""

    def make_room(self, count: int, next_use: Callable[[Hashable], int]) -> list[tuple[Hashable, int]]:
        """
        Forget tasks that are not under way until `count` numbers are free: which. Those go first that are wanted last
        (Belady), and among them the oldest.
        """
        dropped: list[tuple[Hashable, int]] = []
        if len(self.free) < count:
            idle = [key for key, held in self.held.items() if not held.busy]
            for key in sorted(idle, key=lambda key: -next_use(key[0])):
                if len(self.free) >= count:
                    break
                self.free += self.held.pop(key).numbers
                dropped.append(key)
        return dropped

    def aim(self, count: int) -> None:
        """So many numbers will be taken: let them lie together, in the shortest run that holds them all."""
        runs = self._runs()
        if runs:
            best = min(runs, key=lambda run: (len(run) < count, abs(len(run) - count), run))
            self.last = best[0] - 1

    def _runs(self) -> list[list[int]]:
        """Free numbers that follow each other."""
        runs: list[list[int]] = []
        for number in sorted(self.free):
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        return runs

    def take(self, count: int, stays: bool) -> tuple[int, ...]:
        """
        Free numbers: if possible those behind the last ones, else where most lie together. What stays for long lies at
        the end, out of the way.
        """
        if stays:
            taken = tuple(sorted(self.free)[-count:])
            self.free = [number for number in self.free if number not in taken]
            return taken
        runs = self._runs()
        behind = [run[run.index(self.last + 1) :] for run in runs if self.last + 1 in run]
        best = next((run for run in behind if len(run) >= count), None) or max(runs, key=len)
        taken = (*best, *(number for run in runs if run is not best for number in run))[:count]
        self.free = [number for number in self.free if number not in taken]
        self.last = taken[-1]
        return tuple(taken)


@dataclass
class DescriptorBook:
    """Descriptors and queues of the whole array."""

    pools: dict[Hashable, _Pool] = field(default_factory=dict[Hashable, _Pool])
    queued: Counter[Hashable] = field(default_factory=Counter[Hashable])
    users: Mapping[Hashable, Sequence[int]] = field(default_factory=dict[Hashable, Sequence[int]])
    """Numbers of the launches that ask for each task, in order."""
    launch: int = 0
    """The one that asks now."""

    def _next_use(self, what: Hashable) -> int:
        """The next launch that asks for a task, this one or a later one; what no launch asks for is wanted soon."""
        if what not in self.users:
            return self.launch + 1
        users = self.users[what]
        later = bisect_left(users, self.launch)
        return users[later] if later < len(users) else NEVER

    def _pool(self, request: Request) -> _Pool:
        if request.pool not in self.pools:
            self.pools[request.pool] = _Pool(list(range(request.size)))
        return self.pools[request.pool]

    def _copy(self, request: Request) -> int:
        """The first copy that may be pushed."""
        held, copy = self._pool(request).held, 0
        while (found := held.get((request.what, copy))) is not None and found.busy:
            if not request.token and found.stands_at(request):
                break
            copy += 1
        return copy

    def has_room(
        self, requests: Iterable[Request], queue_depth: int, held: Iterable[Request] = (), spare: int = 0
    ) -> bool:
        """
        Whether all of these can be started now, and the descriptors of others be held, with what is under way still
        under way and `spare` descriptors left in every pool.
        """
        queued = Counter(self.queued)
        wanted: dict[Hashable, list[Request]] = {}
        for request in requests:
            queued[request.channel] += 1
            if queued[request.channel] > queue_depth:
                return False
            wanted.setdefault(request.pool, []).append(request)
        for request in held:
            wanted.setdefault(request.pool, []).append(request)
        return all(self._fits(requests, spare) for requests in wanted.values())

    def _fits(self, requests: list[Request], spare: int) -> bool:
        pool = self._pool(requests[0])
        wanted = {(request.what, self._copy(request)): request.links for request in requests}
        kept = sum(len(held.numbers) for key, held in pool.held.items() if held.busy and key not in wanted)
        return kept + sum(wanted.values()) + spare <= requests[0].size

    def aim(self, requests: Iterable[Request]) -> None:
        """Tasks will be held of which some do not stay: their descriptors had best lie together."""
        wanted: Counter[Hashable] = Counter()
        for request in requests:
            pool = self._pool(request)
            if not request.kept and (request.what, self._copy(request)) not in pool.held:
                wanted[request.pool] += request.links
        for name, count in wanted.items():
            self.pools[name].aim(count)

    def hold(self, request: Request) -> Started:
        """
        Take descriptors for a task that is to be pushed. Raises CapacityError if its pool has too few that are not in
        use.
        """
        pool, copy = self._pool(request), self._copy(request)
        key = (request.what, copy)
        held = pool.held.get(key)
        written = held is None or not held.stands_at(request)
        dropped = pool.make_room(request.links, self._next_use) if held is None else []
        if held is None:
            if len(pool.free) < request.links:
                raise CapacityError(
                    f"{request.links} descriptors are needed, and {len(pool.free)} of the {request.size} that serve "
                    f"this channel are free; the others belong to tasks under way"
                )
            held = pool.held[key] = _Held(pool.take(request.links, request.kept))
        pool.held.move_to_end(key)
        held.busy += 1
        held.runs = request.runs + (request.first if written else held.runs)
        return Started(request, copy, held.numbers, written, tuple(dropped))

    def push(self, task: Started) -> None:
        """It is in its channel's queue now."""
        self.queued[task.request.channel] += 1

    def ended(self, task: Started) -> bool:
        """It is no longer under way; whether its descriptors have been given up too."""
        pool, key = self._pool(task.request), (task.request.what, task.copy)
        pool.held[key].busy -= 1
        self.queued[task.request.channel] -= 1
        if task.request.kept or pool.held[key].busy:
            return False
        pool.free += pool.held.pop(key).numbers
        return True
