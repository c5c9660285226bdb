"""
Run a program of the array level, trying to make a wrong one fail.

Memory starts poisoned, DMA engines may be as late as locks allow, the order of everything that is ready is drawn from
the seed, and two accesses that nothing orders are an error even if this run got them right. Kernel calls have their
numpy meaning, or are the device's functions, compiled (`aie_kernels`); the program around them, the descriptors and the
controller's sequence are executed as written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import SSAValue

from compiler.errors import BlockloomError
from compiler.interpret.aie_core import CoreHost, run_core
from compiler.interpret.aie_kernels import KernelCalls
from compiler.interpret.aie_machine import Agent, Channel, ChannelKey, Lock, LockTable, Scheduler, run_channel
from compiler.interpret.aie_memory import Actor, Memory
from compiler.interpret.aie_sequence import Controller
from compiler.interpret.core_program import translate
from compiler.interpret.execution import Arrays, Execution, entry_of
from compiler.interpret.host import run_host_model
from compiler.transfers.layout import pack_map, unpack_map
from dialects import mem
from dialects.aie import (
    BufferOp,
    CoreOp,
    DeviceOp,
    DMABDOp,
    FlowOp,
    LockOp,
    RuntimeSequenceOp,
    TileOp,
    int_value,
)
from dialects.bsr import array_of, shape_of
from dialects.chip import chip_of

Place = tuple[int, int]
MEMTILE_ROW = 1


class _Machine:
    """Everything that lives as long as the program: memories, locks, channels, cores."""

    def __init__(self, module: ModuleOp, device: DeviceOp, seed: int, compile_after: int | None):
        self.chip = chip_of(module)
        self.rng = np.random.default_rng(seed)
        self.scheduler = Scheduler(seed)
        self.locks = LockTable(self.scheduler)
        self.tiles: dict[SSAValue, Place] = {}
        self.memories: dict[Place, Memory] = {}
        self.buffers: dict[SSAValue, tuple[Place, int, int]] = {}
        self.channels: dict[ChannelKey, Channel] = {}
        self.sequences: dict[str, RuntimeSequenceOp] = {}
        self.ddr: dict[str, Memory] = {}
        self.actors: list[Actor] = []
        self.tensors: Arrays = {}
        ops = list(device.body.block.ops)
        self.kernels = KernelCalls((op for op in ops if isinstance(op, func.FuncOp)), compile_after)
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

    def run(self, op: mem.RunOp) -> None:
        """One invocation: a controller of its own."""
        sequence = self.sequences.get(op.sequence.string_value())
        if sequence is None:
            raise BlockloomError(f"@main runs {op.sequence}, which the device does not have")
        arguments: dict[SSAValue, Memory] = dict(
            zip(sequence.body.block.args, (self.ddr["activations"], self.ddr["weights"]), strict=True)
        )
        results = op.results_by_segment

        def ended(segment: str) -> None:
            tensor, result = results.get(segment, ("", None))
            if tensor and result is not None:
                self.tensors[tensor] = self.map_values(result)[None]

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
        self._left_as_found(op.sequence.string_value())

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

    def map_values(self, op: mem.MapOp) -> npt.NDArray[np.int8]:
        """A map as it lies in memory now; the host's reads of DDR must be ordered, a look at MemTiles need not."""
        channels, height, width = op.shape
        first = op.address // 4
        if not op.stripes:
            words = self.ddr["activations"].read(self.host, slice(first, first + height * op.row_words))
        else:
            words = op.whole(lambda column, start, size: self.memories[column, MEMTILE_ROW].words[start : start + size])
        return unpack_map(words, channels, height, width)


def _device_of(module: ModuleOp) -> DeviceOp:
    for op in module.ops:
        if isinstance(op, DeviceOp):
            return op
    raise BlockloomError("the module has no aie.device")


def _argument_words(device: DeviceOp) -> tuple[int, int]:
    for op in device.body.block.ops:
        if isinstance(op, RuntimeSequenceOp):
            first, second = (cast("MemRefType[Any]", arg.type) for arg in op.body.block.args)
            return first.get_shape()[0], second.get_shape()[0]
    return 1, 1


def interpret_aie(
    module: ModuleOp, inputs: Mapping[str, npt.NDArray[Any]], *, seed: int = 0, compile_after: int | None = None
) -> Execution:
    """
    Run `@main` of a module at the array level. Odd seeds run DMA engines as late as possible. A kernel is compiled
    after `compile_after` calls, by default when that pays (`aie_kernels`); results do not depend on it.

    Raises BlockloomError (RaceError, DeadlockError) for a program that is wrong on some schedule this run can see.
    """
    entry = entry_of(module)
    device = _device_of(module)
    machine = _Machine(module, device, seed, compile_after)
    activation_words, weight_words = _argument_words(device)
    maps = [op for op in entry.function.body.block.ops if isinstance(op, mem.MapOp) and not op.stripes]
    highest = max((op.address + op.size for op in maps), default=4) // 4
    machine.ddr["activations"] = Memory("DDR", max(activation_words, highest), machine.rng)
    machine.ddr["weights"] = Memory("the weights in DDR", weight_words, machine.rng)
    values: dict[SSAValue, npt.NDArray[Any]] = dict(
        zip(entry.function.body.block.args, entry.bind(inputs), strict=True)
    )
    for op in entry.function.body.block.ops:
        match op:
            case mem.MapOp():
                pass
            case mem.ImageOp():
                machine.ddr["weights"].write(machine.host, slice(0, weight_words), array_of(op.values).reshape(-1))
            case mem.StoreOp():
                target = mem.map_of(op.target)
                words = pack_map(values[op.value].reshape(target.shape))
                first = target.address // 4
                machine.ddr["activations"].write(machine.host, slice(first, first + words.size), words)
            case mem.LoadOp():
                values[op.result] = machine.map_values(mem.map_of(op.source)).reshape(shape_of(op.result.type))
            case mem.HostOp():
                results = run_host_model(array_of(op.model).tobytes(), [values[value] for value in op.inputs])
                values.update(zip(op.outputs, results, strict=True))
            case mem.RunOp():
                machine.run(op)
            case func.ReturnOp():
                outputs = dict(zip(entry.outputs, [values[value] for value in op.operands], strict=True))
                return Execution(outputs, machine.tensors, str(machine.kernels))
            case _:
                raise BlockloomError(f"the aie interpreter does not know {op.name} in @main")
    raise BlockloomError("@main does not return")
