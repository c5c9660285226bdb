"""
What goes into the recurrence of a launch and comes out of it: times, in several timelines at once.

In one timeline the controller takes no time, in others it does: axis 0 of all arrays. Cores and columns follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.costs.facts import Numbers
from compiler.costs.feed import loaded
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_WORDS


@dataclass(frozen=True, eq=False)
class Starts:
    """When the controller starts the transfers of a launch."""

    early: Numbers
    """The cores' descriptors for parameters, [timeline][core]."""
    weights: Numbers
    """The cores' descriptors for weights, [timeline][core]."""
    late: Numbers
    """Activations from the MemTiles, [timeline][core]."""
    loaded: Numbers
    """When each core's parameters are in its MemTile, [timeline][core], from `Array.load`."""


@dataclass(frozen=True, eq=False)
class Spent:
    """Cycles of every core, [timeline][core]: computing, and waiting for input, weights and space for output."""

    compute: Numbers
    input: Numbers
    weights: Numbers
    output: Numbers


@dataclass(frozen=True, eq=False)
class LaunchTimes:
    """[timeline][core]: when a core's last output has arrived, and what its program spent until it was done."""

    done: Numbers
    ahead: Spent
    """Before the launch before had ended."""
    spent: Spent
    """Since then."""


@dataclass(eq=False)
class Array:
    """What a launch leaves to the next one, [timeline][core] but for the loads of each column."""

    given_back: Numbers
    """When a core gave its parameters back, so that the next ones may come."""
    loading: Numbers
    """Until when the channel that loads parameters is busy, [timeline][column]."""
    input_end: Numbers
    """When the last word for a core left its MemTile."""
    output_end: Numbers
    """When the last word of a core left it."""

    @classmethod
    def quiet(cls, chip: Chip, timelines: int, since: Numbers | int = 0) -> Array:
        """Nothing has happened yet."""
        cores = np.zeros((timelines, chip.columns * chip.core_rows), np.int64) + since
        columns = np.zeros((timelines, chip.columns), np.int64) + since
        before = cores - chip.descriptor_cycles
        return cls(cores, columns - chip.descriptor_cycles, before, before)

    def load(self, chip: Chip, early: Numbers) -> Numbers:
        """Parameters, pushed at `early`, come from DDR: when each core's are there, [timeline][core]."""
        blocks = loaded(chip, chip.core_rows * PARAMETER_WORDS, chip.columns)
        self.loading = np.maximum(self.loading, early) + chip.descriptor_cycles + blocks
        return np.repeat(self.loading + 2 * chip.hop_cycles + chip.lock_cycles, chip.core_rows, axis=1)
