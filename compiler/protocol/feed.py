"""
All weights of an invocation on their way to the cores, as one endless stream per column.

A shim sends the chunks of all launches one after the other, as the cores of its MemTile's broadcast will use them. The
MemTile passes them on page by page through one ring, and a page knows nothing of chunks or launches: a core's own
descriptors cut the stream into chunks. So weights come from DDR as far ahead as the ring is long, and the controller
spends a handful of instructions on them for a whole network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW, SHIM_LOAD, SHIM_ROW, channels, listeners
from compiler.protocol.image import WEIGHTS, Image, linear
from compiler.protocol.issue import Issuer, UnderWay
from compiler.protocol.tasks import Descriptor, Task, place_name
from dialects import mem
from dialects.aie import DMAChannelDir
from dialects.bsr import array_of
from dialects.notes import WEIGHT_STREAM

S2MM, MM2S = DMAChannelDir.S2MM, DMAChannelDir.MM2S


def stream_of(op: mem.LaunchOp, chip: Chip, row: int) -> tuple[int, int, int]:
    """First word, chunks and chunk size of the weight stream that core row `row` hears."""
    if op.weights is None:
        return 0, 0, 0
    weights = op.weights.owner
    assert isinstance(weights, mem.WeightsOp), "weights come from mem.weights"
    first, count = weights.streams[chip.domain(row) % len(weights.streams)]
    return first, count, weights.chunk_words


def _words_heard(op: mem.LaunchOp, chip: Chip, row: int) -> npt.NDArray[np.int32]:
    """All chunks of a launch that core row `row` hears."""
    first, count, size = stream_of(op, chip, row)
    if not count:
        return np.zeros(0, np.int32)
    assert op.weights is not None, "a stream with chunks has weights"
    weights = op.weights.owner
    assert isinstance(weights, mem.WeightsOp), "weights come from mem.weights"
    return array_of(weights.values).reshape(-1)[first : first + count * size]


@dataclass
class _Column:
    """Tasks of one column's ring that are still to be pushed, with the word of the stream at which each ends."""

    ends: npt.NDArray[np.int64]
    """Word of the stream at which each launch has all it needs."""
    waiting: list[tuple[int, Task, Task]] = field(default_factory=list[tuple[int, Task, Task]])
    running: list[tuple[int, UnderWay, UnderWay]] = field(default_factory=list[tuple[int, UnderWay, UnderWay]])


class WeightFeed:
    """Writes the ring's tasks: as many as the queues hold at the start, the others as launches end."""

    def __init__(self, chip: Chip, tasks: Issuer, image: Image, launches: Sequence[mem.LaunchOp]):
        self.chip = chip
        self.tasks = tasks
        self.columns: list[_Column] = []
        tasks.enter(WEIGHT_STREAM)
        weighted = [op for op in launches if op.weights is not None]
        if not weighted:
            return
        ring = weighted[0].ring_op
        for column in range(chip.columns):
            _, row = listeners(chip, column)[0]
            parts = [_words_heard(op, chip, row) for op in launches]
            ends = np.cumsum([part.size for part in parts])
            state, words = _Column(ends), int(ends[-1])
            self.columns.append(state)
            if words:
                self._stream(column, image.append(*parts), words)
                state.waiting = self._tasks(column, ring, words)
        self._push()

    def _stream(self, column: int, start: int, words: int) -> None:
        source = Descriptor(WEIGHTS, linear(start, words))
        self.tasks.start(Task((column, SHIM_ROW), MM2S, SHIM_LOAD, (source,)))

    def _tasks(self, column: int, ring: mem.RingOp, words: int) -> list[tuple[int, Task, Task]]:
        """Whole pages, in tasks of as many turns as can be counted, and the rest of the last page."""
        pages, rest = divmod(words, ring.page_words)
        most = self.chip.run_limit // ring.pages * ring.pages
        tile, shared = (column, MEMTILE_ROW), channels(self.chip)
        empty, full = (place_name(f"weights_{state}", tile) for state in ("empty", "full"))
        buffer, start = place_name("memtile", tile), ring.address // 4
        runs = [min(most, pages - first) for first in range(0, pages, most)]
        window = linear(start, ring.page_words, ring.pages, ring.page_words)
        parts = [(window, count, count * ring.page_words) for count in runs]
        if rest:
            parts.append((linear(start + pages % ring.pages * ring.page_words, rest), 1, rest))
        tasks: list[tuple[int, Task, Task]] = []
        end = 0
        for window, count, size in parts:
            end += size
            arriving = Task(tile, S2MM, shared.load, (Descriptor(buffer, window, (empty, 1), (full, 1)),), count)
            leaving = Task(tile, MM2S, shared.broadcast, (Descriptor(buffer, window, (full, 1), (empty, 1)),), count)
            tasks.append((end, arriving, leaving))
        return tasks

    def _push(self) -> None:
        self.tasks.enter(WEIGHT_STREAM)
        for column in self.columns:
            while column.waiting and len(column.running) < self.chip.queue_depth:
                end, arriving, leaving = column.waiting.pop(0)
                first, second = self.tasks.start(arriving, leaving)
                column.running.append((end, first, second))

    def launch_ended(self, number: int) -> None:
        """All words up to those of launch `number` have gone to the cores: tasks that end there have ended."""
        for column in self.columns:
            while column.running and column.running[0][0] <= column.ends[number]:
                _, arriving, leaving = column.running.pop(0)
                self.tasks.ended(arriving)
                self.tasks.ended(leaving)
        self._push()
