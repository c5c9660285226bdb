"""
When weights are there: one stream per column from DDR through the MemTile's ring to the cores that hear it.

    loaded(p)   = max(loaded(p-1) + set-up, page free) + words of the page
    sent(piece) = max(sent(piece before) + set-up, loaded(its page), slot free in every listener) + words

A page knows nothing of chunks, so a chunk leaves in pieces: what lies of it in each page. The feed outlives launches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compiler.costs.facts import LaunchFacts, Numbers
from compiler.hardware.chip import Chip
from compiler.hardware.routes import listeners
from compiler.tiling.launch import WEIGHT_SLOTS

Flags = npt.NDArray[np.bool_]


def moved(chip: Chip, words: Numbers | int) -> Numbers | int:
    """Cycles in which a stream moves `words`."""
    return -(-4 * words // chip.stream_bytes_per_cycle)


def loaded(chip: Chip, words: int, columns: int, channels: int = 1) -> int:
    """
    Cycles in which each of `columns` shims moves `words` on one of `channels` channels that are busy at the same time.

    DDR may be slower than the stream, and all that use it share it.
    """
    cycles = max(-(-4 * words // chip.stream_bytes_per_cycle), -(-4 * words * channels // chip.ddr_bytes_per_cycle))
    if not chip.ddr_total_bytes_per_cycle:
        return cycles
    return max(cycles, -(-4 * words * columns * channels // chip.ddr_total_bytes_per_cycle))


def words_by_column(facts: LaunchFacts, chip: Chip) -> Numbers:
    """Words of a launch's weights that each column of the chip sends."""
    if not facts.streams:
        return np.zeros(chip.columns, np.int64)
    rows = [listeners(chip, column)[0][1] for column in range(chip.columns)]
    chunks = [facts.streams[chip.domain(row) % len(facts.streams)].chunks for row in rows]
    return np.array(chunks, np.int64) * facts.chunk_words


