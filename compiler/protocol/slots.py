"""
Rings of slots in a core's arena: the windows of descriptors that go from slot to slot, and tasks that run over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.protocol.image import linear
from compiler.protocol.tasks import Descriptor, Place, Task, place_name
from compiler.transfers.window import Window
from dialects.aie import DMAChannelDir


def input_slots(values: Mapping[str, int], words: int) -> Window:
    """The ring of input slots. A strided convolution's rows are taken apart: see `Parameter.COLUMN_STRIDE`."""
    window = linear(values["input_base"], words, values["input_slots"], values["input_slot"])
    stride = values["column_stride"] if Kernel(values["kernel"]).convolves else 1
    if stride == 1:
        return window
    return replace(window, sizes=(words // (2 * stride), stride, 2), strides=(2, words // stride, 1))


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
    chip: Chip, place: Place, direction: DMAChannelDir, channel: int, window: Window, lock: str, runs: int
) -> list[Task]:
    """Runs over a ring of slots in a core's arena, in as few tasks as the repeat count allows."""
    empty, full = (place_name(f"{lock}_{state}", place) for state in ("empty", "full"))
    acquired, released = (empty, full) if direction is DMAChannelDir.S2MM else (full, empty)
    descriptor = Descriptor(place_name("arena", place), window, (acquired, 1), (released, 1))
    most = chip.run_limit // window.wrap * window.wrap
    counts = [min(most, runs - first) for first in range(0, runs, most)]
    return [Task(place, direction, channel, (descriptor,), count) for count in counts]
