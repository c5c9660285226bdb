"""
What lies in the MemTiles, where and when.

A buffer lives for bands of the program, which the `mem` level counts one after the other, with one for work on the
host between invocations. Cycles of a segment's bands are not simulated one by one, so a segment of several bands
shares its own cycles among them evenly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from compiler.simulate.result import SegmentTime
from dialects.mem import HostOp, MapOp, RingOp, SegmentOp, WordsOp
from dialects.mem_attributes import MEMTILE

PART = re.compile(r"(?P<kind>fill\d+\.\d+\.\d+|band\d+\.\d+)\.(?P<segment>.*)")
"""How the `mem` level names a map of which only some rows are in the MemTiles."""

MAP, RING = "map", "weights"
"""Kinds of buffers: a map, or the ring through which weights pass."""


@dataclass(frozen=True)
class Box:
    """A buffer at the same address of every MemTile: bytes [address, address + size), cycles [first, last)."""

    name: str
    kind: str
    address: int
    size: int
    first: float
    last: float

    @property
    def label(self) -> str:
        """A name for people: a map that was filled from DDR is the input of its segment, a band part of its output."""
        parts = PART.fullmatch(self.name)
        if parts is None:
            return self.name
        return f"input of {parts['segment']}" if parts["kind"].startswith("fill") else parts["segment"]


def memtile_boxes(module: ModuleOp, times: tuple[SegmentTime, ...], bounds: list[int]) -> tuple[Box, ...]:
    """All buffers of the MemTiles in the order of the module; a map written over another one is the same box."""
    edges = band_edges(module, times, bounds)
    boxes: list[Box] = []
    for op in module.walk():
        match op:
            case MapOp() if op.result.type == MEMTILE:
                live = (edges[op.live[0]], edges[op.live[1]])
                boxes.append(Box(op.map_name.data, MAP, op.address, op.size, *live))
            case WordsOp() if op.result.type == MEMTILE:
                boxes.append(Box(op.words_name.data, MAP, op.address, op.size, edges[0], edges[-1]))
            case RingOp():
                live = (edges[op.live[0]], edges[op.live[1]])
                boxes.append(Box("rings" if op.cores else "ring", RING, op.address, op.size, *live))
            case _:
                pass
    return tuple({(box.address, box.size, box.first, box.last): box for box in reversed(boxes)}.values())[::-1]


def band_edges(module: ModuleOp, times: tuple[SegmentTime, ...], bounds: list[int]) -> list[float]:
    """The cycle in which each band begins, and behind them the end; work on the host takes no cycles."""
    begins = {time.name: bounds[index] for index, time in enumerate(times)}
    cycles = {time.name: time.cycles for time in times}
    edges: list[float] = [bounds[0]]
    for op in module.walk():
        match op:
            case HostOp():
                edges.append(edges[-1])
            case SegmentOp():
                name = op.segment_name.data
                edges += [begins[name] + cycles[name] * (band + 1) / op.bands for band in range(op.bands)]
            case _:
                pass
    return edges
