"""
From what happened to what a simulation says: cut the time into segments and find what each was bound by.

The array's time is cut at the ends of the segments. Within its part a segment is bound by the resource that was busy
the longest: the busiest core, a way to DDR, a stream, a bank, or a channel that sets up more descriptors than it moves
words. Weights run ahead, so what brings them is busy for later segments too: it binds only where the core that computes
longest waits for what it brings for as long as it computes. If the resource that binds rested for more than half of the
time, agents waited for each other: at the layer's barrier, while nothing was computed yet or any more, or otherwise at
locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.simulate.activity import Activity, SegmentActivity
from compiler.simulate.array import Array
from compiler.simulate.links import WORD_BYTES, Link, LinkKind, LinkUse
from compiler.simulate.result import (
    COPY,
    Binding,
    ControllerTotal,
    CoreResult,
    SegmentTime,
    Simulation,
    Times,
    times_between,
)
from compiler.simulate.timeline import timeline_of
from dialects.aie import DMAChannelDir
from dialects.notes import WEIGHT_STREAM


@dataclass(frozen=True)
class ChargedRun:
    """A run in which every controller instruction takes `instruction_cycles`."""

    instruction_cycles: int
    total_cycles: int
    activity: Activity


def segment_names(activity: Activity) -> list[str]:
    """In the order of the program. What feeds the weights of all of them goes on all the time, and is none."""
    return [name for name in activity.instructions if name != WEIGHT_STREAM]


def segment_ends(activity: Activity) -> list[int]:
    """The cycle in which the array begins, then the end of each segment's own time; never less than the one before."""
    ends = [min((segment.first for segment in activity.segments.values()), default=0)]
    for name in segment_names(activity):
        last = activity.segments[name].last if name in activity.segments else 0
        ends.append(max(ends[-1], last))
    return ends


@dataclass(frozen=True)
class _Use:
    """A link's busy cycles, those of them that were set-ups, and its words, segment by segment."""

    link: Link
    busy: list[int]
    setups: list[int]
    words: list[int]
    outside: int
    """Words of the weights, which come for all segments."""

    @classmethod
    def between(cls, link: Link, ends: Sequence[int], names: Sequence[str]) -> _Use:
        """In the segments that end so."""
        setups = [0] * len(names) if link.setups is None else np.diff(link.setups.cycles_until(ends)).tolist()
        (outside,) = link.moved.words_of([WEIGHT_STREAM])
        return cls(link, np.diff(link.busy_until(ends)).tolist(), setups, link.moved.words_of(names), outside)

    def of(self, index: int) -> LinkUse:
        """In one segment."""
        return LinkUse(self.link.name, self.link.kind, self.busy[index], self.words[index])

    @property
    def whole(self) -> LinkUse:
        """In all of them."""
        return LinkUse(self.link.name, self.link.kind, sum(self.busy), sum(self.words) + self.outside)


def _ddr_bytes(array: Array, direction: DMAChannelDir, names: Sequence[str]) -> list[int]:
    """Bytes that each segment reads from (MM2S) or writes to (S2MM) DDR."""
    columns = [port.pieces.words_of(names) for port in array.ddr_ports(direction)]
    return [WORD_BYTES * sum(column[index] for column in columns) for index in range(len(names))]


def _barrier(array: Array, name: str, first: int, end: int) -> int:
    """Of the cycles [first, end) of a segment those before its first kernel call and after its last."""
    work = [core.work[name] for core in array.cores if name in core.work]
    if not work:
        return 0
    begin, over = min(done.first for done in work), max(done.last for done in work)
    return max(0, min(begin, end) - first) + max(0, end - max(over, first))


def _binding(busiest: Times, uses: Sequence[_Use], index: int, cycles: int, barrier: int) -> Binding:
    """What was busy longest in a segment, the first of equals; a channel only if its set-ups outweigh its words."""
    binding = Binding("compute", busiest.compute)
    for use in uses:
        busy = use.busy[index]
        carries = use.link.kind is LinkKind.CHANNEL and 2 * use.setups[index] <= busy
        waited = busiest.weights + (busiest.input if use.words[index] else 0)
        ahead = use.outside > 0 and waited < busiest.compute
        if busy > binding.busy_cycles and not carries and not ahead:
            binding = Binding(use.link.name, busy)
    if 2 * binding.busy_cycles >= cycles:
        return binding
    return Binding("barrier", barrier) if 2 * barrier >= cycles else Binding("locks", cycles - binding.busy_cycles)


def summarise(free: Array, charged: Sequence[ChargedRun], bank_load: float, *, timeline: bool) -> Simulation:
    """`free` ran with a controller that takes no time; of `charged` the first is the chip's own controller."""
    activity, chip = free.activity, free.chip
    names, ends = segment_names(activity), segment_ends(activity)
    cores = {place: times_between(time, ends) for place, time in sorted(activity.cores.items())}
    uses = [_Use.between(link, ends, names) for link in free.links]
    exposed = np.diff(segment_ends(charged[0].activity)) - np.diff(ends)
    read, written = (_ddr_bytes(free, way, names) for way in (DMAChannelDir.MM2S, DMAChannelDir.S2MM))
    segments: list[SegmentTime] = []
    for index, name in enumerate(names):
        seen = activity.segments.get(name, SegmentActivity(ends[index], ends[index]))
        first, end = ends[index], ends[index + 1]
        barrier = _barrier(free, name, first, end)
        busiest = max((times[index] for times in cores.values()), key=lambda times: times.compute, default=Times())
        segments.append(
            SegmentTime(
                name=name,
                kind="+".join(sorted(seen.kernels)) or COPY,
                cycles=end - first,
                start=seen.first,
                end=seen.last,
                times=sum((times[index] for times in cores.values()), Times()),
                instructions=activity.instructions[name],
                barrier_cycles=barrier,
                exposed_cycles=int(exposed[index]),
                macs=sum(core.work[name].macs for core in free.cores if name in core.work),
                ddr_read_bytes=read[index],
                ddr_written_bytes=written[index],
                binding=_binding(busiest, uses, index, end - first, barrier),
                links=tuple(use.of(index) for use in uses),
            )
        )
    return Simulation(
        array_cycles=ends[-1] - ends[0],
        total_cycles=charged[0].total_cycles,
        segments=tuple(segments),
        cores=tuple(CoreResult(column, row, sum(times, Times())) for (column, row), times in cores.items()),
        controller_instructions=sum(activity.instructions.values()),
        weights_instructions=activity.instructions.get(WEIGHT_STREAM, 0),
        weights_bytes=sum(_ddr_bytes(free, DMAChannelDir.MM2S, [WEIGHT_STREAM])),
        launches=free.program.launches,
        reconfigurations=free.program.reconfigurations,
        clock_hz=chip.clock_hz,
        controller_totals=tuple(
            ControllerTotal(run.instruction_cycles, run.total_cycles)
            for run in sorted(charged, key=lambda run: run.instruction_cycles)
        ),
        links=tuple(use.whole for use in uses),
        memtile_bank_load=bank_load,
        timeline=timeline_of(free, names, ends) if timeline else None,
    )
