"""An `aie.device`, ready to run its sequences: memories, locks, channels and cores as a configuration finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from compiler.errors import BlockloomError
from compiler.hardware.chip import Chip
from compiler.interpret.aie_core import CoreHost, run_core
from compiler.interpret.aie_kernels import KernelCalls
from compiler.interpret.aie_machine import Agent, Channel, ChannelKey, Lock, LockTable, Scheduler, run_channel
from compiler.interpret.aie_memory import Actor, Memory
from compiler.interpret.aie_sequence import Controller
from compiler.interpret.core_program import translate
from dialects.aie import BufferOp, CoreOp, DeviceOp, DMABDOp, FlowOp, LockOp, RuntimeSequenceOp, TileOp, int_value

Place = tuple[int, int]
MEMTILE_ROW = 1


class DeviceMachine:
    """Everything that lives as long as a configuration: memories, locks, channels, cores."""

    def __init__(self, chip: Chip, device: DeviceOp, kernels: KernelCalls, seed: int):
        self.chip = chip
        self.kernels = kernels
        self.rng = np.random.default_rng(seed)
        self.scheduler = Scheduler(seed)
        self.locks = LockTable(self.scheduler)
        self.tiles: dict[SSAValue, Place] = {}
        self.memories: dict[Place, Memory] = {}
        self.buffers: dict[SSAValue, tuple[Place, int, int]] = {}
        self.channels: dict[ChannelKey, Channel] = {}
        self.sequences: dict[str, RuntimeSequenceOp] = {}
        self.actors: list[Actor] = []
        ops = list(device.body.block.ops)
        for op in ops:
            if isinstance(op, TileOp):
                self.tiles[op.result] = op.position
        flows = [op for op in ops if isinstance(op, FlowOp)]
        cores = [op for op in ops if isinstance(op, CoreOp)]
        self.agents = 2 + len({port for flow in flows for port in self._ports(flow)}) + len(cores)
        self.host = self._actor("the host")
        for op in ops:
            match op:
                case BufferOp():
                    self._buffer(op)
                case LockOp():
                    name = op.sym_name.data if op.sym_name is not None else "lock"
                    initial = int_value(op.init) if op.init is not None else 0
                    clock = np.zeros(self.agents, np.int64)
                    self.locks.locks[op.result] = Lock(name, initial, self.chip.lock_limit, clock, initial)
                case RuntimeSequenceOp():
                    self.sequences[op.sym_name.data] = op
                case _:
                    pass
        for flow in flows:
            source, destination = (self._channel(port) for port in self._ports(flow))
            source.destinations.append(destination)
            destination.source = source
        for core in cores:
            self._core(core)

    def _actor(self, name: str) -> Actor:
        actor = Actor(len(self.actors), name, np.zeros(self.agents, np.int64))
        # time 0 is before anybody acted: what is never told is never known
        actor.clock[actor.number] = 1
        self.actors.append(actor)
        return actor

    def _ports(self, flow: FlowOp) -> tuple[ChannelKey, ChannelKey]:
        source, destination = self.tiles[flow.source], self.tiles[flow.dest]
        return (
            (*source, "MM2S", int_value(flow.source_channel)),
            (*destination, "S2MM", int_value(flow.dest_channel)),
        )

    def _channel(self, key: ChannelKey) -> Channel:
        if key not in self.channels:
            column, row, direction, number = key
            channel = Channel(key, self._actor(f"tile ({column}, {row}) {direction} {number}"))
            channel.agent = Agent(channel.actor, is_dma=True)
            channel.agent.steps = run_channel(channel, self.scheduler, self.locks)
            self.channels[key] = channel
            self.scheduler.add(channel.agent)
        return self.channels[key]

    def _memory(self, place: Place) -> Memory:
        if place not in self.memories:
            memtile = place[1] == MEMTILE_ROW
            size = self.chip.memtile_bytes if memtile else self.chip.core_memory_bytes
            name = f"the memory of tile ({place[0]}, {place[1]})"
            self.memories[place] = Memory(name, size // 4, self.rng)
        return self.memories[place]

    def _buffer(self, op: BufferOp) -> None:
        place = self.tiles[op.tile]
        if op.address is None:
            raise BlockloomError(f"a buffer of tile {place} has no address")
        words = cast("MemRefType[Any]", op.buffer.type).get_shape()[0]
        self._memory(place)
        self.buffers[op.buffer] = (place, int_value(op.address) // 4, words)

    def _core(self, op: CoreOp) -> None:
        place = self.tiles[op.tile]
        actor = self._actor(f"core ({place[0]}, {place[1]})")
        mine = {value: (first, size) for value, (tile, first, size) in self.buffers.items() if tile == place}
        host = CoreHost(actor, self._memory(place), mine, self.locks, self.kernels)
        agent = Agent(actor, is_dma=False)
        agent.steps = run_core(agent, host, translate(op.body.block))
        self.scheduler.add(agent)

    def place(self, op: DMABDOp, tile: Place, channel: int, arguments: Mapping[SSAValue, Memory]) -> tuple[Memory, int]:
        """Memory and first word of a descriptor's buffer. Raises BlockloomError for what the tile cannot reach."""
        if op.buffer in arguments:
            if tile[1] != 0:
                raise BlockloomError(f"tile {tile} has a descriptor on DDR; only shims reach it")
            return arguments[op.buffer], 0
        owner, first, _ = self.buffers[op.buffer]
        if owner != tile:
            near = owner[1] == tile[1] == MEMTILE_ROW and abs(owner[0] - tile[0]) == 1
            if not near or channel >= max(4, self.chip.core_rows):
                raise BlockloomError(f"channel {channel} of tile {tile} does not reach the memory of tile {owner}")
        return self.memories[owner], first

    def run(self, name: str, ddr: Sequence[Memory], ended: Callable[[str], None]) -> None:
        """One invocation: a controller of its own, which tells when a segment has ended."""
        sequence = self.sequences[name]
        arguments: dict[SSAValue, Memory] = dict(zip(sequence.body.block.args, ddr, strict=True))
        controller = Controller(
            self.channels,
            self.scheduler,
            self.tiles.__getitem__,
            lambda bd, tile, channel: self.place(bd, tile, channel, arguments),
            self.chip.queue_depth,
            ended,
        )
        actor = self.host
        agent = Agent(actor, is_dma=False)
        agent.steps = controller.run(agent, sequence.body.block)
        self.scheduler.add(agent)
        self.scheduler.run(agent)
        self.scheduler.agents.remove(agent)
        self.scheduler.settle()
        self._left_as_found(name)

    def _left_as_found(self, sequence: str) -> None:
        """An invocation must leave nothing to the next one. Raises BlockloomError."""
        for channel in self.channels.values():
            if channel.tokens:
                raise BlockloomError(f"{len(channel.tokens)} tokens of {channel.actor.name} were never waited for")
            if channel.queue or channel.active is not None:
                unfinished = len(channel.queue) + (channel.active is not None)
                raise BlockloomError(f"@{sequence} ends, and {channel.actor.name} has {unfinished} unfinished tasks")
        for lock in self.locks.locks.values():
            if lock.value != lock.initial:
                raise BlockloomError(f"@{sequence} ends with lock {lock.name} at {lock.value}, not {lock.initial}")
