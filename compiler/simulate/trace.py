"""
A simulation as a Chrome trace, which chrome://tracing and ui.perfetto.dev show: one row per resource.

    simulation = simulate(module, timeline=True)
    path.write_text(json.dumps(chrome_trace(simulation)))

Rows are grouped as segments, cores, the DMA channels of each tile and the controller; the traffic with DDR is a
counter. Times are microseconds at the chip's clock; the exact cycles are in the arguments of each event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from compiler.errors import InputError
from compiler.simulate.result import Simulation
from compiler.simulate.timeline import Interval, Timeline

Event = dict[str, Any]

SEGMENTS, CORES, CHANNELS, CONTROLLER, DDR = range(5)
"""Process ids: groups of rows, in the order in which they are shown."""
GROUPS = {
    SEGMENTS: "segments",
    CORES: "cores",
    CHANNELS: "DMA channels",
    CONTROLLER: "controller",
    DDR: "DDR",
}


def chrome_trace(simulation: Simulation) -> dict[str, Any]:
    """The trace as JSON values. Raises InputError for a simulation without a timeline."""
    timeline = simulation.timeline
    if timeline is None:
        raise InputError("the simulation kept no timeline; a trace needs simulate(module, timeline=True)")
    microseconds = 1e6 / simulation.clock_hz
    events: list[Event] = []
    for group, name in GROUPS.items():
        events.append({"ph": "M", "name": "process_name", "pid": group, "args": {"name": name}})
        events.append({"ph": "M", "name": "process_sort_index", "pid": group, "args": {"sort_index": group}})
    for group, row, name, intervals in _rows(timeline):
        events.append({"ph": "M", "name": "thread_name", "pid": group, "tid": row, "args": {"name": name}})
        events += (_event(group, row, interval, timeline.begin, microseconds) for interval in intervals)
    events += _traffic(timeline, microseconds)
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def _rows(timeline: Timeline) -> Iterator[tuple[int, int, str, Iterable[Interval]]]:
    yield SEGMENTS, 0, "segments", timeline.segments
    for row, ((column, core_row), intervals) in enumerate(timeline.cores.items()):
        yield CORES, row, f"core ({column}, {core_row})", intervals
    for row, (name, intervals) in enumerate(sorted(timeline.channels.items())):
        yield CHANNELS, row, name, intervals
    yield CONTROLLER, 0, "controller", timeline.controller


def _event(group: int, row: int, interval: Interval, begin: int, microseconds: float) -> Event:
    return {
        "ph": "X",
        "pid": group,
        "tid": row,
        "name": interval.state,
        "ts": (interval.start - begin) * microseconds,
        "dur": (interval.end - interval.start) * microseconds,
        "args": {"segment": interval.segment, "start": interval.start, "cycles": interval.end - interval.start},
    }


def _traffic(timeline: Timeline, microseconds: float) -> Iterator[Event]:
    """Bytes per cycle of every bin."""
    traffic = timeline.ddr(1000)
    for index, (read, written) in enumerate(zip(traffic.read, traffic.written, strict=True)):
        yield {
            "ph": "C",
            "pid": DDR,
            "name": "DDR bytes per cycle",
            "ts": index * traffic.bin_cycles * microseconds,
            "args": {"read": read / traffic.bin_cycles, "written": written / traffic.bin_cycles},
        }
