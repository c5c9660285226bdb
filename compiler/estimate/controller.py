"""
How many instructions the controller needs for a launch or a copy, in the order in which it issues them.

A descriptor that a tile still holds from an earlier launch is not written again, unless its iteration would not begin
at 0. So the count of a launch depends on the launches before it, and `Controller` remembers what every tile holds:
the same rule as the code generator's, on names instead of operations.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

import numpy as np

from compiler.costs.facts import LaunchFacts, Numbers
from compiler.hardware.chip import Chip
from compiler.hardware.routes import listeners
from dialects import mem

Place = tuple[str, int, int]
"""Which pool of descriptors: kind of tile and two numbers that tell it from others of the kind."""


@dataclass
class _Pool:
    """Descriptors of one tile (of one parity in a MemTile): tasks it holds, oldest use first, and how many are free."""

    free: int
    held: OrderedDict[int, int] = field(default_factory=OrderedDict[int, int])
    """Descriptors by the number of the task."""


@dataclass(frozen=True, eq=False)
class Issued:
    """Instructions from the start of a launch to the start of these transfers, by column, and of all starts."""

    parameters: Numbers
    weights: Numbers
    all: int


@dataclass
class Controller:
    """Counts. `busy` are tasks that have not been awaited, whose descriptors cannot be given to others."""

    chip: Chip
    pools: dict[Place, _Pool] = field(default_factory=dict[Place, _Pool])
    numbers: dict[tuple[Place, Hashable], int] = field(default_factory=dict[tuple[Place, Hashable], int])
    """Every task has a number, because what tells it from others is long."""
    busy: set[int] = field(default_factory=set[int])
    count: int = 0

    def _pool(self, place: Place) -> _Pool:
        if place not in self.pools:
            chip = self.chip
            sizes = {
                "core": chip.core_descriptors,
                "memtile": chip.memtile_descriptors // 2,
                "shim": chip.shim_descriptors,
            }
            self.pools[place] = _Pool(sizes[place[0]])
        return self.pools[place]

    def start(self, place: Place, what: Hashable, descriptors: int = 1, *, turns: bool = True) -> None:
        """One task: write its descriptors if need be (an address patch each, in DDR), push it."""
        pool, key = self._pool(place), self.numbers.setdefault((place, what), len(self.numbers))
        known = key in pool.held
        if not known:
            for old in list(pool.held):
                if pool.free >= descriptors:
                    break
                if old not in self.busy:
                    pool.free += pool.held.pop(old)
            pool.free -= descriptors
            pool.held[key] = descriptors
        if not known or not turns:
            self.count += descriptors * (2 if place[0] == "shim" else 1)
        pool.held.move_to_end(key)
        self.busy.add(key)
        self.count += 1

    def awaited(self, place: Place, what: Hashable) -> None:
        """A token came: these descriptors are free."""
        pool, key = self._pool(place), self.numbers[place, what]
        pool.free += pool.held.pop(key)
        self.busy.discard(key)

    def all_ended(self) -> None:
        """Nothing is under way."""
        self.busy.clear()

    def _ring(self, place: Place, what: str, shape: Hashable, slots: int, runs: int) -> None:
        """Runs over a ring of slots, in as few tasks as the repeat count allows."""
        most = self.chip.run_limit // slots * slots
        while runs:
            now = min(runs, most)
            self.start(place, (what, shape, now), turns=now % slots == 0)
            runs -= now

    def copy(self, op: mem.CopyOp) -> None:
        """Both ends of a copy."""
        memtile, shim = self._copy_ends(op)
        for place, what in (memtile, shim) if op.fills else (shim, memtile):
            self.start(place, what)

    def copied(self, op: mem.CopyOp) -> None:
        """The end that data comes to has sent its token."""
        self.awaited(*self._copy_ends(op)[0 if op.fills else 1])

    def _copy_ends(self, op: mem.CopyOp) -> tuple[tuple[Place, Hashable], tuple[Place, Hashable]]:
        source, target = op.source_window.data, op.target_window.data
        memtile, ddr = (target, source) if op.fills else (source, target)
        parity = 0 if op.fills else 1
        return (("memtile", op.column, parity), ("copy", op.fills, memtile)), (
            ("shim", op.column, 0),
            ("copy", op.fills, ddr),
        )

    def launch(self, op: mem.LaunchOp, facts: LaunchFacts) -> Issued:
        """All starts of a launch."""
        before, chip = self.count, self.chip
        works = {(core.column, core.row): core for core in op.cores}
        parameters, weights = np.zeros(chip.columns, np.int64), np.zeros(chip.columns, np.int64)
        for column in range(chip.columns):
            for row in range(chip.core_rows):
                index = column * chip.core_rows + row
                self._core(column, row, works.get((column, row)), facts, index)
            self.start(("memtile", column, 1), "parameters")
            self.start(("shim", column, 0), ("parameters", id(op)))
            parameters[column] = self.count - before
        if facts.streams:
            assert op.ring is not None, "weights come through a ring"
            ring = op.ring.owner
            assert isinstance(ring, mem.RingOp), "rings come from mem.ring"
            for column in range(chip.columns):
                heard = listeners(chip, column)[0][1]
                runs = facts.streams[chip.domain(heard) % len(facts.streams)].chunks
                turns = runs % ring.slots == 0
                shape = (ring.address, facts.chunk_words, ring.slots, ring.slot_words, runs)
                if runs:
                    self.start(("memtile", column, 1), ("load", shape), turns=turns)
                    self.start(("memtile", column, 0), ("broadcast", shape), turns=turns)
                    self.start(("shim", column, 0), ("weights", id(op)))
                weights[column] = self.count - before
        return Issued(parameters, weights, self.count - before)

    def _core(self, column: int, row: int, work: mem.CoreOp | None, facts: LaunchFacts, index: int) -> None:
        core, tile = ("core", column, row), ("memtile", column, row % 2)
        common = facts.parameters
        self.start(core, "parameters")
        self.start(tile, ("parameters", row))
        passes = int(facts.passes[index])
        if work is not None and work.reads:
            shape = (common["input_base"], int(facts.input_words[index]), common["input_slots"], common["input_slot"])
            self._ring(core, "input", shape, common["input_slots"], passes * int(facts.stream_rows[index]))
            turns = all(work.read_runs % window.wrap == 0 for window in work.reads)
            self.start(tile, (row, work.reads, work.read_runs), len(work.reads), turns=turns)
        if facts.streams:
            slots = common["weight_slots"]
            shape = (common["weight_base"], facts.chunk_words, slots, common["weight_slot"])
            self._ring(core, "weights", shape, slots, facts.streams[int(facts.stream[index])].chunks)
        if work is None:
            self.start(core, "empty")
            self.start(tile, ("empty", row))
            return
        slots = common["output_slots"]
        for number, (window, runs) in enumerate(work.writes):
            rows = int(facts.rows[index])
            shape = (common["output_base"], window.words // rows, slots, common["output_slot"])
            self._ring(core, "output", shape, slots, runs * rows)
            last = number + 1 == len(work.writes)
            self.start(tile, (row, window, runs, last), turns=runs % window.wrap == 0)

    def launched(self, op: mem.LaunchOp) -> None:
        """Every core's last output has come."""
        works = {(core.column, core.row): core for core in op.cores}
        for column, row in _places(self.chip):
            work = works.get((column, row))
            what: Hashable = ("empty", row)
            if work is not None:
                window, runs = work.writes[-1]
                what = (row, window, runs, True)
            self.awaited(("memtile", column, row % 2), what)
        self.all_ended()


def _places(chip: Chip) -> Iterable[tuple[int, int]]:
    return ((column, row) for column in range(chip.columns) for row in range(chip.core_rows))
