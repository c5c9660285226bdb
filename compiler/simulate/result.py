"""
What a simulation says: cycles of every segment, and what every core did with them.

Segments overlap, since weights of one arrive while another computes. Their `cycles` do not: a segment's cycles count
from the end of the one before it to its own end, so they add up to the array's. Within these limits each core's time
is split into computing and four kinds of waiting, which add up to the segment's cycles on every core.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from compiler.simulate.activity import Activity, CoreTime, SegmentActivity, State

COPY = "copy"
"""Kind of a segment in which no kernel runs."""


@dataclass(frozen=True)
class Times:
    """Core cycles by what they were spent on."""

    compute: int = 0
    input: int = 0
    weights: int = 0
    output: int = 0
    idle: int = 0

    def __add__(self, other: Times) -> Times:
        return Times(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def total(self) -> int:
        """All of them."""
        return self.compute + self.input + self.weights + self.output + self.idle

    @property
    def most(self) -> str:
        """What most of the time went to."""
        return max((field.name for field in fields(self)), key=lambda name: getattr(self, name))


@dataclass(frozen=True)
class SegmentTime:
    """One segment, in the order of the program."""

    name: str
    kind: str
    """Its kernels, or `copy`."""
    cycles: int
    start: int
    """First cycle in which anything was done for it."""
    end: int
    times: Times
    """Of all cores together."""
    instructions: int
    """Of the controller."""

    @property
    def bound(self) -> str:
        """`compute`, or what the cores mostly waited for."""
        return self.times.most


@dataclass(frozen=True)
class CoreResult:
    """One core's time, which adds up to the array's."""

    column: int
    row: int
    times: Times


@dataclass(frozen=True)
class Simulation:
    """Cycles of a whole network."""

    array_cycles: int
    """From the first to the last activity of the array, controller instructions taking no time."""
    total_cycles: int
    """From the first launch to the last token, with the time of controller instructions and launches."""
    segments: tuple[SegmentTime, ...]
    cores: tuple[CoreResult, ...]
    controller_instructions: int
    launches: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "array_cycles": self.array_cycles,
            "total_cycles": self.total_cycles,
            "controller_instructions": self.controller_instructions,
            "launches": self.launches,
            "segments": [
                {
                    "name": segment.name,
                    "kind": segment.kind,
                    "cycles": segment.cycles,
                    "start": segment.start,
                    "end": segment.end,
                    "bound": segment.bound,
                    "core_cycles": asdict(segment.times),
                    "controller_instructions": segment.instructions,
                }
                for segment in self.segments
            ],
            "cores": [{"column": core.column, "row": core.row, **asdict(core.times)} for core in self.cores],
        }


def times_between(core: CoreTime, bounds: list[int]) -> list[Times]:
    """A core's time within each pair of neighbouring bounds."""
    edges = np.array([0, *core.ends], np.int64)
    states = np.array(core.states, np.int64)
    lengths = np.diff(edges)
    columns: list[list[int]] = []
    for state in State:
        spent = np.concatenate([[0], np.cumsum(np.where(states == state, lengths, 0))])
        # between two edges the time spent in a state grows by 1 per cycle or not at all
        before = np.clip(np.searchsorted(edges, bounds, side="right") - 1, 0, len(edges) - 1)
        within = np.array(bounds) - edges[before]
        grows = np.append(states == state, False)[before]
        columns.append(np.diff(spent[before] + within * grows).tolist())
    return [Times(*values) for values in zip(*columns, strict=True)]


def summarise(activity: Activity, total_cycles: int, launches: int) -> Simulation:
    """Put what happened into the shape of a result."""
    names = list(activity.instructions)
    begin = min((segment.first for segment in activity.segments.values()), default=0)
    ends = [begin]
    for name in names:
        last = activity.segments[name].last if name in activity.segments else 0
        ends.append(max(ends[-1], last))
    cores = {place: times_between(time, ends) for place, time in sorted(activity.cores.items())}
    segments: list[SegmentTime] = []
    for index, name in enumerate(names):
        seen = activity.segments.get(name, SegmentActivity(ends[index], ends[index]))
        times = sum((core[index] for core in cores.values()), Times())
        kind = "+".join(sorted(seen.kernels)) or COPY
        cycles = ends[index + 1] - ends[index]
        count = activity.instructions[name]
        segments.append(SegmentTime(name, kind, cycles, seen.first, seen.last, times, count))
    instructions = sum(activity.instructions.values())
    results = (CoreResult(column, row, sum(times, Times())) for (column, row), times in cores.items())
    return Simulation(ends[-1] - begin, total_cycles, tuple(segments), tuple(results), instructions, launches)
