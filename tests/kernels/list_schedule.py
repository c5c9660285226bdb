"""
How many cycles a straight piece of a kernel body takes when it is issued as early as its operands and slots allow.

A core issues one instruction word per cycle: one operation in each of six slots. Slots and latencies are those of
upstream's core compiler (llvm-aie, lib/Target/AIE/aie2: AIE2Slots.td, AIE2GenInstrFormats.td, AIE2Schedule.td):

    load a, load b   32 bytes each, scalars and accumulators by a only    7 cycles (II_LDA, II_VLDA_W, II_VLDA_AM)
    store            32 bytes (II_VST_W), or shift-round-saturate         4 cycles (II_VSRS)
    scalar           arithmetic 1 cycle (II_ADD), products 2 (II_MUL)
    vector           lane-wise, shuffles and moves of 512 bits, moves of an accumulator     2 cycles (II_VMIN_GE, …)
    matrix           multiply-accumulate                                  5 cycles (II_VMAC)
    scalar           branch: five instruction words after it still issue   6 cycles

The list schedule takes, in each cycle, the ready operations with the longest way to the end first, as long as there is
an accumulator for what they make. Other registers are not counted, and neither are bypasses, which would only make it
shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LOAD_A, LOAD_B, STORE, SCALAR, VECTOR, MATRIX = "load a", "load b", "store", "scalar", "vector", "matrix"

LOAD_LATENCY, NARROW_LATENCY, MULTIPLY_LATENCY, VECTOR_LATENCY, MATRIX_LATENCY = 7, 4, 2, 2, 5
BRANCH_LATENCY = 6

ACCUMULATORS = 9
"""Of 1024 bits each: 32 sums of 32 bits (the register map of AIE2)."""


@dataclass(eq=False)
class Sums:
    """What is in an accumulator."""

    uses: int
    """Operations that are still to read it; it is free after the last."""


@dataclass(eq=False)
class Step:
    """One operation: in `times` cycles it takes one of `slots`, and what needs it waits `latency` more."""

    slots: tuple[str, ...] = ()
    times: int = 0
    latency: int = 0
    after: list[Step] = field(default_factory=list["Step"])
    leaves: bool = False
    """Whether something outside the piece waits for the result."""
    made: Sums | None = None
    read: list[Sums] = field(default_factory=list[Sums])


@dataclass
class _Accumulators:
    """Those that are in use."""

    used: int

    def begin(self, step: Step) -> bool:
        """Whether there is one for what `step` makes, which may be that of what it reads last; then it is taken."""
        last = any(sums.uses == 1 for sums in step.read)
        if step.made is not None and self.used - last >= ACCUMULATORS:
            return False
        self.used += step.made is not None
        return True

    def end(self, step: Step) -> None:
        """What nobody reads any more is free."""
        for sums in step.read:
            sums.uses -= 1
            self.used -= not sums.uses


def schedule_cycles(steps: Sequence[Step]) -> int:
    """
    Cycles until all of `steps`, given in program order, are issued and what leaves the piece is there.

    Sums that no step makes are in accumulators from the beginning.
    """
    made = {step.made for step in steps}
    accumulators = _Accumulators(len({sums for step in steps for sums in step.read if sums not in made}))
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
            if left[step] == step.times:
                if taken.issuperset(step.slots) or not accumulators.begin(step):
                    continue
            for slot in step.slots:
                if left[step] and slot not in taken:
                    taken.add(slot)
                    left[step] -= 1
            if not left[step]:
                accumulators.end(step)
                ready[step] = cycle + step.latency
                end = max(end, ready[step] if step.leaves else cycle + 1)
        waiting = [step for step in waiting if step not in ready]
        cycle += 1
        assert cycle <= max([0, *ready.values()]) + len(steps) + 64, "no accumulator becomes free"
    return max([end, *(ready[step] for step in steps if step.leaves)])


def _settle_free(waiting: list[Step], ready: dict[Step, int]) -> None:
    """Operations that take no slot are done as soon as what they need is."""
    for step in list(waiting):
        if not step.times and all(before in ready for before in step.after):
            ready[step] = max((ready[before] for before in step.after), default=0)
            waiting.remove(step)
