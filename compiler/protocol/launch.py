"""
One launch of the `mem` level as DMA tasks: the protocol between MemTiles and cores in full.

Only what moves activations out of the MemTiles has to wait for the launch before. Everything else may be queued while
that one still runs: parameters and the core's input wait behind its input, its outputs behind its outputs, and weights
go into slots that never move.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip
from compiler.hardware.routes import (
    CORE_INPUT,
    CORE_OUTPUT,
    CORE_WEIGHTS,
    FIRST_CORE_ROW,
    MEMTILE_ROW,
    SHIM_FILL,
    SHIM_ROW,
    channels,
    listeners,
)
from compiler.kernels.parameters import PARAMETER_SETS, PARAMETER_WORDS, Parameter, pack
from compiler.protocol.copies import check_window
from compiler.protocol.image import WEIGHTS, Image, linear
from compiler.protocol.slots import RowRings, arriving_slots, input_slots, output_slots, ring_tasks
from compiler.protocol.tasks import Descriptor, Place, Task, parameter_lock, place_name, ring_lock
from compiler.protocol.weight_streams import (
    arriving_pages,
    chunk_size,
    own_pages,
    own_words,
    ring_window,
    stream_of,
    weights_come_early,
)
from compiler.tiling.arena import WEIGHT_SLOTS
from dialects import mem
from dialects.aie import DMAChannelDir

S2MM, MM2S = DMAChannelDir.S2MM, DMAChannelDir.MM2S
Words = npt.NDArray[np.int32]
P = Parameter


@dataclass
class LaunchTasks:
    """Tasks of a launch, in the order in which they are pushed. When all tokens have come, the launch has ended."""

    segment: str
    sent: tuple[int, int] = (1, 1)
    """Of every so many pixels of an output row the first so many are sent: the latter, then the former."""
    early: list[Task] = field(default_factory=list[Task])
    """May be pushed while the launch before runs."""
    late: list[Task] = field(default_factory=list[Task])
    """Activations: pushed when the launch before has ended."""
    may_be_early: bool = True
    loaded: list[list[Words]] = field(default_factory=list[list[Words]])
    """What each column's shim loads: the blocks of the cores, and weights behind them."""


def _waits_for_input(core: mem.CoreOp, common: dict[str, int]) -> bool:
    """Whether even the window of the core's first row reaches a row of the map."""
    return bool(core.reads) and core.own_parameters["row_origin"] + common["window"] > 0


