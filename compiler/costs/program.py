"""
Cycles of the core program between its locks, as a table of what its pieces execute.

Every core runs the same program around its kernels: it takes rows, fills the row table, asks for output space. A short
row of a deep layer spends more time there than in the kernel, so a cost has to know these cycles. The counts below are
those of the program's body, and a test counts them again, under the rules by which cores execute scalar code: one cycle
per operation, a branch per iteration and per choice, a division where one is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel


@dataclass(frozen=True)
class Steps:
    """What a piece of scalar code executes."""

    operations: int = 0
    branches: int = 0
    divisions: int = 0

    def cycles(self, chip: Chip) -> int:
        """One after the other."""
        return self.operations + self.branches * chip.branch_cycles + self.divisions * chip.division_cycles


@dataclass(frozen=True)
class ProgramCycles:
    """What the program spends outside kernels and waits. A `lock` step is one iteration of a loop over a lock."""

    begin: int
    """From the grant of the parameters to minting the slots."""
    lock: int
    chunk: int
    """Head of an output chunk."""
    drained: int
    """After the slots of a smaller last chunk have drained."""
    each_pass: int
    """Head of a pass, to the request for weights."""
    row: int
    """Head of the rows of a call, to the first request for an input row."""
    tap: int
    """One entry of the row table."""
    output: int
    """Around the row table, to the first request for output space."""
    call: int
    """From the grant of output space to the kernel."""
    after: int
    """From the end of the kernel to the release of the first output slot."""
    rows_end: int
    """From there to the release of the first input row."""
    rest: int
    """Between the rows that no output needed and their release."""
    weights_end: int
    end: int
    """From the last pass to taking the slots back."""


PIECES: dict[str, Steps] = {
    "begin": Steps(44, 0, 1),
    "lock": Steps(1, 1),
    "chunk": Steps(5, 1),
    "drained": Steps(6),
    "each_pass": Steps(14, 2),
    "row": Steps(8, 1),
    "tap": Steps(8, 1),
    "output": Steps(2),
    "call": Steps(3, 1),
    "after": Steps(5),
    "rows_end": Steps(13),
    "rest": Steps(1),
    "weights_end": Steps(0, 1),
    "end": Steps(1, 1),
}
"""Every piece, in a program with one kernel."""

CHOICE = Steps(1, 1)
"""Of another kernel than the one that is called: those before it are asked for first."""


def program_cycles(chip: Chip, kernels: Iterable[Kernel], kernel: Kernel) -> ProgramCycles:
    """The program's cycles around calls of `kernel`, in a device that has `kernels`."""
    used = sorted(set(kernels))
    cycles = {name: steps.cycles(chip) for name, steps in PIECES.items()}
    before = used.index(kernel)
    cycles["call"] += before * CHOICE.cycles(chip)
    return ProgramCycles(**cycles)
