"""
The recording as a Chrome trace, which Perfetto reads: one row per core, DMA channel, and for segments and controller.

A tick of the trace, shown as a microsecond, is one cycle of the array. Rows of cores hold waiting and kernels, rows of
channels a slice per descriptor with its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compiler.hardware.routes import FIRST_CORE_ROW, MEMTILE_ROW, SHIM_ROW
from compiler.report.measured import Measured
from compiler.report.picture import STATE_WORDS
from compiler.report.recording import Place, Transfer
from compiler.simulate.activity import State

PROGRAM, CORES, MEMTILES, SHIMS, CORE_DMA = range(1, 6)
PROCESSES = {
    PROGRAM: "program (1 µs is 1 cycle)",
    CORES: "cores",
    MEMTILES: "MemTile DMA",
    SHIMS: "shim DMA (DDR)",
    CORE_DMA: "core DMA",
}
Event = dict[str, Any]


def trace(measured: Measured) -> dict[str, Any]:
    """The JSON object."""
    return {
        "traceEvents": list(_events(measured)),
        "otherData": {
            "model": measured.model,
            "target": measured.chip.name,
            "sparsity": measured.sparsity,
            "array_cycles": measured.simulation.array_cycles,
        },
    }


def _events(measured: Measured) -> Iterator[Event]:
    for process, name in PROCESSES.items():
        yield _named("process_name", process, 0, name)
        yield {"ph": "M", "pid": process, "tid": 0, "name": "process_sort_index", "args": {"sort_index": process}}
    yield from _program(measured)
    yield from _cores(measured)
    yield from _channels(measured)


def _program(measured: Measured) -> Iterator[Event]:
    """Each segment's own cycles, and what the controller did when."""
    yield _named("thread_name", PROGRAM, 0, "segments")
    for row in measured.layers:
        notes = {"operation": row.operation, "bound": row.time.bound, "MACs": row.macs, "DDR bytes": row.ddr_bytes}
        yield _slice(PROGRAM, 0, row.name, row.begin, row.time.cycles, notes)
    yield _named("thread_name", PROGRAM, 1, "controller instructions")
    for made in measured.recording.instructions:
        notes = {"instructions": made.count}
        yield {"ph": "i", "s": "t", "pid": PROGRAM, "tid": 1, "name": made.segment, "ts": made.cycle, "args": notes}


def _cores(measured: Measured) -> Iterator[Event]:
    recording = measured.recording
    threads = {place: number for number, place in enumerate(recording.cores)}
    for (column, row), number in threads.items():
        yield _named("thread_name", CORES, number, f"core ({column}, {row - FIRST_CORE_ROW})")
    for place, time in recording.cores.items():
        begin = 0
        for end, state in zip(time.ends, time.states, strict=True):
            if state is not State.COMPUTE:
                yield _slice(CORES, threads[place], STATE_WORDS[state], begin, end - begin, {})
            begin = end
    for call in recording.calls:
        notes = {"segment": call.segment}
        yield _slice(CORES, threads[call.place], call.kernel, call.first, call.last - call.first, notes)


def _channels(measured: Measured) -> Iterator[Event]:
    threads: dict[tuple[Place, bool, int], tuple[int, int]] = {}
    for transfer in sorted(measured.recording.transfers, key=lambda one: (one.place, not one.sends, one.channel)):
        key = (transfer.place, transfer.sends, transfer.channel)
        if key not in threads:
            threads[key] = (_process(transfer.place), len(threads))
            yield _named("thread_name", *threads[key], _channel_name(transfer))
        process, thread = threads[key]
        notes = {"bytes": transfer.bytes}
        yield _slice(process, thread, transfer.segment, transfer.first, transfer.last - transfer.first, notes)


def _process(place: Place) -> int:
    return {SHIM_ROW: SHIMS, MEMTILE_ROW: MEMTILES}.get(place[1], CORE_DMA)


def _channel_name(transfer: Transfer) -> str:
    column, row = transfer.place
    direction = "MM2S" if transfer.sends else "S2MM"
    tile = {SHIM_ROW: f"shim {column}", MEMTILE_ROW: f"MemTile {column}"}.get(
        row, f"core ({column}, {row - FIRST_CORE_ROW})"
    )
    return f"{tile} {direction} {transfer.channel}" + (f" ({transfer.ddr_way})" if transfer.ddr_way else "")


def _named(kind: str, process: int, thread: int, name: str) -> Event:
    return {"ph": "M", "pid": process, "tid": thread, "name": kind, "args": {"name": name}}


def _slice(process: int, thread: int, name: str, first: int, cycles: int, notes: Event) -> Event:
    return {"ph": "X", "pid": process, "tid": thread, "name": name, "ts": first, "dur": cycles, "args": notes}
