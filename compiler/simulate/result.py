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

from compiler.simulate.activity import CoreTime, State
from compiler.simulate.links import LinkUse
from compiler.simulate.timeline import Timeline

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
class Binding:
    """What a segment's time is bound by, and for how many of its cycles."""

    resource: str
    """`compute`, the name of a link, or what agents waited at for each other: `barrier` or `locks`."""
    busy_cycles: int


@dataclass(frozen=True)
class ControllerTotal:
    """The whole time under one assumption about the controller."""

    instruction_cycles: int
    total_cycles: int


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
    barrier_cycles: int
    """Before its first kernel call and after its last: what the layer's barrier takes of a controller without cost."""
    exposed_cycles: int
    """How much longer the segment is with the chip's controller; negative where waiting for it hid something else."""
    macs: int
    """Products with the weight blocks that exist, channels padded to multiples of 8."""
    ddr_read_bytes: int
    ddr_written_bytes: int
    binding: Binding
    links: tuple[LinkUse, ...]
    """Every link, in the order of `Simulation.links`."""

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
    """
    From the first launch to the last token, with the time of controller instructions, launches and changes of the
    configuration; the first one is loaded before.
    """
    segments: tuple[SegmentTime, ...]
    cores: tuple[CoreResult, ...]
    controller_instructions: int
    weights_instructions: int
    """Those of them that feed the weights and parameters of all segments, and are in none."""
    weights_bytes: int
    """What they bring from DDR."""
    launches: int
    reconfigurations: int
    """How often the array is loaded with another configuration."""
    clock_hz: int
    controller_totals: tuple[ControllerTotal, ...]
    """For 0.05, 0.1 and 0.4 us per instruction and for the chip's own number, the quickest first."""
    links: tuple[LinkUse, ...]
    """Ways to DDR, streams, channels, and banks of MemTiles that can be too busy."""
    memtile_bank_load: float
    """Accesses per cycle that the channels of a MemTile can together ask of one bank; up to 1 none ever waits."""
    timeline: Timeline | None = None
    """What everything did when, if it was asked for."""

    @property
    def ddr_read_bytes(self) -> int:
        """From DDR, for all segments and with their weights and parameters."""
        return self.weights_bytes + sum(segment.ddr_read_bytes for segment in self.segments)

    @property
    def ddr_written_bytes(self) -> int:
        """To DDR."""
        return sum(segment.ddr_written_bytes for segment in self.segments)

    def milliseconds(self, cycles: int) -> float:
        """At the chip's clock."""
        return 1000 * cycles / self.clock_hz

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "array_cycles": self.array_cycles,
            "total_cycles": self.total_cycles,
            "controller_instructions": self.controller_instructions,
            "weights_instructions": self.weights_instructions,
            "weights_bytes": self.weights_bytes,
            "ddr_read_bytes": self.ddr_read_bytes,
            "ddr_written_bytes": self.ddr_written_bytes,
            "launches": self.launches,
            "reconfigurations": self.reconfigurations,
            "clock_hz": self.clock_hz,
            "memtile_bank_load": round(self.memtile_bank_load, 6),
            "controller_totals": [asdict(total) for total in self.controller_totals],
            "segments": [
                {
                    "name": segment.name,
                    "kind": segment.kind,
                    "cycles": segment.cycles,
                    "start": segment.start,
                    "end": segment.end,
                    "bound": segment.bound,
                    "binding": asdict(segment.binding),
                    "core_cycles": asdict(segment.times),
                    "controller_instructions": segment.instructions,
                    "barrier_cycles": segment.barrier_cycles,
                    "exposed_cycles": segment.exposed_cycles,
                    "macs": segment.macs,
                    "ddr_read_bytes": segment.ddr_read_bytes,
                    "ddr_written_bytes": segment.ddr_written_bytes,
                }
                for segment in self.segments
            ],
            "cores": [{"column": core.column, "row": core.row, **asdict(core.times)} for core in self.cores],
            "links": [asdict(link) for link in self.links],
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
