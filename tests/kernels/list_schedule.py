"""
How many cycles a straight piece of a kernel body takes when it is issued as early as its operands and slots allow.

A core issues one instruction word per cycle: one operation in each of six slots. Slots and latencies are those of
upstream's core compiler (llvm-aie, lib/Target/AIE/aie2: AIE2Slots.td, AIE2GenInstrFormats.td, AIE2Schedule.td):

    load a, load b   32 bytes each, scalars and accumulators by a only    7 cycles (II_LDA, II_VLDA_W, II_VLDA_AM)
    store            32 bytes (II_VST_W), or shift-round-saturate         4 cycles (II_VSRS)
    scalar           arithmetic 1 cycle (II_ADD), products 2 (II_MUL)
    vector           lane-wise, shuffles and moves of 512 bits, moves of an accumulator     2 cycles (II_VMIN_GE, …)
    matrix           multiply-accumulate                                  5 cycles (II_VMAC)

The list schedule takes, in each cycle, the ready operations with the longest way to the end first. Registers are not
counted, and neither are bypasses, which would only make it shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LOAD_A, LOAD_B, STORE, SCALAR, VECTOR, MATRIX = "load a", "load b", "store", "scalar", "vector", "matrix"

LOAD_LATENCY, NARROW_LATENCY, MULTIPLY_LATENCY, VECTOR_LATENCY, MATRIX_LATENCY = 7, 4, 2, 2, 5


@dataclass(eq=False)
class Step:
    """One operation: in `times` cycles it takes one of `slots`, and what needs it waits `latency` more."""

    slots: tuple[str, ...] = ()
    times: int = 0
    latency: int = 0
    after: list[Step] = field(default_factory=list["Step"])
    leaves: bool = False
    """Whether something outside the piece waits for the result."""


def schedule_cycles(steps: Sequence[Step]) -> int:
    """Cycles until all of `steps`, given in program order, are issued and what leaves the piece is there."""
    to_end: dict[Step, int] = dict.fromkeys(steps, 0)
    for step in reversed(steps):
        for before in step.after:
            to_end[before] = max(to_end[before], to_end[step] + before.latency)
    ready: dict[Step, int] = {}
    left = {step: step.times for step in steps}
    waiting = list(steps)
    end = cycle = 0
    while waiting:
        _settle_free(waiting, ready)
        taken: set[str] = set()
        able = [step for step in waiting if all(ready.get(before, cycle + 1) <= cycle for before in step.after)]
        for step in sorted(able, key=lambda step: -to_end[step]):
            for slot in step.slots:
                if left[step] and slot not in taken:
                    taken.add(slot)
                    left[step] -= 1
            if not left[step]:
                ready[step] = cycle + step.latency
                end = max(end, ready[step] if step.leaves else cycle + 1)
        waiting = [step for step in waiting if step not in ready]
        cycle += 1
    return max([end, *(ready[step] for step in steps if step.leaves)])


def _settle_free(waiting: list[Step], ready: dict[Step, int]) -> None:
    """Operations that take no slot are done as soon as what they need is."""
    for step in list(waiting):
        if not step.times and all(before in ready for before in step.after):
            ready[step] = max((ready[before] for before in step.after), default=0)
            waiting.remove(step)
