"""
All weights of an invocation on their way to the cores, as one endless stream per column.

A shim sends the chunks of all launches one after the other, as the cores of its MemTile's broadcast will use them. The
MemTile passes them on page by page through one ring, and a page knows nothing of chunks or launches: a core's own
descriptors cut the stream into chunks. So weights come from DDR as far ahead as the ring is long, and the controller
spends a handful of instructions on them for a whole network.

A DEEP launch brings words for each core of a column by itself. Those of even rows come in the same stream, a page for
each in turn, into rings of their own; those of odd rows come on the channel of the activations, behind those of their
launch, or while the launch before runs if the map of theirs is in the MemTiles (`compiler.protocol.launch`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW, SHIM_LOAD, SHIM_ROW, channels, listeners
from compiler.protocol.descriptors import NEVER
from compiler.protocol.image import WEIGHTS, Image, linear
from compiler.protocol.issue import Issuer, UnderWay
from compiler.protocol.tasks import Descriptor, Task, place_name
from compiler.protocol.weight_streams import arriving_pages, own_words, stream_of, words_heard
from compiler.transfers.window import Window
from dialects import mem
from dialects.aie import DMAChannelDir
from dialects.notes import WEIGHT_STREAM

S2MM, MM2S = DMAChannelDir.S2MM, DMAChannelDir.MM2S


@dataclass(frozen=True)
class _Waiting:
    """A task that is still to be pushed."""

    task: Task
    first: int
    """The launch that needs its first words,"""
    last: int
    """and the one with whose end it has ended."""
    segment: int = 0
    """It may be pushed when this segment has begun,"""
    launches: int = 0
    """and so many launches have ended."""


@dataclass
class _Channel:
    """Tasks of one MemTile channel in their order. The queue may hold `room` of them."""

    room: int
    waiting: deque[_Waiting] = field(default_factory=deque[_Waiting])
    running: deque[tuple[int, UnderWay]] = field(default_factory=deque[tuple[int, UnderWay]])

    def ask_for_tokens(self) -> None:
        """A task asks for a token if what takes its place in the queue is needed before the end of a launch tells."""
        behind = list(self.waiting)[self.room :]
        for number, later in enumerate(behind):
            if self.waiting[number].last >= later.first:
                task = replace(self.waiting[number].task, token=True)
                self.waiting[number] = replace(self.waiting[number], task=task)

    def is_short(self, launch: int) -> bool:
        """Whether words that a launch needs are not in the queue, because that is full."""
        return len(self.running) == self.room and bool(self.waiting) and self.waiting[0].first <= launch


@dataclass
class _Column:
    """How far the stream of one column has been made into tasks."""

    words: list[npt.NDArray[np.int32]] = field(default_factory=list[npt.NDArray[np.int32]])
    page: int = 0
    """Slot of the ring that broadcasts in which the next page begins."""


class WeightFeed:
    """
    Writes the rings' tasks: as many as the queues hold at the start, the others as launches end, or during a launch
    whose weights are more than the queues hold. Between two launches only what the second one needs is pushed: other
    pages are ahead of their time, and follow its activations.

    `launches` come with the number of their segment. Broadcasts of weights are held back until all DEEP launches
    before have ended, since those broadcast activations on the same channel.
    """

    def __init__(self, chip: Chip, tasks: Issuer, image: Image, launches: Sequence[tuple[mem.LaunchOp, int]]):
        self.chip = chip
        self.tasks = tasks
        self.launches = launches
        self.channels: list[_Channel] = []
        self.broadcast_words: list[list[int]] = []
        """
        Words that each column broadcasts, from one DEEP launch to the next: a page holds none from before and behind
        one. Empty if there are no weights at all.
        """
        self.segment, self.ended = 0, 0
        tasks.enter(WEIGHT_STREAM)
        if not any(op.weights is not None for op, _ in launches):
            return
        for column in range(chip.columns):
            self._column(column, image)
        for channel in self.channels:
            channel.ask_for_tokens()
        self._push()

    def _column(self, column: int, image: Image) -> None:
        """Everything that the column's channel for weights brings, launch by launch."""
        _, row = listeners(self.chip, column)[0]
        deep = [number for number, (op, _) in enumerate(self.launches) if op.deep]
        arriving = _Channel(self.chip.queue_depth)
        leaving = _Channel(self.chip.queue_depth - bool(deep))
        self.channels += [arriving, leaving]
        state, first = _Column(), 0
        broadcast: list[int] = []
        for last in (*deep, len(self.launches)):
            sizes = [stream_of(op, self.chip, row)[1:] for op, _ in self.launches[first:last]]
            broadcast.append(sum(count * size for count, size in sizes))
            self._broadcast(column, row, range(first, last), state, arriving, leaving)
            if last in deep and self.launches[last][0].rings:
                self._own(column, last, state, arriving)
            first = last + 1
        self.broadcast_words.append(broadcast)
        words = sum(part.size for part in state.words)
        if words:
            source = Descriptor(WEIGHTS, linear(image.append(*state.words), words))
            self.tasks.start(Task((column, SHIM_ROW), MM2S, SHIM_LOAD, (source,)))

    def _own(self, column: int, number: int, state: _Column, arriving: _Channel) -> None:
        """A DEEP launch's weights for the cores of even rows."""
        op, segment = self.launches[number]
        rows = range(0, self.chip.core_rows, 2)
        state.words.append(own_words(op, column, rows))
        task = arriving_pages(op, (column, MEMTILE_ROW), channels(self.chip).load, rows)
        first = number == 0 or self.launches[number - 1][1] < segment
        begin, ended = (segment - op.ring_op.ahead, 0) if first else (segment, number)
        arriving.waiting.append(_Waiting(task, number, number, begin, ended))

    def _broadcast(
        self, column: int, row: int, numbers: range, state: _Column, arriving: _Channel, leaving: _Channel
    ) -> None:
        """Launches without a DEEP one among them: whole pages, and the rest of the last page."""
        parts = [words_heard(self.launches[number][0], self.chip, row) for number in numbers]
        ends = np.cumsum([part.size for part in parts])
        if not len(ends) or not ends[-1]:
            return
        state.words += parts
        ring = next(self.launches[n][0].ring_op for n in numbers if self.launches[n][0].weights is not None)
        tile, shared = (column, MEMTILE_ROW), channels(self.chip)
        empty, full = (place_name(f"weights_{state}", tile) for state in ("empty", "full"))
        buffer = place_name("memtile", tile)
        end = 0
        for window, count in self._turns(ring, state, int(ends[-1])):
            first = numbers[int(np.searchsorted(ends, end, side="right"))]
            end += count * window.words
            last = numbers[int(np.searchsorted(ends, end))]
            task = Task(tile, S2MM, shared.load, (Descriptor(buffer, window, (empty, 1), (full, 1)),), count)
            arriving.waiting.append(_Waiting(task, first, last))
            task = Task(tile, MM2S, shared.broadcast, (Descriptor(buffer, window, (full, 1), (empty, 1)),), count)
            leaving.waiting.append(_Waiting(task, first, last, launches=numbers.start))

    def _turns(self, ring: mem.RingOp, state: _Column, words: int) -> Iterator[tuple[Window, int]]:
        """Windows and runs: to the end of the turn that has begun, whole turns, and the rest of the last page."""
        pages, rest = divmod(words, ring.page_words)
        start, size = ring.address // 4, ring.page_words
        most = self.chip.run_limit // ring.pages * ring.pages
        if state.page and pages:
            count = min(pages, ring.pages - state.page)
            yield linear(start + state.page * size, size, ring.pages - state.page, size), count
            pages, state.page = pages - count, (state.page + count) % ring.pages
        for first in range(0, pages, most):
            count = min(most, pages - first)
            yield linear(start, size, ring.pages, size), count
            state.page = count % ring.pages
        if rest:
            yield linear(start + state.page * size, rest), 1
            state.page = (state.page + 1) % ring.pages

    def _push(self, launch: int = NEVER) -> None:
        """What may be pushed now of what launches up to `launch` need."""
        segment = self.tasks.segment
        self.tasks.enter(WEIGHT_STREAM)
        ready = [(channel, waiting) for channel in self.channels for waiting in self._ready(channel, launch)]
        started = self.tasks.start(*(waiting.task for _, waiting in ready))
        for (channel, waiting), under_way in zip(ready, started, strict=True):
            channel.running.append((waiting.last, under_way))
        self.tasks.enter(segment)

    def _ready(self, channel: _Channel, launch: int) -> list[_Waiting]:
        """Take from a channel what may be pushed now of what launches up to `launch` need."""
        ready: list[_Waiting] = []
        while channel.waiting and len(channel.running) + len(ready) < channel.room:
            task = channel.waiting[0]
            if task.first > launch or task.segment > self.segment or task.launches > self.ended:
                break
            ready.append(channel.waiting.popleft())
        return ready

    def segment_begins(self, number: int) -> None:
        """All segments before segment `number` have ended."""
        if number > self.segment:
            self.segment = number
            self._push(self.ended)

    def bring_later(self) -> None:
        """Push what later launches need, too."""
        self._push()

    def bring_all(self, number: int) -> None:
        """Push everything that launch `number` needs, waiting for earlier tasks where a queue is full."""
        self.tasks.enter(WEIGHT_STREAM)
        while short := [channel for channel in self.channels if channel.is_short(number)]:
            for channel in short:
                self.tasks.wait(channel.running.popleft()[1])
            self._push()

    def launch_ended(self, number: int) -> None:
        """All weights up to those of launch `number` have gone to the cores: tasks that end there have ended."""
        self.ended = number + 1
        for channel in self.channels:
            while channel.running and channel.running[0][0] <= number:
                under_way = channel.running.popleft()[1]
                if under_way.task.token:
                    self.tasks.wait(under_way)
                else:
                    self.tasks.ended(under_way)
        self._push(self.ended)
