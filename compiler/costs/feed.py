"""
When weights are there: streams from DDR through rings in the MemTiles to the cores that hear them.

In WIDE launches every column broadcasts one stream; in a DEEP launch (`Feed.unicast`) every core hears one of its own,
and the rings of a column are filled in turn, those of even rows by one shim channel and those of odd ones by the other.

    loaded(p)   = max(loaded(p-1) + set-up, page free) + words of the page
    sent(piece) = max(sent(piece before) + set-up, loaded(its page), slot free in every listener) + words

A page knows nothing of chunks, so a chunk leaves in pieces: what lies of it in each page. The feed of WIDE launches
outlives them, and begins a new page behind a DEEP launch; each DEEP launch has a feed of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from compiler.costs.facts import LaunchFacts, Numbers
from compiler.hardware.chip import Chip
from compiler.hardware.routes import listeners
from compiler.tiling.arena import WEIGHT_SLOTS

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
    """Words of a launch's weights that each column of the chip broadcasts."""
    if not facts.streams or facts.rings:
        return np.zeros(chip.columns, np.int64)
    rows = [listeners(chip, column)[0][1] for column in range(chip.columns)]
    chunks = [facts.streams[chip.domain(row) % len(facts.streams)].chunks for row in rows]
    return np.array(chunks, np.int64) * facts.chunk_words


@dataclass(frozen=True, eq=False)
class Ways:
    """Who hears which stream, and which streams share a shim channel."""

    group: Numbers
    """Which stream each core of the chip hears."""
    columns: Numbers
    """The column that sends each stream."""
    lanes: Numbers
    """The channel that loads each stream."""
    turns: Numbers
    """When it is the stream's turn among those of its channel, which loads a page for each and begins anew."""
    channels: int
    """Channels of a column that load at the same time."""


@lru_cache(maxsize=64)
def cores_of(chip: Chip) -> tuple[Numbers, Numbers, Numbers]:
    """Column, row, and the column that broadcasts to it, of every core."""
    column, row = np.divmod(np.arange(chip.columns * chip.core_rows), chip.core_rows)
    source = [chip.source_column(int(c), int(r)) for c, r in zip(column, row, strict=True)]
    return column, row, np.array(source, np.int64)


def broadcast_ways(chip: Chip) -> Ways:
    """One stream per column that anybody hears."""
    _, _, source = cores_of(chip)
    columns, group = np.unique(source, return_inverse=True)
    streams = np.arange(len(columns))
    return Ways(group, columns, streams, np.zeros_like(streams), 1)


