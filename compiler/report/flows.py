"""
The simulation's timeline as numbers to draw: shares of a core's states, bytes of a channel, between any two cycles.

Channels are known by the names that the simulation gives them; `Port` is what such a name says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.hardware.routes import SHIM_LOAD, SHIM_ROW
from compiler.simulate.activity import State
from compiler.simulate.links import WORD_BYTES, LinkKind, LinkUse
from compiler.simulate.result import Simulation
from compiler.simulate.timeline import Interval, Timeline

Floats = npt.NDArray[np.float64]
Place = tuple[int, int]
"""Column and array row: 0 is the shim, 1 the MemTile, 2 the first core."""

FILL, LOAD, SPILL = "fill", "load", "spill"
"""The three ways between DDR and a MemTile: activations and parameters in, weights in, activations out."""

_NAME = re.compile(r"(MM2S|S2MM) (\d+) of tile \((\d+), (\d+)\)")


@dataclass(frozen=True)
class Port:
    """One DMA channel."""

    place: Place
    sends: bool
    channel: int

    @classmethod
    def named(cls, name: str) -> Port:
        """The channel of a name like `MM2S 1 of tile (0, 0)`."""
        parts = _NAME.fullmatch(name)
        assert parts is not None, f"'{name}' is not the name of a channel"
        return cls((int(parts[3]), int(parts[4])), parts[1] == "MM2S", int(parts[2]))

    @property
    def name(self) -> str:
        """What the simulation calls it."""
        return f"{'MM2S' if self.sends else 'S2MM'} {self.channel} of tile ({self.place[0]}, {self.place[1]})"

    @property
    def ddr_way(self) -> str | None:
        """`fill`, `load` or `spill` if it is a shim's."""
        if self.place[1] != SHIM_ROW:
            return None
        if not self.sends:
            return SPILL
        return LOAD if self.channel == SHIM_LOAD else FILL


def port_bytes(links: Sequence[LinkUse]) -> dict[Port, int]:
    """Bytes through every channel, of a segment or of a whole simulation."""
    return {Port.named(link.name): WORD_BYTES * link.words for link in links if link.kind is LinkKind.CHANNEL}


def ddr_bytes(links: Sequence[LinkUse]) -> dict[str, int]:
    """Bytes by way between DDR and the MemTiles."""
    ways = {FILL: 0, LOAD: 0, SPILL: 0}
    for port, count in port_bytes(links).items():
        if port.ddr_way is not None:
            ways[port.ddr_way] += count
    return ways


def timeline_of(simulation: Simulation) -> Timeline:
    """What everything did when."""
    assert simulation.timeline is not None, "a report simulates with a timeline"
    return simulation.timeline


def cycles_until(intervals: Sequence[Interval], edges: Floats) -> Floats:
    """Cycles of the intervals, which do not overlap, before each edge."""
    if not intervals:
        return np.zeros(len(edges))
    starts = np.array([interval.start for interval in intervals], np.float64)
    ends = np.array([interval.end for interval in intervals], np.float64)
    points = np.stack([starts, ends], axis=1).reshape(-1)
    spent = np.cumsum(ends - starts)
    return np.interp(edges, points, np.stack([spent - (ends - starts), spent], axis=1).reshape(-1))


def state_shares(intervals: Sequence[Interval], edges: Floats) -> Floats:
    """Between neighbouring edges the share of each of a core's states: [state][interval]."""
    lengths = np.diff(edges)
    rows = [
        np.diff(cycles_until([one for one in intervals if one.state == state.name.lower()], edges)) / lengths
        for state in State
    ]
    return np.array(rows)


def ddr_rates(simulation: Simulation, edges: Floats) -> dict[str, Floats]:
    """Bytes per cycle of each way between neighbouring edges; a channel's bytes are spread over its busy cycles."""
    rates = {way: np.zeros(len(edges) - 1) for way in (FILL, LOAD, SPILL)}
    for port, count in port_bytes(simulation.links).items():
        if port.ddr_way is None or not count:
            continue
        moves = [one for one in timeline_of(simulation).channels[port.name] if one.state == "move"]
        per_cycle = count / sum(one.end - one.start for one in moves)
        rates[port.ddr_way] += per_cycle * np.diff(cycles_until(moves, edges)) / np.diff(edges)
    return rates
