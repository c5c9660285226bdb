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
        self.under_way: dict[int, list[Copy]] = {}

    def must_wait(self, op: mem.CopyOp) -> bool:
        """Whether the column's first copy has to end before this one is started."""
        return len(self.under_way.get(op.column, [])) >= self.chip.copies_queued

    def start(self, op: mem.CopyOp, segment: str) -> Copy:
        """A fill or a spill."""
        column = op.column
        waiting = self.under_way.setdefault(column, [])
        assert not self.must_wait(op), "a queue holds only so many"
        memtile = op.target_window.data if op.fills else op.source_window.data
        ddr = op.source_window.data if op.fills else op.target_window.data
        check_window(memtile, self.chip, segment)
        here = (Descriptor(place_name("memtile", (column, MEMTILE_ROW)), memtile),)
        there = (Descriptor(ACTIVATIONS, ddr),)
        shim, tile = (column, SHIM_ROW), (column, MEMTILE_ROW)
        if op.fills:
            awaited = Task(tile, S2MM, self.channels.fill, here, token=True)
            other = Task(shim, MM2S, SHIM_FILL, there)
        else:
            awaited = Task(shim, S2MM, SHIM_SPILL, there, token=True)
            other = Task(tile, MM2S, self.channels.spill, here)
        copy = Copy(op, *self.tasks.start(awaited, other))
        waiting.append(copy)
        return copy

    def finish(self, copy: Copy) -> None:
        """Wait for a copy, unless that has been done."""
        waiting = self.under_way[copy.op.column]
        if copy in waiting:
            waiting.remove(copy)
            self.tasks.wait(copy.awaited)
            self.tasks.ended(copy.other)
