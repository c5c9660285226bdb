"""How many instructions the controller executes for the tasks of a program, and how many words they take."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp

from compiler.hardware.bursts import Bursts
from compiler.hardware.transactions import HEADER, MASK_WRITE, ControllerCount
from passes.array_program import Sequence
from passes.array_reader import devices_of, read_program
from passes.array_registers import awaited, described, pushed

SETUP = ""
"""What belongs to no segment: headers, and the packets of tokens, which are set once."""


def _sequence_counts(sequence: Sequence, counts: dict[str, ControllerCount]) -> None:
    written, bursts = ControllerCount(), Bursts()

    def add(segment: str, count: ControllerCount) -> None:
        counts[segment] = counts.get(segment, ControllerCount()) + count

    add(SETUP, HEADER)
    for _ in {(step.task.place, step.task.direction, step.task.channel) for step in sequence.steps if step.task.token}:
        add(SETUP, MASK_WRITE)
    for step in sequence.steps:
        match step.what:
            case "configure":
                written += bursts.count(described(step.task))
            case "start":
                add(step.segment, written + bursts.count(pushed(step.task)))
                written = ControllerCount()
            case "await":
                add(step.segment, bursts.count(awaited(step.task)))
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
