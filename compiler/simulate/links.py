"""
What every link carried, piece by piece, and how long it was busy between any two cycles.

A link is a stream, a DMA channel, a column's way to or from DDR, or a bank of a MemTile that can be too busy. A stream
is busy in the cycles in which a word leaves its source. A channel is busy while it moves words and while it sets up a
descriptor, so one with many short descriptors is busier than its stream. The way to DDR serves several streams at
once: its busy cycles are those which its bytes take at its full rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

WORD_BYTES = 4


class LinkKind(StrEnum):
    """What a link is."""

    STREAM = "stream"
    CHANNEL = "channel"
    DDR = "ddr"
    BANK = "bank"


@dataclass
class Pieces:
    """Things that took time, as columns: first cycle, cycle behind the last, words moved, segment."""

    starts: list[int] = field(default_factory=list[int])
    ends: list[int] = field(default_factory=list[int])
    words: list[int] = field(default_factory=list[int])
    segments: list[str] = field(default_factory=list[str])

    def add(self, start: int, end: int, words: int, segment: str) -> None:
        """One more."""
        self.starts.append(start)
        self.ends.append(end)
        self.words.append(words)
        self.segments.append(segment)

    def rows(self) -> Iterator[tuple[int, int, int, str]]:
        """One after the other."""
        return zip(self.starts, self.ends, self.words, self.segments, strict=True)

    def cycles_until(self, bounds: Sequence[int], late: int = 0) -> npt.NDArray[np.int64]:
        """Cycles spent before each bound, everything happening `late` cycles after it was noted."""
        starts, ends = np.array(self.starts, np.int64) + late, np.array(self.ends, np.int64) + late
        return np.array([np.clip(bound - starts, 0, ends - starts).sum() for bound in bounds], np.int64)

    def words_until(self, bounds: Sequence[int]) -> npt.NDArray[np.int64]:
        """Words moved before each bound. A piece in the middle of its way counts by its share, rounded down."""
        starts, ends = np.array(self.starts, np.int64), np.array(self.ends, np.int64)
        words, lengths = np.array(self.words, np.int64), np.maximum(ends - starts, 1)
        return np.array([(words * np.clip(bound - starts, 0, lengths) // lengths).sum() for bound in bounds], np.int64)

    def words_of(self, segments: Sequence[str]) -> list[int]:
        """Words moved for each segment, whenever that was."""
        found = dict.fromkeys(segments, 0)
        for words, segment in zip(self.words, self.segments, strict=True):
            if segment in found:
                found[segment] += words
        return list(found.values())


class Unnoted(Pieces):
    """For a run of which only the end is asked."""

    def add(self, start: int, end: int, words: int, segment: str) -> None:
        """Forget it."""


@dataclass(frozen=True)
class Link:
    """One link with everything it did."""

    name: str
    kind: LinkKind
    moved: Pieces
    setups: Pieces | None = None
    """Of a channel: while it sets up descriptors."""
    late: int = 0
    """Cycles from the source of a stream to a channel at its end."""
    bytes_per_cycle: int = 0
    """Of a way to DDR."""

    def busy_until(self, bounds: Sequence[int]) -> npt.NDArray[np.int64]:
        """Busy cycles before each bound."""
        if self.kind is LinkKind.DDR:
            return -(-WORD_BYTES * self.moved.words_until(bounds) // self.bytes_per_cycle)
        busy = self.moved.cycles_until(bounds, self.late)
        return busy if self.setups is None else busy + self.setups.cycles_until(bounds)


@dataclass(frozen=True)
class LinkUse:
    """How much of a link was used, by one segment or by all."""

    name: str
    kind: LinkKind
    busy_cycles: int
    """Within the cycles of the segment, whatever it was busy for; never more than those."""
    words: int
    """Moved for the segment, whenever that was."""
