"""
Run a program of the `mem` level: copies move words between memories that start poisoned, launches compute.

Copies that run at the same time are done in an order drawn from the seed, and so are the cores of a launch, each
reading the memory as earlier cores left it; a program may not depend on that order. A word that is read before anything
wrote it is an error that names the reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue

from compiler.errors import BlockloomError
from compiler.interpret.execution import Arrays, Execution, entry_of
from compiler.interpret.host import run_host_model
from compiler.interpret.mem_kernels import compute
from compiler.transfers.layout import unpack_map
from compiler.transfers.window import PADDING, Window
from dialects import mem
from dialects.bsr import array_of
from dialects.chip import chip_of
from dialects.mem_attributes import DDR


class Memory:
    """Words that know whether anything wrote them."""

    def __init__(self, name: str, words: int, rng: np.random.Generator):
        self.name = name
        self.words = np.zeros(words, np.int32)
        self.forget(rng)

    def forget(self, rng: np.random.Generator) -> None:
        """All words are any, and nothing wrote them."""
        self.words = rng.integers(-(2**31), 2**31, self.words.size, dtype=np.int32)
        self.written = np.zeros(self.words.size, np.bool_)

    def read(self, indices: npt.NDArray[np.int64], reader: str) -> npt.NDArray[np.int32]:
        """Words at `indices`, zero for padding. Raises BlockloomError for a word that nothing wrote."""
        padding = indices == PADDING
        missing = ~self.written[indices] & ~padding
        if missing.any():
            raise BlockloomError(
                f"{reader} reads word {int(indices[missing][0])} of {self.name}, which nothing has written"
            )
        return np.where(padding, 0, self.words[indices]).astype(np.int32)

    def write(self, indices: npt.NDArray[np.int64], values: npt.NDArray[np.int32]) -> None:
        """Store words."""
        self.words[indices] = values
        self.written[indices] = True


def shuffled(rng: np.random.Generator, count: int) -> list[int]:
    """The numbers below `count` in a drawn order."""
    order: list[int] = rng.permutation(count).tolist()
    return order


class _Machine:
    def __init__(self, module: ModuleOp, seed: int):
        self.chip = chip_of(module)
        self.rng = np.random.default_rng(seed)
        maps = [op for op in module.walk() if isinstance(op, mem.MapOp | mem.WordsOp) and op.result.type == DDR]
        height = max((op.address + op.size for op in maps), default=4)
        self.ddr = Memory("DDR", -(-height // 4), self.rng)
        self.memtiles = [
            Memory(f"MemTile {column}", self.chip.memtile_words, self.rng) for column in range(self.chip.columns)
        ]
        self.tensors: Arrays = {}
        self.configuration = 0

    def invoke(self, op: mem.InvokeOp) -> None:
        """Segments in order. Cores that run another program than before find MemTiles that nothing has written."""
        if op.configuration != self.configuration:
            self.configuration = op.configuration
            for memory in self.memtiles:
                memory.forget(self.rng)
        for segment in op.segments:
            self.run(segment)

    def run(self, op: Operation) -> None:
        """One op inside an invocation."""
        match op:
            case mem.SegmentOp():
                self.segment(op)
            case mem.LaunchOp():
                for index in shuffled(self.rng, len(op.cores)):
                    self.core(op, op.cores[index])
            case mem.CopyOp() | mem.WaitOp() | mem.WeightsOp() | mem.RingOp() | mem.MapOp() | mem.WordsOp():
                pass
            case _:
                raise BlockloomError(f"the mem interpreter does not know {op.name}")

    def segment(self, segment: mem.SegmentOp) -> None:
        """Ops in order; copies are put off until something waits for them."""
        waiting: dict[SSAValue, mem.CopyOp] = {}
        for op in segment.body.block.ops:
            if isinstance(op, mem.CopyOp):
                waiting[op.token] = op
            elif isinstance(op, mem.WaitOp):
                copies = [waiting.pop(token) for token in op.tokens if token in waiting]
                for index in shuffled(self.rng, len(copies)):
                    self.copy(copies[index])
            else:
                self.run(op)
        if waiting:
            raise BlockloomError(f"segment '{segment.segment_name.data}' ends before {len(waiting)} of its copies")
        if segment.tensor.data:
            self.tensors[segment.tensor.data] = self.map_values(mem.map_of(segment.output))[None]

    def map_values(self, op: mem.MapOp) -> npt.NDArray[np.int8]:
        """A whole map, int8[channels, height, width]."""
        channels, height, width = op.shape
        first = op.address // 4
        if not op.stripes:
            rows = self.ddr.read(first + np.arange(height * op.row_words), "the host")
        else:
            rows = op.whole(
                lambda column, start, words: self.memtiles[column].read(start + np.arange(words), "the host")
            )
        return unpack_map(rows, channels, height, width)

    def copy(self, op: mem.CopyOp) -> None:
        """Move the words of one copy."""
        source, target = op.source_window.data, op.target_window.data
        memtile = self.memtiles[op.column]
        origin, destination = (self.ddr, memtile) if op.fills else (memtile, self.ddr)
        words = origin.read(source.word_indices(), f"a copy of column {op.column}")
        destination.write(target.word_indices(), words)

    def gather(self, windows: tuple[Window, ...], runs: int, reader: str) -> npt.NDArray[np.int32]:
        """Words of a chain of windows, run after run."""
        parts = [
            self.memtiles[window.column].read(window.word_indices(run), reader)
            for run in range(runs)
            for window in windows
        ]
        return np.concatenate(parts)

    def core(self, launch: mem.LaunchOp, core: mem.CoreOp) -> None:
        """Read the core's stream, compute, write."""
        parameters = {**launch.common_parameters, **core.own_parameters}
        reader = f"core ({core.column}, {core.row})"
        parts = [self.gather(windows, runs, reader) for windows, runs in core.reads]
        stream = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        rows = parameters["stream_rows"]
        chunks, again = parameters["output_chunks"], 1
        if parameters["stays"]:
            chunks, again = again, chunks
        passes = chunks * parameters["input_chunks"]
        if parameters.get("skips_alone", 0):
            stream = _with_input_again(stream, parameters)
        shaped = stream.view(np.int8).reshape(passes, rows, -1) if rows else np.zeros((passes, 0, 8), np.int8)
        shaped = np.concatenate([shaped] * again)
        results = compute(launch.kernel, parameters, shaped, self.chunks(launch, core))
        first, pitch = launch.sent
        sent = [part.reshape(*part.shape[:2], -1, pitch, 8)[:, :, :, :first] for part in results]
        words = np.concatenate([np.ascontiguousarray(part).reshape(-1).view(np.int32) for part in sent])
        position = 0
        for window, runs in core.writes:
            for run in range(runs):
                self.memtiles[window.column].write(window.word_indices(run), words[position : position + window.words])
                position += window.words
        if position != words.size:
            raise BlockloomError(f"{reader} makes {words.size} words, its windows take {position}")

    def chunks(self, launch: mem.LaunchOp, core: mem.CoreOp) -> list[npt.NDArray[np.int32]]:
        """The core's weight chunks, in order."""
        if launch.weights is None:
            return []
        weights = launch.weights.owner
        assert isinstance(weights, mem.WeightsOp), "weights come from mem.weights"
        first, count = weights.streams[core.stream]
        values, size = array_of(weights.values).reshape(-1), weights.chunk_words
        return [values[first + index * size : first + (index + 1) * size] for index in range(count)]


