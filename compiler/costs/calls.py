"""
How long the kernel calls of a launch take, asked once for all launches whose calls are alike.

The cycle model is a sum: a call takes some cycles, more per tap on the map, more per non-zero block. Where things lie
in the core, and how often the program calls, do not matter to one call. So most launches that a planner compares share
their calls, as do many layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip
from compiler.kernels.cycles import Work, kernel_cycles
from compiler.kernels.parameters import Kernel, Parameter, pack
from compiler.kernels.semantics import Call, Words

Numbers = npt.NDArray[np.int64]

P = Parameter

UNKNOWN = -(1 << 62)
"""No call takes so many cycles."""
AROUND_CALLS = frozenset(
    {
        *(P.INPUT_BASE, P.INPUT_SLOT, P.INPUT_SLOTS, P.WEIGHT_SLOT, P.WEIGHT_SLOTS, P.OUTPUT_BASE, P.OUTPUT_SLOT),
        *(P.OUTPUT_SLOTS, P.PARTIAL_BASE, P.PARTIAL_ROW, P.INPUT_CHUNKS, P.STAYS, P.SKIPS_ALONE, P.ROWS_TOGETHER),
        *(P.WINDOW, P.ROW_STRIDE),
    }
)
"""Parameters that say where things lie and what the program does around calls: a call takes as long with others."""


@dataclass(frozen=True)
class CallCycles:
    """A kernel call takes `fixed` cycles, `row` more per tap on the map, `entry` more per non-zero block in those."""

    fixed: int
    row: int
    entry: int

    @classmethod
    def of(cls, chip: Chip, kernel: Kernel, words: Words, call: Call) -> CallCycles:
        """Ask the kernel cycle model, which is a sum of these three."""
        fixed, row, entry = (
            kernel_cycles(chip, kernel, words, call, work) for work in (Work(0, 0), Work(1, 0), Work(0, 1))
        )
        return cls(fixed, row - fixed, entry - fixed)


class Calls:
    """The calls of a kernel with some parameters."""

    def __init__(self, chip: Chip, kernel: Kernel, parameters: Mapping[Parameter, int]):
        self.chip, self.kernel, self.words = chip, kernel, pack(parameters)
        self.known: dict[tuple[int, int, int, int], CallCycles] = {}
        self.tables: dict[tuple[int, int, int], Numbers] = {}
        """What is known, [fixed or row][blocks], by rows and ends."""

    @property
    def entry(self) -> int:
        """What a non-zero block takes, which is the same in every call."""
        return self.of(1, 1, 1, 1).entry

    def of_many(self, blocks: Numbers, rows: int, first: int, last: int) -> tuple[Numbers, Numbers]:
        """The same for any numbers of output blocks: what is fixed, and what a tap on the map takes."""
        key = (rows, first, last)
        size = int(blocks.max()) + 1
        if key not in self.tables or self.tables[key].shape[1] < size:
            self.tables[key] = np.full((2, 2 * size), UNKNOWN)
        table = self.tables[key]
        if int((asked := table[0, blocks]).min()) == UNKNOWN:
            for missing in set(blocks[asked == UNKNOWN].tolist()):
                call = self.of(missing, rows, first, last)
                table[:, missing] = call.fixed, call.row
            asked = table[0, blocks]
        return asked, table[1, blocks]

    def of(self, blocks: int, rows: int, first: int, last: int) -> CallCycles:
        """A call for so many output blocks and rows, which is for the `first` or the `last` input chunk, or both."""
        key = (blocks, rows, first, last)
        if key not in self.known:
            call = Call(0, 0, 0, blocks, first, last, 0, rows)
            self.known[key] = CallCycles.of(self.chip, self.kernel, self.words, call)
        return self.known[key]


@lru_cache(maxsize=4096)
def _calls(chip: Chip, kernel: Kernel, parameters: tuple[tuple[Parameter, int], ...]) -> Calls:
    return Calls(chip, kernel, dict(parameters))


def calls_of(chip: Chip, kernel: Kernel, common: Mapping[Parameter, int]) -> Calls:
    """The calls of launches with these `common` parameters."""
    # of skip rows only whether there are any
    there = {P.SKIP: min(common.get(P.SKIP, 0), 1)}
    looked_at = {parameter: int(value) for parameter, value in common.items() if parameter not in AROUND_CALLS}
    return _calls(chip, kernel, tuple(sorted((looked_at | there).items())))
