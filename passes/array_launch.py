"""One launch and one copy of the `mem` level as DMA tasks: the protocol between MemTiles and cores in full."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.hardware.routes import (
    CORE_INPUT,
    CORE_OUTPUT,
    CORE_WEIGHTS,
    FIRST_CORE_ROW,
    MEMTILE_ROW,
    SHIM_FILL,
    SHIM_LOAD,
    SHIM_ROW,
    SHIM_SPILL,
    channels,
    listeners,
)
from compiler.kernels.parameters import PARAMETER_WORDS, Parameter, pack
from compiler.transfers.window import Window, window_faults
from dialects import mem
from dialects.aie import DMAChannelDir
from dialects.bsr import array_of
from passes.array_device import place_name
from passes.array_tasks import Descriptor, Place, Task, TaskWriter

S2MM, MM2S = DMAChannelDir.S2MM, DMAChannelDir.MM2S
ACTIVATIONS = "activations"
WEIGHTS = "weights"
P = Parameter


def linear(offset: int, words: int, wrap: int = 1, step: int = 0) -> Window:
    """One run of words, perhaps iterated over slots."""
    return Window(0, offset, (words,), (1,), (), wrap, step if wrap > 1 else 0)


@dataclass
class Image:
    """The weights argument: everything that the shims load, in order. Words are appended once, launch by launch."""

    parts: list[npt.NDArray[np.int32]] = field(default_factory=list[npt.NDArray[np.int32]])
    size: int = 0

    def append(self, words: npt.NDArray[np.int32]) -> int:
        """Add words; where they begin."""
        start = self.size
        self.parts.append(words)
        self.size += words.size
        return start

    def words(self) -> npt.NDArray[np.int32]:
        """The whole image."""
        return np.concatenate(self.parts) if self.parts else np.zeros(1, np.int32)


class LaunchWriter:
    """Writes launches and copies; `pending` are the tasks whose tokens are still to come, by the op that made them."""

    def __init__(self, chip: Chip, tasks: TaskWriter, image: Image, parameters_word: int):
        self.chip = chip
        self.tasks = tasks
        self.image = image
        self.parameters_word = parameters_word
        self.channels = channels(chip)
        self.copies: dict[int, list[Task]] = {}
        """Copies under way in each column."""

    # Copies

    def copy(self, op: mem.CopyOp) -> Task:
        """A fill or a spill; returns the task to wait for. A column's queues hold four, so a fifth waits first."""
        column = op.column
        waiting = self.copies.setdefault(column, [])
        if len(waiting) == self.chip.queue_depth:
            self.finish_copy(waiting[0])
        memtile = op.target_window.data if op.fills else op.source_window.data
        ddr = op.source_window.data if op.fills else op.target_window.data
        self._check(memtile)
        here = (Descriptor(place_name("memtile", (column, MEMTILE_ROW)), memtile),)
        there = (Descriptor(ACTIVATIONS, ddr),)
        shim, tile = (column, SHIM_ROW), (column, MEMTILE_ROW)
        if op.fills:
            awaited = Task(tile, S2MM, self.channels.fill, here, token=True)
            other = Task(shim, MM2S, SHIM_FILL, there)
        else:
            awaited = Task(shim, S2MM, SHIM_SPILL, there, token=True)
            other = Task(tile, MM2S, self.channels.spill, here)
        self.tasks.start(awaited)
        self.tasks.start(other)
        waiting.append(awaited)
        return awaited

    def finish_copy(self, task: Task) -> None:
        """Wait for a copy, unless that has been done."""
        waiting = self.copies[task.place[0]]
        if task in waiting:
            waiting.remove(task)
            self.tasks.wait(task)

    # Launches

    def launch(self, op: mem.LaunchOp) -> list[Task]:
        """All tasks of a launch; returns those whose tokens say that it has ended."""
        cores = {(core.column, core.row): core for core in op.cores}
        common = op.common_parameters
        awaited: list[Task] = []
        for column in range(self.chip.columns):
            blocks: list[npt.NDArray[np.int32]] = []
            for row in range(self.chip.core_rows):
                core = cores.get((column, row))
                own = core.own_parameters if core else self._idle_parameters(op, row)
                values = {**common, **own}
                blocks.append(pack({P[name.upper()]: value for name, value in values.items()}))
                awaited.append(self._core_tasks((column, row), core, values, self._stream_of(op, row)))
            self._parameters(column, np.concatenate(blocks))
        if op.weights is not None:
            self._weights(op)
        return awaited

    def _stream_of(self, op: mem.LaunchOp, row: int) -> tuple[int, int, int]:
        """First word, chunks and chunk size of the weight stream that core row `row` hears."""
        if op.weights is None:
            return 0, 0, 0
        weights = op.weights.owner
        assert isinstance(weights, mem.WeightsOp), "weights come from mem.weights"
        first, count = weights.streams[self.chip.domain(row) % len(weights.streams)]
        return first, count, weights.chunk_words

    def _idle_parameters(self, op: mem.LaunchOp, row: int) -> dict[str, int]:
        """A core without work takes its chunks of weights off the broadcast and sends one word."""
        chunks = self._stream_of(op, row)[1] // op.common_parameters["input_chunks"]
        return {"output_chunks": chunks, "rows": 0, "stream_rows": 0, "blocks": 1, "last_blocks": 1}

    def _check(self, window: Window) -> None:
        faults = window_faults(window, self.chip)
        if faults:
            raise CapacityError(
                f"segment '{self.tasks.segment.data}': no MemTile descriptor holds {window}: {'; '.join(faults)}"
            )

    def _core_tasks(
        self, core_place: Place, core: mem.CoreOp | None, values: dict[str, int], stream: tuple[int, int, int]
    ) -> Task:
        """Parameters, input, weights and output of one core; returns the MemTile task that takes its output."""
        column, row = core_place
        place, tile = (column, FIRST_CORE_ROW + row), (column, MEMTILE_ROW)
        self._parameter_tasks(place, tile, row)
        if core is not None and core.reads:
            self._input(place, tile, row, core, values)
        if stream[1]:
            slots = values["weight_slots"]
            window = linear(values["weight_base"], stream[2], slots, values["weight_slot"])
            self._ring_task(place, S2MM, CORE_WEIGHTS, window, "weights", stream[1])
        if core is None:
            return self._empty_output(place, tile, row)
        return self._output(place, tile, row, core, values)

    def _parameter_tasks(self, place: Place, tile: Place, row: int) -> None:
        empty, full = (place_name(f"parameters_{state}", place) for state in ("empty", "full"))
        arriving = Descriptor(
            place_name("parameters", place), linear(0, PARAMETER_WORDS), acquire=(empty, 1), release=(full, 1)
        )
        self.tasks.start(Task(place, S2MM, CORE_INPUT, (arriving,)))
        empty, full = (place_name(f"parameters_{state}", tile) for state in ("empty", "full"))
        leaving = Descriptor(
            place_name("memtile", tile),
            linear(self.parameters_word + row * PARAMETER_WORDS, PARAMETER_WORDS),
            acquire=(full, 1),
            release=(empty, 1),
        )
        self.tasks.start(Task(tile, MM2S, row, (leaving,)))

    def _ring_task(
        self, place: Place, direction: DMAChannelDir, channel: int, window: Window, lock: str, runs: int
    ) -> None:
        """Runs over a ring of slots in a core's arena, in as few tasks as the repeat count allows."""
        empty, full = (place_name(f"{lock}_{state}", place) for state in ("empty", "full"))
        acquired, released = (empty, full) if direction is S2MM else (full, empty)
        descriptor = Descriptor(place_name("arena", place), window, (acquired, 1), (released, 1))
        most = self.chip.run_limit // window.wrap * window.wrap
        while runs:
            now = min(runs, most)
            self.tasks.start(Task(place, direction, channel, (descriptor,), now))
            runs -= now

    def _input(self, place: Place, tile: Place, row: int, core: mem.CoreOp, values: dict[str, int]) -> None:
        """Rows from the MemTiles into the core's ring."""
        for window in core.reads:
            self._check(window)
        chain = tuple(Descriptor(place_name("memtile", (w.column, MEMTILE_ROW)), w) for w in core.reads)
        total = core.read_runs * sum(window.words for window in core.reads)
        passes = values["output_chunks"] * values["input_chunks"]
        rows = passes * values["stream_rows"]
        window = linear(values["input_base"], total // rows, values["input_slots"], values["input_slot"])
        assert total == rows * window.words, f"{total} words do not make {rows} rows"
        self._ring_task(place, S2MM, CORE_INPUT, window, "input", rows)
        self.tasks.start(Task(tile, MM2S, row, chain, core.read_runs))

    def _output(self, place: Place, tile: Place, row: int, core: mem.CoreOp, values: dict[str, int]) -> Task:
        """Rows from the core's output slots into the MemTile; the last window's task carries the token."""
        taken: Task | None = None
        for index, (window, runs) in enumerate(core.writes):
            self._check(window)
            rows = runs * values["rows"]
            slot = linear(
                values["output_base"],
                window.words // values["rows"],
                values["output_slots"],
                values["output_slot"],
            )
            self._ring_task(place, MM2S, CORE_OUTPUT, slot, "output", rows)
            descriptor = Descriptor(place_name("memtile", (window.column, MEMTILE_ROW)), window)
            taken = Task(tile, S2MM, row, (descriptor,), runs, token=index + 1 == len(core.writes))
            self.tasks.start(taken)
        assert taken is not None, "every core with work writes"
        return taken

    def _empty_output(self, place: Place, tile: Place, row: int) -> Task:
        """One word, of its parameters, into the MemTile's scratch: the sign of a core that had nothing to compute."""
        empty, full = (place_name(f"output_{state}", place) for state in ("empty", "full"))
        word = Descriptor(place_name("parameters", place), linear(0, 1), (full, 1), (empty, 1))
        self.tasks.start(Task(place, MM2S, CORE_OUTPUT, (word,)))
        scratch = self.parameters_word + self.chip.core_rows * PARAMETER_WORDS + row
        task = Task(tile, S2MM, row, (Descriptor(place_name("memtile", tile), linear(scratch, 1)),), token=True)
        self.tasks.start(task)
        return task

    # Weights and parameters from DDR

    def _parameters(self, column: int, words: npt.NDArray[np.int32]) -> None:
        """Parameter blocks of a column's cores, from DDR to the MemTile, which hands one to each."""
        tile = (column, MEMTILE_ROW)
        count = self.chip.core_rows
        empty, full = (place_name(f"parameters_{state}", tile) for state in ("empty", "full"))
        arriving = Descriptor(
            place_name("memtile", tile), linear(self.parameters_word, words.size), (empty, count), (full, count)
        )
        self.tasks.start(Task(tile, S2MM, self.channels.load, (arriving,)))
        leaving = Descriptor(WEIGHTS, linear(self.image.append(words), words.size))
        self.tasks.start(Task((column, SHIM_ROW), MM2S, SHIM_LOAD, (leaving,)))

    def _weights(self, op: mem.LaunchOp) -> None:
        """Chunks from DDR through each MemTile's ring to the cores that hear it."""
        assert op.weights is not None, "called for launches with weights"
        assert op.ring is not None, "weights come through a ring"
        weights, ring = op.weights.owner, op.ring.owner
        assert isinstance(weights, mem.WeightsOp), "weights come from mem.weights"
        assert isinstance(ring, mem.RingOp), "rings come from mem.ring"
        start = self.image.append(array_of(weights.values).reshape(-1))
        for column in range(self.chip.columns):
            _, row = listeners(self.chip, column)[0]
            first, count, words = self._stream_of(op, row)
            if not count:
                continue
            tile = (column, MEMTILE_ROW)
            empty, full = (place_name(f"weights_{state}", tile) for state in ("empty", "full"))
            window = linear(ring.address // 4, words, ring.slots, ring.slot_words)
            buffer = place_name("memtile", tile)
            arriving = Descriptor(buffer, window, (empty, 1), (full, 1))
            leaving = Descriptor(buffer, window, (full, 1), (empty, 1))
            self.tasks.start(Task(tile, S2MM, self.channels.load, (arriving,), count))
            self.tasks.start(Task(tile, MM2S, self.channels.broadcast, (leaving,), count))
            source = Descriptor(WEIGHTS, linear(start + first, count * words))
            self.tasks.start(Task((column, SHIM_ROW), MM2S, SHIM_LOAD, (source,)))