class Feed:
    """The stream of every column that sends one. Times are [timeline][column of the feed]."""

    def __init__(self, chip: Chip, page_words: int, pages: int, total_words: Numbers, start: Numbers):
        """`total_words` by column of the chip; `start` [timeline] is when the first page may be loaded."""
        self.chip, self.page_words, self.pages = chip, page_words, pages
        count = chip.columns * chip.core_rows
        column, row = np.divmod(np.arange(count), chip.core_rows)
        source = np.array([chip.source_column(int(c), int(r)) for c, r in zip(column, row, strict=True)])
        self.sources, self.group = np.unique(source, return_inverse=True)
        self.order = np.argsort(self.group, kind="stable")
        self.first = np.searchsorted(self.group[self.order], np.arange(len(self.sources)))
        self.left = total_words[self.sources]
        """Words that have not been sent."""
        self.heard = row[self.order[self.first]]
        """A core row that hears each column."""
        self.to_core = chip.hop_cycles * (np.abs(column - source) + row + 2)
        self.position = np.zeros(len(self.sources), np.int64)
        """In the page that is being sent."""
        self.page = np.zeros(len(self.sources), np.int64)
        width = (len(start), len(self.sources))
        self.load_end = np.broadcast_to(start[:, None], width).copy()
        self.send_end = self.load_end.copy()
        self.page_free = np.broadcast_to(self.load_end, (pages, *width)).copy()
        self.page_ready = self.load_end.copy()
        self.slot_free = np.broadcast_to(start[:, None], (WEIGHT_SLOTS, len(start), count)).copy()
        self.taken = np.zeros(len(self.sources), np.int64)
        """Chunks sent."""
        self.given = np.zeros(count, np.int64)
        self.chunk_words = np.zeros(len(self.sources), np.int64)
        self.chunks = np.zeros(len(self.sources), np.int64)
        self.pushed = np.zeros((len(start), count), np.int64)

    def begin(self, facts: LaunchFacts, pushed: Numbers) -> None:
        """The next chunks are those of a launch whose descriptors in the cores are pushed then, [timeline][core]."""
        streams = [facts.streams[self.chip.domain(int(row)) % len(facts.streams)] for row in self.heard]
        self.chunks = np.array([stream.chunks for stream in streams], np.int64)
        self.chunk_words = np.where(self.chunks > 0, facts.chunk_words, 0)
        self.pushed = pushed + self.chip.descriptor_cycles

    def arrive(self) -> Numbers:
        """When the next chunk of the launch can be used, [timeline][core]."""
        sending = self.chunks > 0
        self.chunks = self.chunks - sending
        slot = (self.taken[self.group] % WEIGHT_SLOTS, slice(None), np.arange(len(self.group)))
        space = np.maximum(self.slot_free[slot].T, self.pushed) - self.to_core
        slowest = np.maximum.reduceat(space[:, self.order], self.first, axis=1)
        ready = np.maximum(self.send_end + self.chip.descriptor_cycles, slowest)
        rest = np.where(sending, self.chunk_words, 0)
        while rest.any():
            rest, ready = self._piece(rest, ready)
        self.taken = self.taken + sending
        return self.send_end[:, self.group] + self.to_core + self.chip.lock_cycles

    def _piece(self, rest: Numbers, ready: Numbers) -> tuple[Numbers, Numbers]:
        """Send of each column's chunk what lies in its page; words that are left, and when they may follow."""
        chip, going = self.chip, rest > 0
        fresh = going & (self.position == 0)
        if fresh.any():
            self._load(fresh)
            ready = np.where(fresh, np.maximum(ready, self.page_ready), ready)
            ready = np.where(fresh, np.maximum(ready, self.send_end + chip.descriptor_cycles), ready)
        words = np.minimum(rest, self.page_words - self.position)
        end = np.maximum(ready, self.send_end) + np.asarray(moved(chip, words))
        self.send_end = np.where(going, end, self.send_end)
        self.position = np.where(going, self.position + words, self.position)
        self.left = self.left - np.where(going, words, 0)
        over = going & ((self.position == self.page_words) | (self.left == 0))
        which = np.flatnonzero(over)
        self.page_free[self.page[which] % self.pages, :, which] = (end[:, which] + chip.lock_cycles).T
        self.page = self.page + over
        self.position = np.where(over, 0, self.position)
        return np.where(going, rest - words, rest), end

    def _load(self, fresh: Flags) -> None:
        """Load the page that comes next in the `fresh` columns."""
        chip = self.chip
        words = np.minimum(self.left, self.page_words)
        cycles = self.load_cycles(words)
        to_shim = 2 * chip.hop_cycles
        free = self.page_free[self.page % self.pages, :, np.arange(len(self.page))].T
        end = np.maximum(self.load_end + chip.descriptor_cycles, free - to_shim) + cycles
        self.load_end = np.where(fresh, end, self.load_end)
        self.page_ready = np.where(fresh, end + to_shim + chip.lock_cycles, self.page_ready)

    def loads(self, column: int, time: int) -> bool:
        """Whether words for `column` of the chip are on their way from DDR at `time`, as far as the ring is free."""
        mine = np.flatnonzero(self.sources == column)
        if not mine.size:
            return False
        here = np.where(self.position > 0, self.page_words - self.position, 0)[mine]
        coming = np.minimum(self.left[mine] - here, self.pages * self.page_words)
        return bool((self.load_end[0, mine] + self.load_cycles(coming) > time).any())

    def load_cycles(self, words: Numbers) -> Numbers:
        """From DDR, while every column that has words left loads its own."""
        columns = int((self.left > 0).sum())
        return np.array([loaded(self.chip, int(count), columns) for count in words])

    def delay(self, column: int, cycles: int) -> None:
        """Something else in `column` takes its share of DDR."""
        self.load_end[:, self.sources == column] += cycles

    def give(self, active: Flags, time: Numbers) -> None:
        """Active cores have used their chunk at `time`."""
        which = np.flatnonzero(active)
        self.slot_free[self.given[which] % WEIGHT_SLOTS, :, which] = time[:, which].T
        self.given[which] += 1