class LaunchWriter:
    """
    Makes the tasks of launches, one after the other: rings of slots go on where they stand, so that descriptors that
    hold them need not be written again.
    """

    def __init__(self, chip: Chip, image: Image, parameters_word: int):
        self.chip = chip
        self.image = image
        self.parameters_word = parameters_word
        self.channels = channels(chip)
        self.first_slot = [0] * chip.domains
        self.rows = RowRings(chip)
        self.after_deep = False
        """Whether the launch before was DEEP."""
        self.blocks = 0
        """Which set of parameter blocks is next."""

    def tasks(self, op: mem.LaunchOp, segment: str, filled: bool = False) -> LaunchTasks:
        """
        All tasks of a launch, before which maps are `filled` while another one may run, or not.

        Raises CapacityError for a window that no descriptor holds.
        """
        made = LaunchTasks(segment, op.sent)
        cores = {(core.column, core.row): core for core in op.cores}
        deep, common = op.deep, op.common_parameters
        streams = [stream_of(op, self.chip, row) for row in range(self.chip.core_rows)]
        for column in range(self.chip.columns):
            blocks: list[Words] = []
            for row in range(self.chip.core_rows):
                core = cores.get((column, row))
                # weights that come behind parameters find all slots empty: those of a DEEP launch begin with the first
                first_slot = 0 if op.rings else self.first_slot[self.chip.domain(row)]
                own = core.own_parameters if core else self._idle_parameters(op, row)
                values = {**common, **own, P.WEIGHT_FIRST.name.lower(): first_slot}
                if core is not None:
                    values |= self.rows.first_slots(op, core, values)
                blocks.append(pack({P[name.upper()]: value for name, value in values.items()}))
                if deep:
                    assert core is not None, "in a DEEP launch every core has work"
                    self._deep_core_tasks(made, op, core, values)
                else:
                    self._core_tasks(made, (column, row), core, values, streams[row])
            self._parameters(made, column, np.concatenate(blocks))
            if deep:
                self._deep_column(made, op, column, filled)
        for row in range(self.chip.domains):
            begun = 0 if op.rings else self.first_slot[row]
            self.first_slot[row] = (begun + self._chunks(op, row)) % WEIGHT_SLOTS
        self.blocks = (self.blocks + 1) % PARAMETER_SETS
        # tile by tile, from the MemTile upwards: parameters are on their way first
        made.early.sort(key=lambda task: task.place)
        # a core that begins with rows of padding alone writes them at once, where the launch before may still read; and
        # weights that come on another channel of the core than before could come before those of the launch before
        exchanged = self.after_deep and op.weights is not None and not deep
        made.may_be_early = all(_waits_for_input(core, common) for core in op.cores) and not exchanged
        self.after_deep = deep
        return made

    def _chunks(self, op: mem.LaunchOp, row: int) -> int:
        """Chunks of weights that the cores of a row receive."""
        if not op.rings:
            return stream_of(op, self.chip, row)[1]
        return own_pages(op) * op.ring_op.page_words // chunk_size(op)

    def _idle_parameters(self, op: mem.LaunchOp, row: int) -> dict[str, int]:
        """A core without work takes its chunks of weights off the broadcast and sends one word."""
        chunks = stream_of(op, self.chip, row)[1] // op.common_parameters["input_chunks"]
        return {"output_chunks": chunks, "rows": 0, "stream_rows": 0, "blocks": 1, "last_blocks": 1}

    def _core_tasks(
        self,
        made: LaunchTasks,
        core_place: Place,
        core: mem.CoreOp | None,
        values: dict[str, int],
        stream: tuple[int, int, int],
    ) -> None:
        """Parameters, input, weights and output of one core."""
        column, row = core_place
        place, tile = (column, FIRST_CORE_ROW + row), (column, MEMTILE_ROW)
        parameters, leaving = self._parameter_tasks(place, tile, row)
        made.early += [parameters, leaving]
        if core is not None and values.get("skips_alone", 0):
            made.early[-2:] = [*self._kept_input(parameters, core, values), leaving]
            made.late += self._leaving_input(made, tile, row, core)
        elif core is not None and core.reads:
            self._input(made, place, tile, row, core, values)
        if stream[1]:
            made.early += self._weights(place, values, stream[1], stream[2])
        if core is None:
            made.early += self._empty_output(place, tile, row)
        else:
            self._output(made, place, tile, row, core, values, made.early)

    def _deep_core_tasks(self, made: LaunchTasks, op: mem.LaunchOp, core: mem.CoreOp, values: dict[str, int]) -> None:
        """
        Parameters, weights, input and output of a core whose streams have changed places.

        Its own stream brings parameters, which wait for the launch before, and then weights. The input is late even in
        the core: on the other stream, nothing keeps it from taking slots that the launch before gives back. What leaves
        the core is started after all that arrives, so that its end tells of theirs.
        """
        row = core.row
        place, tile = (core.column, FIRST_CORE_ROW + row), (core.column, MEMTILE_ROW)
        made.early += self._parameter_tasks(place, tile, row)
        if op.rings:
            made.early += self._weights(place, values, self._chunks(op, row), chunk_size(op), CORE_INPUT)
            empty, full = (place_name(ring_lock(row, state), tile) for state in ("empty", "full"))
            pages = Descriptor(place_name("memtile", tile), ring_window(op, row), (full, 1), (empty, 1))
            made.early.append(Task(tile, MM2S, row, (pages,), own_pages(op)))
        made.late += self._arriving_input(place, core, values, CORE_WEIGHTS)
        self._output(made, place, tile, row, core, values, made.late)

    def _deep_column(self, made: LaunchTasks, op: mem.LaunchOp, column: int, filled: bool) -> None:
        """The map, broadcast to all who hear the column's MemTile, and weights for the cores of odd rows."""
        tile, heard = (column, MEMTILE_ROW), listeners(self.chip, column)
        if heard:
            core = next(core for core in op.cores if (core.column, core.row) == heard[0])
            made.late += self._leaving_input(made, tile, self.channels.broadcast, core)
        rows = range(1, self.chip.core_rows, 2)
        if rows and op.rings:
            words = own_words(op, column, rows)
            bringing = made.early if weights_come_early(op) else made.late
            bringing.append(arriving_pages(op, tile, self.channels.fill, rows))
            if filled:
                source = Descriptor(WEIGHTS, linear(self.image.append(words), words.size))
                bringing.append(Task((column, SHIM_ROW), MM2S, SHIM_FILL, (source,)))
            else:
                made.loaded[column].append(words)

    def _block(self, row: int) -> int:
        """Word of the MemTile at which the parameters for a core row lie."""
        return self.parameters_word + (self.blocks * self.chip.core_rows + row) * PARAMETER_WORDS

    def _parameter_tasks(self, place: Place, tile: Place, row: int) -> list[Task]:
        empty, full = (place_name(f"parameters_{state}", place) for state in ("empty", "full"))
        arriving = Descriptor(
            place_name("parameters", place), linear(0, PARAMETER_WORDS), acquire=(empty, 1), release=(full, 1)
        )
        empty, full = (place_name(parameter_lock(self.blocks, state), tile) for state in ("empty", "full"))
        leaving = Descriptor(
            place_name("memtile", tile),
            linear(self._block(row), PARAMETER_WORDS),
            acquire=(full, 1),
            release=(empty, 1),
        )
        return [Task(place, S2MM, CORE_INPUT, (arriving,)), Task(tile, MM2S, row, (leaving,))]

    def _weights(
        self, place: Place, values: dict[str, int], chunks: int, words: int, channel: int = CORE_WEIGHTS
    ) -> list[Task]:
        """Chunks into the weight slots, from where the ring stands."""
        pitch, first = (values[name] for name in ("weight_slot", "weight_first"))
        window = linear(0, words, WEIGHT_SLOTS, pitch)
        return ring_tasks(self.chip, place, S2MM, channel, window, "weights", chunks, first)

    def _input(
        self, made: LaunchTasks, place: Place, tile: Place, row: int, core: mem.CoreOp, values: dict[str, int]
    ) -> None:
        """Rows from the MemTiles into the core's ring."""
        made.early += self._arriving_input(place, core, values, CORE_INPUT)
        made.late += self._leaving_input(made, tile, row, core)

    def _leaving_input(self, made: LaunchTasks, tile: Place, channel: int, core: mem.CoreOp) -> list[Task]:
        """The rows of a core on their way out of the MemTiles."""
        tasks: list[Task] = []
        for windows, runs in core.reads:
            for part in windows:
                check_window(part, self.chip, made.segment)
            chain = tuple(Descriptor(place_name("memtile", (part.column, MEMTILE_ROW)), part) for part in windows)
            tasks.append(Task(tile, MM2S, channel, chain, runs))
        return tasks

    def _arriving_input(self, place: Place, core: mem.CoreOp, values: dict[str, int], channel: int) -> list[Task]:
        """Rows on a stream of the core into its ring."""
        window, first = arriving_slots(core, values), values["input_origin"] - values["row_origin"]
        return self.rows.tasks(place, S2MM, channel, window, "input", core.read_words // window.words, first)

    def _kept_input(self, parameters: Task, core: mem.CoreOp, values: dict[str, int]) -> list[Task]:
        """
        Whole rows into all slots of the ring, then skip rows into their places behind the input rows there.

        The rows are few, and come in one task with the parameters: so two launches have room in the queue.
        """
        place, rows, slots = parameters.place, values["stream_rows"], input_slots(values, 0)
        skip = 2 * values["blocks"] * values["width"]
        words, later = values["skip"] + skip, rows * (values["output_chunks"] - 1)
        total = core.read_words
        assert total == rows * words + later * skip, f"{total} words do not make {rows} rows and {later} to add"
        whole = [linear(slots.offset + row * slots.step, words) for row in range(rows)]
        alone = replace(slots, offset=slots.offset + values["skip"], sizes=(skip,))
        empty, full = (place_name(f"input_{state}", place) for state in ("empty", "full"))
        arriving = [Descriptor(place_name("arena", place), window, (empty, 1), (full, 1)) for window in whole]
        first = replace(parameters, chain=(*parameters.chain, *arriving))
        return [first, *ring_tasks(self.chip, place, S2MM, CORE_INPUT, alone, "input", later, 0)]

    def _output(
        self,
        made: LaunchTasks,
        place: Place,
        tile: Place,
        row: int,
        core: mem.CoreOp,
        values: dict[str, int],
        leaving: list[Task],
    ) -> None:
        """
        Rows from the core's output slots into the MemTile; the last window's task carries the token.

        What leaves the core is added to `leaving`.
        """
        first, ring = values["output_first"], None
        for index, (window, runs) in enumerate(core.writes):
            check_window(window, self.chip, made.segment)
            rows = runs * values["rows"]
            slot = output_slots(made.sent, window.words // values["rows"], values)
            # a smaller last chunk begins with the first slot
            first = first if slot == ring or ring is None else 0
            leaving += self.rows.tasks(place, MM2S, CORE_OUTPUT, slot, "output", rows, first)
            first, ring = (first + rows) % slot.wrap, slot
            descriptor = Descriptor(place_name("memtile", (window.column, MEMTILE_ROW)), window)
            last = index + 1 == len(core.writes)
            made.early.append(Task(tile, S2MM, row, (descriptor,), runs, token=last))

    def _empty_output(self, place: Place, tile: Place, row: int) -> list[Task]:
        """One word, of its parameters, into the MemTile's scratch: the sign of a core that had nothing to compute."""
        empty, full = (place_name(f"output_{state}", place) for state in ("empty", "full"))
        word = Descriptor(place_name("parameters", place), linear(0, 1), (full, 1), (empty, 1))
        scratch = self.parameters_word + PARAMETER_SETS * self.chip.core_rows * PARAMETER_WORDS + row
        taken = Descriptor(place_name("memtile", tile), linear(scratch, 1))
        return [Task(place, MM2S, CORE_OUTPUT, (word,)), Task(tile, S2MM, row, (taken,), token=True)]

    def _parameters(self, made: LaunchTasks, column: int, words: Words) -> None:
        """Parameter blocks of a column's cores, into the MemTile, which hands one to each."""
        tile, count = (column, MEMTILE_ROW), self.chip.core_rows
        empty, full = (place_name(parameter_lock(self.blocks, state), tile) for state in ("empty", "full"))
        window = linear(self._block(0), words.size)
        arriving = Descriptor(place_name("memtile", tile), window, (empty, count), (full, count))
        made.early.append(Task(tile, S2MM, self.channels.fill, (arriving,)))
        made.loaded.append([words])
