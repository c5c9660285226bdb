"""
Run a program of the array level, trying to make a wrong one fail.

Memory starts poisoned, DMA engines may be as late as locks allow, the order of everything that is ready is drawn from
the seed, and two accesses that nothing orders are an error even if this run got them right. Kernel calls have their
numpy meaning, or are the device's functions, compiled (`aie_kernels`); the program around them, the descriptors and the
controller's sequence are executed as written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Attribute, SSAValue

from compiler.errors import BlockloomError
from compiler.interpret.aie_device import MEMTILE_ROW, DeviceMachine
from compiler.interpret.aie_kernels import KernelCalls
from compiler.interpret.aie_memory import Memory
from compiler.interpret.execution import Arrays, Execution, entry_of
from compiler.interpret.host import run_host_model
from compiler.transfers.layout import unpack_map
from dialects import mem
from dialects.aie import DeviceOp, RuntimeSequenceOp
from dialects.bsr import array_of
from dialects.chip import chip_of
from dialects.mem_attributes import DDR


class _Host:
    """What outlives a configuration: DDR, and what the cores of each device have called."""

    def __init__(self, module: ModuleOp, seed: int, compile_after: int | None):
        self.chip, self.seed = chip_of(module), seed
        self.devices = [op for op in module.ops if isinstance(op, DeviceOp)]
        if not self.devices:
            raise BlockloomError("the module has no aie.device")
        self.kernels = [KernelCalls(_functions(device), compile_after) for device in self.devices]
        self.sequences = {
            op.sym_name.data: number
            for number, device in enumerate(self.devices)
            for op in device.body.block.ops
            if isinstance(op, RuntimeSequenceOp)
        }
        self.configuration = 0
        self.machine = self._configured()
        words = _argument_words(self.devices)
        maps = [op for op in module.walk() if isinstance(op, mem.MapOp | mem.WordsOp) and op.result.type == DDR]
        words[0] = max(words[0], max((op.address + op.size for op in maps), default=4) // 4)
        names = ("DDR", "the weights in DDR")
        self.activations, self.weights = (
            Memory(name, size, self.machine.rng) for name, size in zip(names, words, strict=True)
        )
        self.tensors: Arrays = {}

    def _configured(self) -> DeviceMachine:
        return DeviceMachine(self.chip, self.devices[self.configuration], self.kernels[self.configuration], self.seed)

    def run(self, op: mem.RunOp) -> None:
        """One invocation. An array with another program than before begins as if nobody had ever used it."""
        name = op.sequence.string_value()
        if name not in self.sequences:
            raise BlockloomError(f"@main runs {op.sequence}, which no device has")
        if self.sequences[name] != self.configuration:
            self.configuration = self.sequences[name]
            self.machine = self._configured()
            self.activations.settle()
            self.weights.settle()
        results = op.results_by_segment

        def ended(segment: str) -> None:
            if segment in results:
                tensor, result = results[segment]
                self.tensors[tensor] = self.map_values(result)[None]

        self.machine.run(name, (self.activations, self.weights), ended)

    def map_values(self, op: mem.MapOp) -> npt.NDArray[np.int8]:
        """A map as it lies in memory now; the host's reads of DDR must be ordered, a look at MemTiles need not."""
        channels, height, width = op.shape
        first = op.address // 4
        if not op.stripes:
            words = self.activations.read(self.machine.host, slice(first, first + height * op.row_words))
        else:
            tiles = self.machine.memories
            words = op.whole(lambda column, start, size: tiles[column, MEMTILE_ROW].words[start : start + size])
        return unpack_map(words, channels, height, width)

    def store(self, op: mem.MapOp | mem.WordsOp, value: npt.NDArray[Any]) -> None:
        """Lay a tensor out in DDR."""
        words = op.packed(value)
        self.activations.write(self.machine.host, slice(op.first_word, op.first_word + words.size), words)

    def load(self, op: mem.MapOp | mem.WordsOp, type: Attribute) -> npt.NDArray[Any]:
        """The tensor that lies in DDR."""
        words = self.activations.read(self.machine.host, slice(op.first_word, op.first_word + op.words))
        return op.unpacked(words, type)


def _functions(device: DeviceOp) -> list[func.FuncOp]:
    return [op for op in device.body.block.ops if isinstance(op, func.FuncOp)]


def _argument_words(devices: Sequence[DeviceOp]) -> list[int]:
    """Of activations and weights, which are the same for all sequences."""
    for op in (op for device in devices for op in device.body.block.ops):
        if isinstance(op, RuntimeSequenceOp):
            return [cast("MemRefType[Any]", arg.type).get_shape()[0] for arg in op.body.block.args]
    return [1, 1]


def interpret_aie(
    module: ModuleOp, inputs: Mapping[str, npt.NDArray[Any]], *, seed: int = 0, compile_after: int | None = None
) -> Execution:
    """
    Run `@main` of a module at the array level. Odd seeds run DMA engines as late as possible. A kernel is compiled
    after `compile_after` calls, by default when that pays (`aie_kernels`); results do not depend on it.

    Raises BlockloomError (RaceError, DeadlockError) for a program that is wrong on some schedule this run can see.
    """
    entry = entry_of(module)
    host = _Host(module, seed, compile_after)
    values: dict[SSAValue, npt.NDArray[Any]] = dict(
        zip(entry.function.body.block.args, entry.bind(inputs), strict=True)
    )
    for op in entry.function.body.block.ops:
        match op:
            case mem.MapOp() | mem.WordsOp():
                pass
            case mem.ImageOp():
                words = array_of(op.values).reshape(-1)
                host.weights.write(host.machine.host, slice(0, words.size), words)
            case mem.StoreOp():
                host.store(mem.in_ddr(op.target), values[op.value])
            case mem.LoadOp():
                values[op.result] = host.load(mem.in_ddr(op.source), op.result.type)
            case mem.HostOp():
                results = run_host_model(array_of(op.model).tobytes(), [values[value] for value in op.inputs])
                values.update(zip(op.outputs, results, strict=True))
            case mem.RunOp():
                host.run(op)
            case func.ReturnOp():
                outputs = dict(zip(entry.outputs, [values[value] for value in op.operands], strict=True))
                return Execution(outputs, host.tensors, ", ".join(map(str, host.kernels)))
            case _:
                raise BlockloomError(f"the aie interpreter does not know {op.name} in @main")
    raise BlockloomError("@main does not return")
