"""How many instructions the controller executes for the tasks of a program, and how many words they take."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp

from compiler.hardware.descriptor_words import WORDS
from compiler.hardware.transactions import HEADER, MASK_WRITE, PATCH, SYNC, WRITE, ControllerCount, block_write
from passes.array_program import Sequence, Task
from passes.array_reader import devices_of, read_program

SETUP = ""
"""What belongs to no segment: headers, and the packets of tokens, which are set once."""


def _configured(task: Task) -> ControllerCount:
    """Descriptors of a task, with the patches of those that address DDR."""
    total = ControllerCount()
    for descriptor in task.chain:
        total += block_write(WORDS[task.kind])
        if descriptor.buffer is None:
            total += PATCH
    return total


def _sequence_counts(sequence: Sequence, counts: dict[str, ControllerCount]) -> None:
    written = ControllerCount()

    def add(segment: str, count: ControllerCount) -> None:
        counts[segment] = counts.get(segment, ControllerCount()) + count

    add(SETUP, HEADER)
    for _ in {(step.task.place, step.task.direction, step.task.channel) for step in sequence.steps if step.task.token}:
        add(SETUP, MASK_WRITE)
    for step in sequence.steps:
        match step.what:
            case "configure":
                written += _configured(step.task)
            case "start":
                add(step.segment, written + WRITE)
                written = ControllerCount()
            case "await":
                add(step.segment, SYNC)
            case _:
                pass


def controller_counts(module: ModuleOp) -> Mapping[str, ControllerCount]:
    """
    Instructions and words by segment, in the order in which segments begin, of all sequences of a module.

    Writes of descriptors count for the segment whose start follows them, as in the simulator, whose instructions these
    are but for `SETUP`.
    """
    counts: dict[str, ControllerCount] = {}
    for device in devices_of(module):
        for sequence in read_program(module, device).sequences:
            _sequence_counts(sequence, counts)
    return counts
