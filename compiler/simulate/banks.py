"""
Banks of a MemTile: how often its channels reach for them, and when a bank makes a channel wait.

A bank serves one access per cycle, a read or a write of one line of `memtile_bank_bytes_per_cycle`. Lines lie in the
banks in turn. A channel has a port of its own, one access per cycle, and reaches once for neighbouring words of a
line: every fourth cycle where its words follow each other, for every word where they are scattered.

Whether that can ever matter is decided from the program, task by task. A task's load is its accesses to its busiest
bank, over the cycles that it takes at least with its set-ups, both for one turn of its iterations; a task that is over
sooner than a burst counts for the time of a burst, since so short a crowd waits in the channels' buffers (assumed).
The load of a MemTile is the sum over its channels, each at its hungriest, all in the same bank. Up to 1 every bank
keeps up with whatever the channels do at the same time, so nothing is simulated and the load is the proof. Beyond 1
the bursts of the tile's channels pass its banks one after the other, as they pass a narrow way to DDR.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compiler.hardware.bursts import Place
from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW
from compiler.simulate.descriptors import TaskForm
from compiler.simulate.links import WORD_BYTES, Pieces
from compiler.simulate.memory import Pattern
from compiler.simulate.program import ChannelKey, Configure, Program
from dialects.aie import TileOp

Numbers = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]
"""Accesses to each bank per run."""

BURST_WORDS = 64
"""assumed: 256 bytes, the largest burst that shim descriptors ask for; places that are too narrow are shared by it"""


@dataclass(frozen=True)
class BankLayout:
    """Which bank a word lies in; all in words."""

    banks: int
    line: int
    """Of one access."""
    turn: int
    """After so many words comes the next bank."""

    @classmethod
    def of(cls, chip: Chip) -> BankLayout:
        """Of a chip's MemTiles."""
        line = max(1, chip.memtile_bank_bytes_per_cycle // WORD_BYTES)
        return cls(chip.memtile_banks, line, max(line, chip.memtile_interleave_bytes // WORD_BYTES))

    def accesses(self, words: Numbers) -> Numbers:
        """How often words of these addresses, in this order, make their channel reach for each bank."""
        lines = words // self.line
        reached = words[np.flatnonzero(np.diff(lines, prepend=-1))]
        return np.bincount(reached // self.turn % self.banks, minlength=self.banks)


Loads = dict[Place, float]
"""Accesses per cycle that the channels of each MemTile together can ask of one bank."""


def memtile_loads(program: Program, chip: Chip) -> Loads:
    """Of every MemTile of the program."""
    layout = BankLayout.of(chip)
    tiles = [op.position for device in program.devices for op in device.body.ops if isinstance(op, TileOp)]
    loads: Loads = {place: 0.0 for place in tiles if place[1] == MEMTILE_ROW}
    known: dict[tuple[Pattern, int, int, int], Shares] = {}
    hungriest: dict[ChannelKey, float] = {}
    for step in program.steps:
        if isinstance(step, Configure) and step.channel[0] in loads:
            load = _load(step.form, layout, chip, known)
            hungriest[step.channel] = max(load, hungriest.get(step.channel, 0.0))
    for (tile, _, _), load in hungriest.items():
        loads[tile] += load
    return loads


def _load(form: TaskForm, layout: BankLayout, chip: Chip, known: dict[tuple[Pattern, int, int, int], Shares]) -> float:
    """Of one task. Its buffer begins at a turn of all banks, which any other place would only rename."""
    shares, least = np.zeros(layout.banks), 0
    around = layout.turn * layout.banks
    for part in form.chain:
        key = (part.pattern, part.offset % around, part.step % around, min(part.wrap, form.runs))
        if key not in known:
            _, start, step, runs = key
            places = ((start + run * step) % around for run in range(runs))
            counts = [layout.accesses(place + part.pattern.offsets) for place in places]
            known[key] = np.sum(counts, axis=0) / runs
        shares += known[key]
        least += -(-WORD_BYTES * part.words // chip.stream_bytes_per_cycle) + chip.descriptor_cycles
    # a port of one access per cycle that cannot keep up counts like a bank
    busiest = shares.sum() if shares.sum() > least else shares.max()
    return float(busiest) / max(least, BURST_WORDS)


@dataclass(eq=False)
class Banks:
    """The banks of one MemTile whose load is beyond 1."""

    name: str
    layout: BankLayout
    pieces: list[Pieces]
    """Of each bank."""
    free: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.free = [0] * self.layout.banks

    def pass_burst(self, start: int, words: Numbers, segment: str) -> int:
        """When all banks have served a burst that comes at `start`; `words` are addresses."""
        accesses = self.layout.accesses(words)
        moved = np.bincount(words // self.layout.turn % self.layout.banks, minlength=self.layout.banks)
        end = start + int(accesses.sum())
        for bank in np.flatnonzero(accesses).tolist():
            cycles = int(accesses[bank])
            self.free[bank] = max(self.free[bank], start) + cycles
            self.pieces[bank].add(self.free[bank] - cycles, self.free[bank], int(moved[bank]), segment)
            end = max(end, self.free[bank])
        return end
