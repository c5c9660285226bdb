"""
What a simulation does not keep: when each core was in which state, and when each DMA channel moved which words.

The recording is a run of its own, of the same array with a controller that takes no time, so its cycles are those of
`Simulation.array_cycles`. Every channel and core reports to an activity of its own, which writes down what passes
through it and shares its books with the array's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp

from compiler.hardware.routes import SHIM_LOAD, SHIM_ROW
from compiler.simulate.activity import Activity, CoreTime, State
from compiler.simulate.array import Array, device_of, runs_of
from compiler.simulate.channels import Channel
from compiler.simulate.controller import ControllerCost
from compiler.simulate.events import EventQueue
from compiler.simulate.result import Simulation
from dialects.aie import DMAChannelDir
from dialects.chip import chip_of

Place = tuple[int, int]
"""Column and array row: 0 is the shim, 1 the MemTile, 2 the first core."""

Cycles = npt.NDArray[np.float64]

FILL, LOAD, SPILL = "fill", "load", "spill"
"""The three ways between DDR and a MemTile: activations in, weights and parameters in, activations out."""


@dataclass(frozen=True)
class Transfer:
    """One descriptor's words through one channel, in [first, last)."""

    place: Place
    sends: bool
    channel: int
    segment: str
    first: int
    last: int
    words: int

    @property
    def bytes(self) -> int:
        """Bytes moved."""
        return 4 * self.words

    @property
    def ddr_way(self) -> str | None:
        """`fill`, `load` or `spill` if the channel is a shim's."""
        if self.place[1] != SHIM_ROW:
            return None
        if not self.sends:
            return SPILL
        return LOAD if self.channel == SHIM_LOAD else FILL


@dataclass(frozen=True)
class Call:
    """A kernel on a core, in [first, last)."""

    place: Place
    segment: str
    kernel: str
    first: int
    last: int


@dataclass(frozen=True)
class Instruction:
    """Controller instructions that end in the same cycle, for one segment."""

    segment: str
    cycle: int
    count: int


@dataclass(frozen=True)
class Recording:
    """Everything that happened, in the order in which it ended."""

    cores: dict[Place, CoreTime]
    transfers: tuple[Transfer, ...]
    calls: tuple[Call, ...]
    instructions: tuple[Instruction, ...]

    def ddr_bytes(self, way: str, segment: str | None = None) -> int:
        """Bytes between DDR and the MemTiles, of one segment or of all."""
        return sum(
            transfer.bytes
            for transfer in self.transfers
            if transfer.ddr_way == way and segment in (None, transfer.segment)
        )


@dataclass
class _Tap(Activity):
    """An activity that also writes down transfers of its channel, calls of its core, instructions."""

    events: EventQueue = field(default_factory=EventQueue)
    channel: Channel | None = None
    place: Place = (0, 0)
    number: int = 0
    transfers: list[Transfer] = field(default_factory=list[Transfer])
    calls: list[Call] = field(default_factory=list[Call])
    made: list[Instruction] = field(default_factory=list[Instruction])

    def instructed(self, segment: str, count: int) -> None:
        self.made.append(Instruction(segment, self.events.now, count))
        super().instructed(segment, count)

    def moved(self, segment: str, first: int, last: int) -> None:
        if self.channel is not None:
            words, sends = self.channel.descriptor.words, self.channel.sends
            self.transfers.append(Transfer(self.place, sends, self.number, segment, first, last, words))
        super().moved(segment, first, last)

    def computed(self, segment: str, kernel: str, first: int, last: int) -> None:
        self.calls.append(Call(self.place, segment, kernel, first, last))
        super().computed(segment, kernel, first, last)


def record(module: ModuleOp) -> Recording:
    """Run the module's device once more and write down what happens."""
    array = Array.of(device_of(module), chip_of(module))
    books = array.activity
    shared = (books.segments, books.cores, books.instructions)
    transfers: list[Transfer] = []
    calls: list[Call] = []
    controller = _Tap(*shared, array.events)
    array.activity = controller
    for (tile, direction, number), channel in array.channels.items():
        assert channel.sends == (direction is DMAChannelDir.MM2S), "a channel's key says its direction"
        channel.activity = _Tap(*shared, array.events, channel, array.tiles[tile], number, transfers)
    for core in array.cores:
        core.activity = _Tap(*shared, array.events, place=core.place, calls=calls)
    array.run(runs_of(module), ControllerCost())
    return Recording(dict(sorted(books.cores.items())), tuple(transfers), tuple(calls), tuple(controller.made))


def segment_bounds(simulation: Simulation) -> list[int]:
    """The cycle in which each segment's own time begins, and behind them the end of the last."""
    begin = min((segment.start for segment in simulation.segments), default=0)
    return [begin, *(begin + np.cumsum([segment.cycles for segment in simulation.segments])).tolist()]


def core_shares(time: CoreTime, edges: Cycles) -> npt.NDArray[np.float64]:
    """Between neighbouring edges the share of each state: [state][interval], adding up to 1 within the core's time."""
    points = np.array([0, *time.ends], np.float64)
    states = np.array(time.states, np.int64)
    lengths = np.diff(points)
    rows: list[npt.NDArray[np.float64]] = []
    for state in State:
        spent = np.concatenate([[0.0], np.cumsum(np.where(states == state, lengths, 0.0))])
        rows.append(np.diff(np.interp(edges, points, spent)) / np.diff(edges))
    return np.array(rows)


def moved_bytes(transfers: list[Transfer], edges: Cycles) -> npt.NDArray[np.float64]:
    """Bytes between neighbouring edges; a transfer's bytes are spread evenly over its cycles."""
    if not transfers:
        return np.zeros(len(edges) - 1)
    first = np.array([transfer.first for transfer in transfers], np.float64)
    last = np.maximum(np.array([transfer.last for transfer in transfers], np.float64), first + 1)
    rate = np.array([transfer.bytes for transfer in transfers]) / (last - first)
    points = np.concatenate([first, last])
    order = np.argsort(points, kind="stable")
    points = points[order]
    rates = np.cumsum(np.concatenate([rate, -rate])[order])
    total = np.concatenate([[0.0], np.cumsum(rates[:-1] * np.diff(points))])
    return np.diff(np.interp(edges, points, total))
