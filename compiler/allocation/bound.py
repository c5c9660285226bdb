"""
The height no allocation can beat: the most bytes that are live in one step.

The step count may be large and sparse, so steps are grouped into sections: runs of steps with the same live buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from compiler.allocation.problem import Buffer, Problem


@dataclass(frozen=True)
class Section:
    """The steps `lower <= step < upper`, all with the same `buffers` live."""

    lower: int
    upper: int
    buffers: tuple[Buffer, ...]

    @property
    def live_bytes(self) -> int:
        """The bytes that must be disjoint in this section."""
        return sum(buffer.size for buffer in self.buffers)


@dataclass(frozen=True)
class LowerBound:
    """`live_bytes` cannot be beaten because of what is live in `section` (None when there are no buffers)."""

    live_bytes: int
    section: Section | None


def sections(problem: Problem) -> Iterator[Section]:
    """The sections of the schedule in order, without those where nothing is live."""
    starts: dict[int, list[Buffer]] = {}
    ends: dict[int, list[Buffer]] = {}
    for buffer in problem.buffers:
        starts.setdefault(buffer.lower, []).append(buffer)
        ends.setdefault(buffer.upper, []).append(buffer)
    steps = sorted(starts.keys() | ends.keys())
    live: dict[str, Buffer] = {}
    for lower, upper in pairwise(steps):
        for buffer in ends.get(lower, ()):
            del live[buffer.name]
        for buffer in starts.get(lower, ()):
            live[buffer.name] = buffer
        if live:
            yield Section(lower, upper, tuple(live.values()))


def lower_bound(problem: Problem) -> LowerBound:
    """The peak of live bytes and the first section that attains it."""
    peak = max(sections(problem), key=lambda section: section.live_bytes, default=None)
    return LowerBound(0 if peak is None else peak.live_bytes, peak)
