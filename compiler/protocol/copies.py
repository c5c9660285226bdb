"""Copies between DDR and the MemTiles as pairs of tasks: the shim's and the MemTile's."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW, SHIM_FILL, SHIM_ROW, SHIM_SPILL, channels
from compiler.protocol.image import ACTIVATIONS
from compiler.protocol.issue import Issuer, UnderWay
from compiler.protocol.tasks import Descriptor, Task, place_name
from compiler.transfers.window import Window, window_faults
from dialects import mem
from dialects.aie import DMAChannelDir

S2MM, MM2S = DMAChannelDir.S2MM, DMAChannelDir.MM2S


def check_window(window: Window, chip: Chip, segment: str) -> None:
    """Raises CapacityError for a window that no MemTile descriptor holds."""
    faults = window_faults(window, chip)
    if faults:
        raise CapacityError(f"segment '{segment}': no MemTile descriptor holds {window}: {'; '.join(faults)}")


@dataclass(frozen=True, eq=False)
class Copy:
    """Both tasks of a copy; the awaited one has a token."""

    op: mem.CopyOp
    awaited: UnderWay
    other: UnderWay


class CopyWriter:
    """Starts copies and waits for them."""

    def __init__(self, chip: Chip, tasks: Issuer):
        self.chip = chip
        self.tasks = tasks
        self.channels = channels(chip)
        self.under_way: dict[tuple[int, bool], list[Copy]] = {}
        """Fills of each column, and its spills."""

    def _before(self, op: mem.CopyOp) -> list[Copy]:
        return self.under_way.setdefault((op.column, op.fills), [])

    def first_in_queue(self, op: mem.CopyOp) -> Copy | None:
        """The copy that has to end before this one is started, if its queue is full."""
        before = self._before(op)
        return before[0] if len(before) >= self.chip.copies_queued else None

    def tasks_of(self, op: mem.CopyOp, segment: str) -> tuple[Task, Task]:
        """The task with a token, and the other one. Raises CapacityError for a window that no descriptor holds."""
        column = op.column
        memtile = op.target_window.data if op.fills else op.source_window.data
        ddr = op.source_window.data if op.fills else op.target_window.data
        check_window(memtile, self.chip, segment)
        here = (Descriptor(place_name("memtile", (column, MEMTILE_ROW)), memtile),)
        there = (Descriptor(ACTIVATIONS, ddr),)
        shim, tile = (column, SHIM_ROW), (column, MEMTILE_ROW)
        if op.fills:
            return Task(tile, S2MM, self.channels.fill, here, token=True), Task(shim, MM2S, SHIM_FILL, there)
        return Task(shim, S2MM, SHIM_SPILL, there, token=True), Task(tile, MM2S, self.channels.spill, here)

    def start(self, op: mem.CopyOp, segment: str) -> Copy:
        """A fill or a spill."""
        assert self.first_in_queue(op) is None, "a queue holds only so many"
        copy = Copy(op, *self.tasks.start(*self.tasks_of(op, segment)))
        self._before(op).append(copy)
        return copy

    def finish(self, copy: Copy) -> None:
        """Wait for a copy, unless that has been done."""
        waiting = self._before(copy.op)
        if copy in waiting:
            waiting.remove(copy)
            self.tasks.wait(copy.awaited)
            self.tasks.ended(copy.other)
