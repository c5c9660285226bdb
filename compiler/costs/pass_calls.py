"""
The kernel calls of every core of a launch: of how many rows each is, where its window lies, and how long it takes.

Calls of a pass differ in the taps that lie on the map and in the non-zero blocks of the weights, which come in chunks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compiler.costs.calls import calls_of
from compiler.costs.facts import LaunchFacts, Numbers
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Parameter

Flags = npt.NDArray[np.bool_]

P = Parameter


class PassCalls:
    """The calls of every core in a pass, each for several rows, and their cycles."""

    def __init__(self, facts: LaunchFacts, chip: Chip):
        self.facts = facts
        self.calls = calls_of(chip, facts.kernel, {P[name.upper()]: n for name, n in facts.parameters.items()})
        common = facts.parameters
        most = int(facts.rows.max())
        tops: Numbers = facts.origin[:, None] + common["row_stride"] * np.arange(most)[None, :]
        taps: Numbers = tops[:, :, None] + common["row_step"] * np.arange(common["taps"])[None, None, :]
        on_map: Flags = (taps >= 0) & (taps < facts.stream_rows[:, None, None])
        on_map = on_map & (np.arange(most)[None, :, None] < facts.rows[:, None, None])
        starts = np.array(range(0, most, facts.rows_together), np.int64)
        self.on_map: Numbers = np.add.reduceat(on_map.astype(np.int64), starts, axis=1)
        """Of how many rows of a call each tap lies on the map, [core][call][tap]."""
        self.taps_on_map: Numbers = self.on_map.sum(axis=2)
        self.tops: Numbers = tops[:, starts]
        """Where the window of each call begins, [core][call]."""
        self.rows: Numbers = np.minimum(np.maximum(facts.rows[:, None] - starts, 0), facts.rows_together)
        """Rows of each call, [core][call]."""
        self.sizes: list[int] = np.unique(self.rows).tolist()

    def cycles(self, number: int, last_chunk: Flags) -> Numbers:
        """[core][call] of pass `number`."""
        facts = self.facts
        part = number % facts.input_chunks
        first, last = int(part == 0), int(part == facts.input_chunks - 1)
        blocks = np.where(last_chunk, facts.last_blocks, facts.blocks)
        total, entry = np.zeros_like(self.rows), np.zeros((len(self.rows), 1), np.int64)
        for count in set(blocks.tolist()):
            have = (blocks == count)[:, None]
            for rows in self.sizes:
                call = self.calls.of(count, max(rows, 1), first, last)
                total += (have & (self.rows == rows)) * (call.fixed + call.row * self.taps_on_map)
                entry = np.where(have, call.entry, entry)
        if facts.kernel.convolves:
            # nobody hears a stream that is over
            silence = np.zeros(facts.parameters["taps"], np.int64)
            heard = [s.entries[number] if number < s.chunks else silence for s in facts.streams]
            entries = np.stack(heard)[facts.stream]
            total = total + entry * (self.on_map @ entries[:, :, None])[:, :, 0]
        return total
