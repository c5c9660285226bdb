"""
What every resource did when: intervals of cores, DMA channels and the controller, and the traffic with DDR.

All of it is of the run in which the controller takes no time, so its cycles are those of `Simulation.array_cycles`.
A channel is idle where nothing is noted; between its set-up or its wait for a lock and the words it moves it waits for
the other end of its stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.simulate.activity import CoreTime
from compiler.simulate.links import WORD_BYTES, Pieces
from dialects.aie import DMAChannelDir

if TYPE_CHECKING:
    from compiler.simulate.array import Array


@dataclass(frozen=True)
class Interval:
    """Something that a resource did in [start, end)."""

    state: str
    start: int
    end: int
    segment: str


@dataclass(frozen=True)
class DdrTraffic:
    """Bytes per bin of time, all columns together."""

    begin: int
    bin_cycles: int
    read: tuple[int, ...]
    written: tuple[int, ...]


@dataclass(frozen=True)
class Timeline:
    """Intervals by resource, in order and without overlap."""

    begin: int
    """First cycle of the array's time."""
    end: int
    segments: tuple[Interval, ...]
    """The own time of each, without gap."""
    cores: Mapping[tuple[int, int], tuple[Interval, ...]]
    """By column and row: `compute`, or what the core waits for; without gap."""
    channels: Mapping[str, tuple[Interval, ...]]
    """`setup`, `lock` or `move`."""
    controller: tuple[Interval, ...]
    """`wait` for a token."""
    read: tuple[Pieces, ...]
    """From DDR, per column."""
    written: tuple[Pieces, ...]

    def ddr(self, bins: int = 200) -> DdrTraffic:
        """The traffic with DDR in at most so many equal bins; their bytes add up to all bytes moved."""
        bin_cycles = max(1, -(-(self.end - self.begin) // bins))
        bounds = range(self.begin, self.end + bin_cycles, bin_cycles)
        read, written = (_bytes_between(pieces, bounds) for pieces in (self.read, self.written))
        return DdrTraffic(self.begin, bin_cycles, read, written)


def _bytes_between(columns: Sequence[Pieces], bounds: Sequence[int]) -> tuple[int, ...]:
    words = sum((np.diff(pieces.words_until(bounds)) for pieces in columns), np.zeros(len(bounds) - 1, np.int64))
    return tuple((WORD_BYTES * words).tolist())


def _noted(pieces: Pieces, state: str, late: int = 0) -> Iterator[Interval]:
    """Pieces that follow one another without a gap are one interval."""
    current: Interval | None = None
    for start, end, _, segment in pieces.rows():
        if current is not None and current.end == start + late and current.segment == segment:
            current = Interval(state, current.start, end + late, segment)
            continue
        if current is not None:
            yield current
        current = Interval(state, start + late, end + late, segment)
    if current is not None:
        yield current


def _core(time: CoreTime) -> Iterator[Interval]:
    start = 0
    for end, state, segment in zip(time.ends, time.states, time.segments, strict=True):
        yield Interval(state.name.lower(), start, end, segment)
        start = end


def timeline_of(array: Array, names: Sequence[str], ends: Sequence[int]) -> Timeline:
    """Of an array that has run; `ends` are those of its segments, after the cycle in which it began."""
    channels: dict[str, tuple[Interval, ...]] = {}
    for stream in array.streams.values():
        for channel, late in ((stream.source, 0), *stream.sinks):
            parts = [*_noted(channel.setups, "setup"), *_noted(channel.waits, "lock")]
            parts += _noted(stream.pieces, "move", late)
            channels[channel.name] = tuple(sorted(parts, key=lambda part: part.start))
    assert array.controller is not None, "the array has run"
    return Timeline(
        begin=ends[0],
        end=ends[-1],
        segments=tuple(
            Interval(name, start, end, name) for name, start, end in zip(names, ends[:-1], ends[1:], strict=True)
        ),
        cores={place: tuple(_core(time)) for place, time in sorted(array.activity.cores.items())},
        channels=channels,
        controller=tuple(_noted(array.controller.waits, "wait")),
        read=tuple(port.pieces for port in array.ddr_ports(DMAChannelDir.MM2S)),
        written=tuple(port.pieces for port in array.ddr_ports(DMAChannelDir.S2MM)),
    )