def unicast_ways(chip: Chip) -> Ways:
    """One stream per core: those of even rows come by the channel of all weights, those of odd rows by the other."""
    column, row, _ = cores_of(chip)
    return Ways(np.arange(len(row)), column, 2 * column + row % 2, row // 2, min(2, chip.core_rows))


class Feed:
    """Streams of weights. Times are [timeline][stream] or [timeline][channel that loads]."""

    def __init__(
        self, chip: Chip, ways: Ways, page_words: int, pages: int, words: Numbers, start: Numbers, loading: Numbers
    ):
        """
        `words` [part][stream], of which no page holds words of two parts; `start` [timeline] is when the first word may
        be sent, `loading` [timeline][channel] when each channel may load the first page.
        """
        self.chip, self.ways, self.page_words, self.pages = chip, ways, page_words, pages
        column, row, _ = cores_of(chip)
        self.group = ways.group
        self.order = np.argsort(self.group, kind="stable")
        self.first = np.searchsorted(self.group[self.order], np.arange(len(ways.columns)))
        self.parts, self.part = words, np.zeros(len(ways.columns), np.int64)
        """The part of each stream that is being sent."""
        self.left: Numbers = words.sum(axis=0)
        """Words that have not been sent,"""
        self.here: Numbers = words[0].copy()
        """and those of them in the part that is being sent."""
        self._next_part()
        self.heard = row[self.order[self.first]]
        """A core row that hears each stream."""
        self.to_core = chip.hop_cycles * (np.abs(column - ways.columns[self.group]) + row + 2)
        self.position = np.zeros(len(ways.columns), np.int64)
        """In the page that is being sent."""
        self.page = np.zeros(len(ways.columns), np.int64)
        width = (len(start), len(ways.columns))
        self.load_end = loading
        self.opens, self.alone = loading.copy(), np.zeros_like(loading)
        """When each channel begins, and how many pages it brings before the other one of its column does."""
        self.send_end = np.broadcast_to(start[:, None], width).copy()
        self.page_free = np.broadcast_to(loading[None][:, :, ways.lanes], (pages, *width)).copy()
        self.page_ready = self.page_free[0].copy()
        self.slot_free = np.broadcast_to(start[:, None], (WEIGHT_SLOTS, len(start), len(row))).copy()
        self.taken = np.zeros(len(ways.columns), np.int64)
        """Chunks sent."""
        self.given = np.zeros(len(row), np.int64)
        self.chunk_words = np.zeros(len(ways.columns), np.int64)
        self.chunks = np.zeros(len(ways.columns), np.int64)
        self.pushed = np.zeros((len(start), len(row)), np.int64)

    @classmethod
    def broadcast(cls, chip: Chip, page_words: int, pages: int, words: Numbers, start: Numbers) -> Feed:
        """The feed of all WIDE launches. `words` from one DEEP launch to the next, by column of the chip."""
        ways = broadcast_ways(chip)
        loading = np.repeat(start[:, None], len(ways.columns), axis=1)
        return cls(chip, ways, page_words, pages, words[:, ways.columns], start, loading)

    @classmethod
    def unicast(cls, chip: Chip, facts: LaunchFacts, start: Numbers, even: Numbers, odd: Numbers) -> Feed:
        """The feed of a DEEP launch, whose channels may load from `even` and `odd` [timeline][column] on."""
        assert facts.rings is not None, "a DEEP launch has rings"
        loading = np.stack((even, odd), axis=2).reshape(len(start), -1)
        chunks: Numbers = np.array([stream.chunks for stream in facts.streams], np.int64)
        words = chunks[facts.stream] * facts.chunk_words
        return cls(chip, unicast_ways(chip), facts.rings.page_words, facts.rings.pages, words[None], start, loading)

    def begin(self, facts: LaunchFacts, pushed: Numbers) -> None:
        """The next chunks are those of a launch whose descriptors in the cores are pushed then, [timeline][core]."""
        chunks: Numbers = np.array([stream.chunks for stream in facts.streams], np.int64)
        self.chunks = chunks[facts.stream[self.order[self.first]]]
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
        self.here = self.here - np.where(going, words, 0)
        over = going & ((self.position == self.page_words) | (self.here == 0))
        which = np.flatnonzero(over)
        self.page_free[self.page[which] % self.pages, :, which] = (end[:, which] + chip.lock_cycles).T
        self.page = self.page + over
        self.position = np.where(over, 0, self.position)
        self._next_part()
        return np.where(going, rest - words, rest), end

    def _next_part(self) -> None:
        """Streams whose part has been sent go on with the next one that has words."""
        while (over := (self.here == 0) & (self.left > 0)).any():
            self.part = self.part + over
            self.here = np.where(over, self.parts[self.part, np.arange(len(self.part))], self.here)

    def _load(self, fresh: Flags) -> None:
        """Load the page that comes next in the `fresh` streams, those of a channel in turn."""
        chip, ways = self.chip, self.ways
        words = np.minimum(self.here, self.page_words)
        alone, beside = self.load_cycles(words, 1), self.load_cycles(words, ways.channels)
        to_shim = 2 * chip.hop_cycles
        free = self.page_free[self.page % self.pages, :, np.arange(len(self.page))].T
        for turn in range(int(ways.turns.max()) + 1):
            mine = np.flatnonzero(fresh & (ways.turns == turn))
            lanes = ways.lanes[mine]
            begin = np.maximum(self.load_end[:, lanes] + chip.descriptor_cycles, free[:, mine] - to_shim)
            shared = self._shared(lanes, begin) if ways.channels > 1 else np.zeros_like(begin, np.bool_)
            self.load_end[:, lanes] = begin + np.where(shared, beside[mine], alone[mine])
            self.page_ready[:, mine] = self.load_end[:, lanes] + to_shim + chip.lock_cycles

    def _shared(self, lanes: Numbers, begin: Numbers) -> Flags:
        """
        Whether pages that begin then on these channels share DDR with the other channel of their column.

        They do while that one brings weights: from when it may, until as many pages are left as it has brought alone.
        """
        others = lanes ^ 1
        left = np.bincount(self.ways.lanes, self.left)[lanes] > self.alone[:, others] * self.page_words
        shared = (begin >= self.opens[:, others]) & left
        self.alone[:, lanes] += ~shared & (begin < self.opens[:, others])
        return shared

    def loads(self, column: int, time: int) -> bool:
        """Whether words for `column` of the chip are on their way from DDR at `time`, as far as the ring is free."""
        mine = np.flatnonzero(self.ways.columns == column)
        if not mine.size:
            return False
        here = np.where(self.position > 0, self.page_words - self.position, 0)[mine]
        coming = np.minimum(self.left[mine] - here, self.pages * self.page_words)
        return bool((self.load_end[0, self.ways.lanes[mine]] + self.load_cycles(coming, 1) > time).any())

    def load_cycles(self, words: Numbers, channels: int) -> Numbers:
        """From DDR, while every column that has words left loads its own, on so many channels."""
        columns = len(np.unique(self.ways.columns[self.left > 0]))
        known = {int(count): loaded(self.chip, int(count), columns, channels) for count in np.unique(words)}
        return np.array([known[int(count)] for count in words])

    def delay(self, column: int, cycles: int) -> None:
        """Something else in `column` takes its share of DDR."""
        self.load_end[:, self.ways.lanes[self.ways.columns == column]] += cycles

    def give(self, active: Flags, time: Numbers) -> None:
        """Active cores have used their chunk at `time`."""
        which = np.flatnonzero(active)
        self.slot_free[self.given[which] % WEIGHT_SLOTS, :, which] = time[:, which].T
        self.given[which] += 1
