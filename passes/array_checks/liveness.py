"""
Whether a sequence comes to its end: carried out once, in words and locks, with nothing computed.

    controller   starts tasks in order; an await waits until the channel has ended as many tasks with tokens
    channel      its tasks one after the other, each descriptor of each run: acquire, move the words, release
    stream       a word moves when its source has one to send and all its destinations have room for it
    core         takes its input and sends its output in turns: see below

One run decides for all. A step that is possible stays possible until it is taken: a stream joins the same channels
every time, a channel takes its tasks in order, the controller waits for one channel, and a lock is acquired by one
channel, or one release is enough for all of them (`lock_is_enough_for_all`). So whatever order the hardware chooses, it
can always take the next step that this run took, and if this run reaches the end no other can stop before it.

What cores do depends on parameters, whose values a program may lack. So a core is held to what its program promises
(`compiler.kernels.bodies.core_program`): when all tasks of a turn are started, and whoever receives its output has been
asked for it, the core takes all input of the turn and sends all its output. Less is assumed than the cores can do:
nothing of a turn moves before that, or before the turn in front of it has ended, and no output before all input.
Whether a core keeps the promise, slot by slot, is for the interpreter and for the checkers of plans.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.routes import kind_of
from dialects.aie import DMAChannelDir, LockAction
from passes.array_checks.fault import Found, Rule
from passes.array_checks.order import where_of
from passes.array_checks.progress import ChannelKey, Progress, key_of
from passes.array_checks.turns import streams_of, turns_of
from passes.array_program import Lock, Place, Program, Sequence, Task

WORD_BITS = 32


@dataclass(frozen=True)
class _Piece:
    """Words between two lock operations; locks of cores are left out."""

    words: int
    acquires: tuple[tuple[Lock, int], ...] = ()
    releases: tuple[tuple[Lock, int], ...] = ()


@dataclass(eq=False)
class _Engine:
    """A channel: what is started and has not ended, and where in the first of these it is."""

    queue: deque[tuple[Task, int]] = field(default_factory=deque[tuple[Task, int]])
    """Tasks, and their cores' turns."""
    pieces: tuple[_Piece, ...] = ()
    """Of the first task, if that has begun; they go round."""
    rounds: int = 0
    moved: int = 0
    """Pieces of it that have moved."""
    left: int = 0
    """Words of the next one, if its locks have been acquired."""
    asked: int = 0
    """Words of all tasks that were started."""
    tokens: int = 0
    awaited: int = 0