def _with_input_again(stream: npt.NDArray[np.int32], parameters: Mapping[str, int]) -> npt.NDArray[np.int32]:
    """A stream of which all passes but the first bring skip rows only, as if the input rows came with them."""
    rows, own = parameters["stream_rows"], parameters["skip"]
    skip = 2 * parameters["blocks"] * parameters["width"]
    begin = rows * (own + skip)
    alone = stream[begin:].reshape(-1, rows, skip)
    kept = np.broadcast_to(stream[:begin].reshape(rows, -1)[:, :own], (len(alone), rows, own))
    return np.concatenate([stream[:begin], np.concatenate([kept, alone], axis=2).reshape(-1)])


def store(memory: Memory, op: mem.MapOp | mem.WordsOp, value: npt.NDArray[Any]) -> None:
    """Lay a tensor out in DDR."""
    words = op.packed(value)
    memory.write(op.first_word + np.arange(words.size), words)


def load(memory: Memory, op: mem.MapOp | mem.WordsOp, type: Attribute) -> npt.NDArray[Any]:
    """The tensor that lies in DDR."""
    return op.unpacked(memory.read(op.first_word + np.arange(op.words), "the host"), type)


def interpret_mem(module: ModuleOp, inputs: Mapping[str, npt.NDArray[Any]], *, seed: int = 0) -> Execution:
    """
    Run `@main` of a module at the mem level.

    Raises BlockloomError for what no program may do: read what nothing wrote, end a segment before its copies.
    """
    entry = entry_of(module)
    machine = _Machine(module, seed)
    values: dict[SSAValue, npt.NDArray[Any]] = dict(
        zip(entry.function.body.block.args, entry.bind(inputs), strict=True)
    )
    for op in entry.function.body.block.ops:
        match op:
            case mem.InvokeOp():
                machine.invoke(op)
            case mem.StoreOp():
                store(machine.ddr, mem.in_ddr(op.target), values[op.value])
            case mem.LoadOp():
                values[op.result] = load(machine.ddr, mem.in_ddr(op.source), op.result.type)
            case mem.HostOp():
                results = run_host_model(array_of(op.model).tobytes(), [values[value] for value in op.inputs])
                values.update(zip(op.outputs, results, strict=True))
            case func.ReturnOp():
                outputs = dict(zip(entry.outputs, [values[value] for value in op.operands], strict=True))
                return Execution(outputs, machine.tensors)
            case _:
                machine.run(op)
    raise BlockloomError("@main does not return")
