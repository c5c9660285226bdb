"""
Rings of slots in a core's arena: the windows of descriptors that go from slot to slot, and tasks that run over them.

A launch whose rows have the geometry of an earlier one's goes on with the slot after the last one of those: so what
a core's descriptors hold is right for it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from compiler.hardware.chip import Chip
from compiler.hardware.routes import CORE_INPUT, CORE_OUTPUT, CORE_WEIGHTS, FIRST_CORE_ROW
from compiler.kernels.parameters import Kernel, Parameter
from compiler.protocol.image import linear
from compiler.protocol.tasks import Descriptor, Place, Task, place_name
from compiler.transfers.window import Window
from dialects import mem
from dialects.aie import DMAChannelDir


def input_slots(values: Mapping[str, int], words: int) -> Window:
    """The ring of input slots. A strided convolution's rows are taken apart: see `Parameter.COLUMN_STRIDE`."""
    window = linear(values["input_base"], words, values["input_slots"], values["input_slot"])
    stride = values["column_stride"] if Kernel(values["kernel"]).convolves else 1
    if stride == 1:
        return window
    return replace(window, sizes=(words // (2 * stride), stride, 2), strides=(2, words // stride, 1))


def arriving_slots(core: mem.CoreOp, values: Mapping[str, int]) -> Window:
    """The input ring of a core, with the words of its rows."""
    total, passes = core.read_words, values["input_chunks"] * (1 if values["stays"] else values["output_chunks"])
    rows = passes * values["stream_rows"]
    assert total % rows == 0, f"{total} words do not make {rows} rows"
    return input_slots(values, total // rows)


def output_slots(sent: tuple[int, int], words: int, values: Mapping[str, int]) -> Window:
    """The `words` of an output row that are sent, slot after slot: the first pixels of every so many."""
    first, pitch = sent
    whole = first == pitch
    sizes = (words,) if whole else (words // (2 * first), 2 * first)
    strides = (1,) if whole else (2 * pitch, 1)
    slots = values["output_slots"]
    step = values["output_slot"] if slots > 1 else 0
    return Window(0, values["output_base"], sizes, strides, (), slots, step)


def ring_tasks(
    chip: Chip, place: Place, direction: DMAChannelDir, channel: int, window: Window, lock: str, runs: int, first: int
) -> list[Task]:
    """Runs over a core's ring of slots, the first one into slot `first`, in as few tasks as the repeat count allows."""
    empty, full = (place_name(f"{lock}_{state}", place) for state in ("empty", "full"))
    acquired, released = (empty, full) if direction is DMAChannelDir.S2MM else (full, empty)
    descriptor = Descriptor(place_name("arena", place), window, (acquired, 1), (released, 1))
    most = chip.run_limit // window.wrap * window.wrap
    # all tasks but the last run whole turns, so that each begins with the slot with which the first one did
    counts = [min(most, runs - done) for done in range(0, runs, most)]
    return [Task(place, direction, channel, (descriptor,), count, first=first) for count in counts]


@dataclass
class RowRings:
    """With which slots the rings of rows of all cores go on."""

    chip: Chip
    stands: dict[tuple[Place, DMAChannelDir, int, Window], int] = field(
        default_factory=dict[tuple[Place, DMAChannelDir, int, Window], int]
    )

    def first_slots(self, op: mem.LaunchOp, core: mem.CoreOp, values: Mapping[str, int]) -> dict[str, int]:
        """
        Where a core's rings of a launch begin, as parameters: with slot 0 input that comes in two kinds of rows, and
        outputs of a smaller last chunk, also if it is the only one.
        """
        place, first_input = (core.column, FIRST_CORE_ROW + core.row), 0
        if core.reads and not values.get("skips_alone", 0):
            channel = CORE_WEIGHTS if op.deep else CORE_INPUT
            first_input = self.stands.get((place, DMAChannelDir.S2MM, channel, arriving_slots(core, values)), 0)
        window = output_slots(op.sent, core.writes[0][0].words // values["rows"], values)
        smaller = values["output_chunks"] == 1 and values["last_blocks"] != values["blocks"]
        first_output = 0 if smaller else self.stands.get((place, DMAChannelDir.MM2S, CORE_OUTPUT, window), 0)
        return {
            Parameter.INPUT_ORIGIN.name.lower(): first_input + values["row_origin"],
            Parameter.OUTPUT_FIRST.name.lower(): first_output,
        }

    def tasks(
        self, place: Place, direction: DMAChannelDir, channel: int, window: Window, lock: str, runs: int, first: int
    ) -> list[Task]:
        """Runs over a ring of rows, the first one into slot `first`."""
        self.stands[place, direction, channel, window] = (first + runs) % window.wrap
        return ring_tasks(self.chip, place, direction, channel, window, lock, runs, first)