class _Run:
    """A sequence while it is carried out."""

    def __init__(self, program: Program, sequence: Sequence):
        self.static = {key_of(task) for task in program.static}
        elsewhere = {use.lock for task in program.static for descriptor in task.chain for use in descriptor.uses}
        self.locks = {
            lock: lock.initial
            for lock in program.locks.values()
            if kind_of(lock.place) is TileKind.MEMTILE and lock not in elsewhere
        }
        streams = streams_of(program)
        self.groups: dict[ChannelKey, tuple[ChannelKey, ...]] = {}
        """Channels that move words together."""
        for source, destinations in streams.items():
            group = tuple(key for key in (source, *destinations) if key not in self.static)
            self.groups.update(dict.fromkeys(group, group))
        self.numbers, self.turns = turns_of(sequence, streams)
        self.receives_from: dict[ChannelKey, Place] = {}
        for place, turns in self.turns.items():
            self.receives_from.update(dict.fromkeys((key for turn in turns for key in turn.wanted), place))
        self.engines: dict[ChannelKey, _Engine] = defaultdict(_Engine)
        self.on_core: dict[Place, set[ChannelKey]] = defaultdict(set)
        self.current: Counter[Place] = Counter()
        """The turn of each core,"""
        self.started: Counter[tuple[Place, int]] = Counter()
        """tasks of each turn that are started,"""
        self.ended: Counter[tuple[Place, int, DMAChannelDir]] = Counter()
        """and those that have ended."""
        self.begun = 0
        self.waiting: dict[Lock, set[ChannelKey]] = defaultdict(set)
        self.dirty: dict[tuple[ChannelKey, ...], None] = {}
        """Groups in which something may be possible that was not."""

    def start(self, task: Task) -> None:
        """The controller starts a task."""
        key, turn = key_of(task), self.numbers[self.begun]
        self.begun += 1
        engine = self.engines[key]
        engine.queue.append((task, turn))
        engine.asked += task.words
        self._stir(key)
        if task.kind is TileKind.CORE:
            self.on_core[task.place].add(key)
            self.started[task.place, turn] += 1
            self._stir_core(task.place)
        if key in self.receives_from:
            self._stir_core(self.receives_from[key])

    def token_comes(self, task: Task) -> bool:
        """Whether the next token of a task's channel comes, everything having moved that can."""
        self._settle()
        engine = self.engines[key_of(task)]
        engine.awaited += 1
        return engine.awaited <= engine.tokens

    def stopped(self) -> Iterator[Found]:
        """Channels with tasks that do not end, everything having moved that can, and what each waits for."""
        self._settle()
        for key, engine in self.engines.items():
            if engine.queue and key not in self.static:
                yield f"tile {key[0]} {key[1].name} {key[2]}", self._reason(key, engine)

    def _settle(self) -> None:
        while self.dirty:
            group, _ = self.dirty.popitem()
            self._move(group)

    def _stir(self, key: ChannelKey) -> None:
        self.dirty[self.groups.get(key, (key,))] = None

    def _stir_core(self, place: Place) -> None:
        for key in self.on_core[place]:
            self._stir(key)

    def _move(self, group: tuple[ChannelKey, ...]) -> None:
        """All words of a stream that can move."""
        engines = [self.engines[key] for key in group]
        while all([self._is_ready(key, engine) for key, engine in zip(group, engines, strict=True)]):
            words = min(engine.left for engine in engines)
            for key, engine in zip(group, engines, strict=True):
                engine.left -= words
                if not engine.left:
                    self._piece_ends(key, engine)

    def _is_ready(self, key: ChannelKey, engine: _Engine) -> bool:
        """Whether a channel has words to move, for which it acquires what it can."""
        if engine.left:
            return True
        if not engine.queue:
            return False
        if not engine.pieces:
            if self._held_back(*engine.queue[0]) is not None:
                return False
            engine.pieces, engine.rounds = self._pieces(engine.queue[0][0])
        piece = engine.pieces[engine.moved % len(engine.pieces)]
        for lock, count in piece.acquires:
            if self.locks[lock] < count:
                self.waiting[lock].add(key)
                return False
        for lock, count in piece.acquires:
            self.locks[lock] -= count
        engine.left = piece.words
        return True

    def _pieces(self, task: Task) -> tuple[tuple[_Piece, ...], int]:
        """What moves in each round, and the rounds: all runs are one piece if no lock comes between them."""
        pieces: list[_Piece] = []
        for descriptor in task.chain:
            uses = [use for use in descriptor.uses if use.lock in self.locks]
            acquires = tuple((use.lock, use.count) for use in uses if use.action is not LockAction.Release)
            releases = tuple((use.lock, use.count) for use in uses if use.action is LockAction.Release)
            words = -(-descriptor.length * descriptor.element_bits // WORD_BITS)
            pieces.append(_Piece(words, acquires, releases))
        if any(piece.acquires or piece.releases for piece in pieces):
            return tuple(pieces), task.runs
        return (_Piece(task.runs * sum(piece.words for piece in pieces)),), 1

    def _held_back(self, task: Task, number: int) -> str | None:
        """Why a core neither takes nor sends anything of a task yet."""
        if task.kind is not TileKind.CORE:
            return None
        place, turn = task.place, self.turns[task.place][number]
        if self.current[place] < number:
            return f"turn {self.current[place] + 1} of the core has not ended, this belongs to turn {number + 1}"
        if not turn.has_an_end:
            return None
        started, tasks = self.started[place, number], turn.inputs + turn.outputs
        if started < tasks:
            return f"{started} of the {tasks} tasks of turn {number + 1} of the core are started"
        for (tile, _, channel), words in turn.wanted.items():
            asked = self.engines[tile, DMAChannelDir.S2MM, channel].asked
            if asked < words:
                return (
                    f"tile {tile} S2MM {channel} has been asked for {asked} words of the {words} up to this turn's end"
                )
        taken = self.ended[place, number, DMAChannelDir.S2MM]
        if task.direction is DMAChannelDir.MM2S and taken < turn.inputs:
            return f"{taken} of {turn.inputs} inputs of turn {number + 1} of the core have arrived"
        return None

    def _piece_ends(self, key: ChannelKey, engine: _Engine) -> None:
        piece = engine.pieces[engine.moved % len(engine.pieces)]
        engine.moved += 1
        for lock, count in piece.releases:
            self.locks[lock] += count
            for waiting in self.waiting.pop(lock, ()):
                self._stir(waiting)
        task, number = engine.queue[0]
        if engine.moved < len(engine.pieces) * engine.rounds:
            return
        engine.queue.popleft()
        engine.pieces, engine.moved = (), 0
        engine.tokens += task.token
        if task.kind is TileKind.CORE:
            self._core_goes_on(task, number)

    def _core_goes_on(self, task: Task, number: int) -> None:
        place = task.place
        self.ended[place, number, task.direction] += 1
        turn = self.turns[place][number]
        inputs, outputs = (
            self.ended[place, number, direction] for direction in (DMAChannelDir.S2MM, DMAChannelDir.MM2S)
        )
        if turn.has_an_end and (inputs, outputs) == (turn.inputs, turn.outputs):
            self.current[place] = number + 1
        if inputs == turn.inputs:
            self._stir_core(place)

    def _reason(self, key: ChannelKey, engine: _Engine) -> str:
        task, number = engine.queue[0]
        if engine.left:
            partners = [other for other in self.groups.get(key, ()) if other != key and not self.engines[other].left]
            others = ", ".join(f"tile {place} {way.name} {channel}" for place, way, channel in partners) or "no stream"
            return f"{engine.left} words of a task are left, and {others} never comes to move them"
        held = self._held_back(task, number) if not engine.pieces else None
        if held is not None:
            return f"it never begins: {held}"
        piece = engine.pieces[engine.moved % len(engine.pieces)]
        lock, count = next((lock, count) for lock, count in piece.acquires if self.locks[lock] < count)
        return f"it waits for {count} of {lock.name}, which stays at {self.locks[lock]}"


def sequence_comes_to_its_end(program: Program) -> Iterator[Found]:
    """Every token that a sequence awaits comes, and every task that it starts ends, in whatever order things happen."""
    for sequence in program.sequences:
        starts = [step.task for step in sequence.steps if step.what == "start"]
        if any(task.returns or any(d.length < 1 for d in task.chain) for task in starts):
            continue  # has no end to come to, or no words: other rules say so
        run = _Run(program, sequence)
        for step in sequence.steps:
            if step.what == "start":
                run.start(step.task)
            elif step.what == "await" and not run.token_comes(step.task):
                yield where_of(step), "its token never comes"
                break
        yield from run.stopped()


def lock_is_enough_for_all(program: Program) -> Iterator[Found]:
    """
    What several channels acquire of a MemTile's lock, by tasks that may be under way together, is no more than one
    release brings: otherwise one of them could take what the next release waits for another to take.
    """
    brought: dict[Lock, int] = {}
    for task in program.tasks():
        for lock, count in _changes(task, released=True):
            brought[lock] = min(count, brought.get(lock, count))
    for sequence in program.sequences:
        progress, told = Progress(program), set[Lock]()
        for step in sequence.steps:
            if step.what == "await":
                progress.wait(step.task)
            if step.what != "start":
                continue
            progress.start(step.task)
            for lock in {lock for lock, _ in _changes(step.task, released=False)} - told:
                takers = [progress.channel(key) for key in progress.acquirers[lock]]
                open_count = sum(taker.acquired[lock][-1] - taker.total(taker.acquired[lock]) for taker in takers)
                if len(takers) > 1 and open_count > max(brought.get(lock, 0), lock.initial):
                    told.add(lock)
                    yield (
                        where_of(step),
                        f"{len(takers)} channels may acquire {open_count} of {lock.name} together, "
                        f"one release brings {brought.get(lock, 0)}",
                    )


def _changes(task: Task, released: bool) -> Iterator[tuple[Lock, int]]:
    """What each descriptor of a task acquires of MemTiles' locks, or releases."""
    for descriptor in task.chain:
        for use in descriptor.uses:
            if kind_of(use.lock.place) is TileKind.MEMTILE and (use.action is LockAction.Release) is released:
                yield use.lock, use.count


LIVENESS_RULES: tuple[Rule, ...] = (sequence_comes_to_its_end, lock_is_enough_for_all)
