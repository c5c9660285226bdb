"""
The array of a program: its tiles, memories, locks, channels and streams, ready to run.

Several configurations are several `aie.device` with the same tiles and flows. Channels, streams and the time of the
cores are the array's; memories, locks and core programs are of a configuration, and those that are not loaded rest: a
sequence leaves them as they were in the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

from compiler.hardware.bursts import Place
from compiler.hardware.chip import Chip
from compiler.hardware.routes import FIRST_CORE_ROW, SHIM_ROW
from compiler.simulate.activity import Activity
from compiler.simulate.banks import BankLayout, Banks, Loads
from compiler.simulate.channels import Channel
from compiler.simulate.controller import Controller, ControllerCost
from compiler.simulate.core_code import END, CoreCode
from compiler.simulate.cores import Core, Durations
from compiler.simulate.events import EventQueue, SimulationError
from compiler.simulate.links import Link, LinkKind, Pieces, Unnoted
from compiler.simulate.locks import Lock
from compiler.simulate.memory import Memory
from compiler.simulate.program import ChannelKey, Program, Step
from compiler.simulate.streams import DdrPort, Stream
from dialects.aie import (
    BufferOp,
    CoreOp,
    DeviceOp,
    DMAChannelDir,
    FlowOp,
    LockOp,
    TileOp,
    WireBundle,
    int_value,
)

Route = tuple[ChannelKey, ChannelKey]
"""What a flow connects."""


@dataclass
class Array:
    """Everything that happens in one simulation."""

    program: Program
    chip: Chip
    note: type[Pieces]
    """How to write down what a link does."""
    events: EventQueue = field(default_factory=EventQueue)
    activity: Activity = field(default_factory=Activity)
    tiles: dict[SSAValue, Place] = field(default_factory=dict[SSAValue, Place])
    memories: dict[SSAValue, Memory] = field(default_factory=dict[SSAValue, Memory])
    locks: dict[SSAValue, Lock] = field(default_factory=dict[SSAValue, Lock])
    channels: dict[ChannelKey, Channel] = field(default_factory=dict[ChannelKey, Channel])
    ports: dict[tuple[int, DMAChannelDir], DdrPort] = field(default_factory=dict[tuple[int, DMAChannelDir], DdrPort])
    total_port: DdrPort | None = None
    """Of DDR as a whole, if the chip limits it."""
    banks: dict[Place, Banks] = field(default_factory=dict[Place, Banks])
    """Of MemTiles where they can make a channel wait."""
    routes: list[Route] = field(default_factory=list[Route])
    streams: dict[ChannelKey, Stream] = field(default_factory=dict[ChannelKey, Stream])
    controller: Controller | None = None
    cores: list[Core] = field(default_factory=list[Core])

    @classmethod
    def of(cls, program: Program, chip: Chip, durations: Durations, loads: Loads, *, noted: bool = True) -> Array:
        """Build the static parts. What links did is `noted` only if somebody asks for it afterwards."""
        array = cls(program, chip, Pieces if noted else Unnoted)
        if chip.ddr_total_bytes_per_cycle:
            array.total_port = DdrPort("DDR, all columns", chip.ddr_total_bytes_per_cycle, array.note())
        for device in program.devices:
            array._device(device)
        for op, code in program.cores:
            array._core(op, code, durations)
        array._banks(loads)
        for stream in array.streams.values():
            stream.connect()
        return array

    def _device(self, device: DeviceOp) -> None:
        """Add the parts of a configuration. Raises SimulationError for other flows than the one before has."""
        routes: list[Route] = []
        for op in device.body.ops:
            match op:
                case TileOp():
                    self.tiles[op.result] = op.position
                case BufferOp():
                    name = op.sym_name.data if op.sym_name is not None else "a buffer"
                    self.memories[op.buffer] = Memory.of(name, op.buffer.type.get_shape()[0])
                case LockOp():
                    self.locks[op.result] = self._lock(op)
                case FlowOp():
                    routes += self._routes(op)
                case _:
                    pass
        if device is self.program.devices[0]:
            self.routes = routes
            for source, sink in routes:
                self._flow(source, sink)
        elif set(routes) != set(self.routes):
            raise SimulationError(
                f"@{device.sym_name.data} has other flows than @{self.program.devices[0].sym_name.data}; what is "
                "simulated are configurations that differ in the programs of their cores"
            )

    def _lock(self, op: LockOp) -> Lock:
        name = op.sym_name.data if op.sym_name is not None else "a lock"
        initial = int_value(op.init) if op.init is not None else 0
        return Lock(name, initial, self.chip.lock_limit, self.chip.lock_cycles, self.events)

    def _core(self, op: CoreOp, code: CoreCode, durations: Durations) -> None:
        locks = [self.locks[lock] for lock in code.locks]
        memories = [self.memories[buffer] for buffer in code.buffers]
        place = self.tiles[op.tile]
        core = Core(place, self.chip, code, memories, locks, self.events, self.activity, durations)
        core.time = self.activity.cores.setdefault(place, core.time)
        self.cores.append(core)

    def _channel(self, key: ChannelKey) -> Channel:
        if key not in self.channels:
            (column, row), direction, number = key
            self.channels[key] = Channel(
                f"{direction.name} {number} of tile ({column}, {row})",
                direction is DMAChannelDir.MM2S,
                self.chip.queue_depth,
                self.chip.descriptor_cycles,
                self.events,
                self.activity,
                self.note(),
                self.note(),
                carries=row < FIRST_CORE_ROW,
            )
        return self.channels[key]

    def _routes(self, op: FlowOp) -> Iterator[Route]:
        """What a flow connects, if that are channels."""
        if int_value(op.source_bundle) == int_value(op.dest_bundle) == WireBundle.DMA:
            source = (self.tiles[op.source], DMAChannelDir.MM2S, int_value(op.source_channel))
            yield source, (self.tiles[op.dest], DMAChannelDir.S2MM, int_value(op.dest_channel))

    def _flow(self, source: ChannelKey, sink: ChannelKey) -> None:
        """One flow more of a source, which makes it a broadcast if it had one."""
        first, last = source[0], sink[0]
        if source not in self.streams:
            ports = self._ports(first, last)
            self.streams[source] = Stream(
                self._channel(source), [], self.chip.stream_bytes_per_cycle, self.events, ports, self.note()
            )
            for port in ports:
                port.channels += 1
        switches = abs(first[0] - last[0]) + abs(first[1] - last[1]) + 1
        self.streams[source].sinks.append((self._channel(sink), switches * self.chip.hop_cycles))

    def _banks(self, loads: Loads) -> None:
        """Of every MemTile whose banks can make a channel wait."""
        layout = BankLayout.of(self.chip)
        for place, load in loads.items():
            if load > 1:
                name = f"of MemTile {place[0]}"
                self.banks[place] = Banks(name, layout, [self.note() for _ in range(layout.banks)])
        for (place, _, _), channel in self.channels.items():
            channel.banks = self.banks.get(place)

    def _ports(self, source: tuple[int, int], sink: tuple[int, int]) -> tuple[DdrPort, ...]:
        """What a stream passes if it comes from DDR or goes there."""
        if source[1] == SHIM_ROW:
            key, name = (source[0], DMAChannelDir.MM2S), f"DDR read, column {source[0]}"
        elif sink[1] == SHIM_ROW:
            key, name = (sink[0], DMAChannelDir.S2MM), f"DDR write, column {sink[0]}"
        else:
            return ()
        if key not in self.ports:
            self.ports[key] = DdrPort(name, self.chip.ddr_bytes_per_cycle, self.note())
        return (self.ports[key],) if self.total_port is None else (self.ports[key], self.total_port)

    @property
    def links(self) -> list[Link]:
        """Every link with what it did: DDR, then streams, then channels, then banks that can be too busy."""
        ports = [*self.ports.values()] if self.total_port is None else [*self.ports.values(), self.total_port]
        found = [Link(port.name, LinkKind.DDR, port.pieces, bytes_per_cycle=port.bytes_per_cycle) for port in ports]
        streams = self.streams.values()
        found += [Link(stream.name, LinkKind.STREAM, stream.pieces) for stream in streams]
        for stream in streams:
            for channel, late in ((stream.source, 0), *stream.sinks):
                found.append(Link(channel.name, LinkKind.CHANNEL, stream.pieces, channel.setups, late))
        for banks in self.banks.values():
            for number, pieces in enumerate(banks.pieces):
                found.append(Link(f"bank {number} {banks.name}", LinkKind.BANK, pieces))
        return found

    def ddr_ports(self, direction: DMAChannelDir) -> list[DdrPort]:
        """The ways from (MM2S) or to (S2MM) DDR, by column."""
        return [port for (_, way), port in sorted(self.ports.items()) if way is direction]

    def run(self, cost: ControllerCost, steps: Iterator[Step]) -> int:
        """Take the steps to their end; the cycle in which the array has come to rest and the controller knows."""
        controller = self.controller = Controller(
            steps,
            cost,
            self.channels,
            self.memories,
            self.locks,
            self.events,
            self.activity,
            self.note(),
        )
        controller.begin()
        self.events.run()
        for lock in self.locks.values():
            lock.settle()
        if controller.finished is None:
            raise SimulationError(self._stuck(controller))
        end = max((segment.last for segment in self.activity.segments.values()), default=0)
        # whoever is loaded in the end asked last; the others of its place have no time of their own then
        for core in sorted(self.cores, key=lambda core: core.asked, reverse=True):
            core.end(end)
        return max(end, controller.finished)

    def _stuck(self, controller: Controller) -> str:
        """Nothing can happen any more, and the controller still waits: who waits for what."""
        told: list[str] = [f"the controller waits for {controller.awaits}"]
        for channel in self.channels.values():
            if channel.task is not None:
                told.append(f"{channel.name} {_wait_of(channel)} (segment '{channel.segment}')")
        for core in self.cores:
            if core.waits_for is not None and core.request[0] != END:
                lock, amount = core.request
                told.append(f"core {core.place} waits for {amount} of lock '{core.locks[lock].name}'")
        return f"the array stands still from cycle {self.events.now} on: " + "; ".join(told)


def _wait_of(channel: Channel) -> str:
    """Why a channel with a task does not go on."""
    acquire = channel.descriptor.acquire
    if channel.remaining:
        return f"has {channel.remaining} words to move and nobody at the other end"
    if acquire is None:
        return "does not go on"
    return f"waits for {acquire[1]} of lock '{acquire[0].name}', which holds {acquire[0].value}"
