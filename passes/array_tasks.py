"""
Tasks of the protocol as operations of the runtime sequence: configure, start, await and free.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW
from compiler.protocol.descriptors import DescriptorBook, Started
from compiler.protocol.tasks import Descriptor, Place, Task, begin
from compiler.transfers.window import Window, factors
from dialects.aie import DMABDOp, EndOp, LockAction, NextBDOp, UseLockOp
from dialects.aiex import DMAAwaitTaskOp, DMAConfigureTaskOp, DMAFreeTaskOp, DMAStartTaskOp
from dialects.mem_attributes import integers_attr
from dialects.notes import ITERATION, SEGMENT

TASK_DIMENSIONS = 3
"""Data dimensions that upstream's task form has beside the iteration."""


@dataclass(frozen=True)
class Handles:
    """The device's values by name: tiles by place, buffers and locks by name."""

    tiles: dict[Place, SSAValue]
    buffers: dict[str, SSAValue]
    locks: dict[str, SSAValue]


def _task_dimensions(window: Window, limit: int) -> list[tuple[int, int]] | None:
    """Sizes and strides of a window in at most three dimensions within `limit`; None if there are none."""
    if len(window.sizes) == 1 and not window.padding:
        sizes = factors(window.sizes[0], limit)
        if sizes is None:
            return None
        _, middle, inner = sizes
        return list(zip(sizes, (middle * inner, inner, 1), strict=True))
    data = list(zip(window.sizes, window.strides, strict=True))
    return data if len(data) <= TASK_DIMENSIONS else None


def descriptor_op(descriptor: Descriptor, handles: Handles, number: int, limit: int) -> DMABDOp:
    """
    `aie.dma_bd`; the iteration is the first of four dimensions where three within `limit` do for the data, else a note.
    """
    window = descriptor.window
    data = list(zip(window.sizes, window.strides, strict=True))
    pads = list(window.padding)
    note = None
    if window.wrap > 1:
        fitting = _task_dimensions(window, limit)
        if fitting is not None:
            data = fitting
            filler = TASK_DIMENSIONS - len(data)
            data = [(window.wrap, window.step), *[(1, 1)] * filler, *data]
            pads = [(0, 0)] * (filler + 1) + pads if pads else []
        else:
            note = (window.wrap, window.step)
            data = [] if len(data) == 1 and not pads else data
    elif len(data) == 1 and not pads:
        data = []
    elif len(data) > TASK_DIMENSIONS:
        note = (1, 1)
    op = DMABDOp(
        handles.buffers[descriptor.buffer],
        window.offset,
        window.words,
        dimensions=data or None,
        pad_dimensions=pads or None,
        bd_id=number,
    )
    if note is not None:
        op.attributes[ITERATION] = integers_attr(note)
    return op


class TaskWriter:
    """Appends tasks to a runtime sequence."""

    def __init__(self, chip: Chip, handles: Handles, block: Block):
        self.chip = chip
        self.handles = handles
        self.block = block
        self.segment = StringAttr("")
        self.book = DescriptorBook()
        self.values: dict[tuple[Hashable, int], SSAValue] = {}
        """Tasks whose descriptors a tile holds."""

    def enter(self, segment: str) -> None:
        """Operations that follow belong to this segment."""
        self.segment = StringAttr(segment)

    def _emit(self, op: Operation) -> None:
        op.attributes[SEGMENT] = self.segment
        self.block.add_op(op)

    def start(self, task: Task) -> Started:
        """Push a task to its channel's queue, writing its descriptors if the tile does not hold them."""
        started = begin(self.book, task, self.chip, self.segment.data)
        key = (task, started.copy)
        for old in started.dropped:
            self._emit(DMAFreeTaskOp(self.values.pop(old)))
        if started.written:
            first = task.channel % 2 * self.chip.memtile_descriptors // 2 if task.place[1] == MEMTILE_ROW else 0
            self.values[key] = self._configure(task, tuple(first + number for number in started.numbers))
        self._emit(DMAStartTaskOp(self.values[key]))
        return started

    def _configure(self, task: Task, numbers: tuple[int, ...]) -> SSAValue:
        blocks = [Block() for _ in task.chain]
        core = task.place[1] > MEMTILE_ROW
        limit = self.chip.core_wrap_limit if core else self.chip.memtile_wrap_limit
        for index, (descriptor, number) in enumerate(zip(task.chain, numbers, strict=True)):
            block = blocks[index]
            if descriptor.acquire is not None:
                name, count = descriptor.acquire
                block.add_op(UseLockOp(self.handles.locks[name], LockAction.AcquireGreaterEqual, count))
            block.add_op(descriptor_op(descriptor, self.handles, number, limit))
            if descriptor.release is not None:
                name, count = descriptor.release
                block.add_op(UseLockOp(self.handles.locks[name], LockAction.Release, count))
            block.add_op(EndOp() if index + 1 == len(blocks) else NextBDOp(blocks[index + 1]))
        op = DMAConfigureTaskOp(
            self.handles.tiles[task.place],
            task.direction,
            task.channel,
            Region(blocks),
            issue_token=task.token,
            repeat_count=task.runs - 1,
        )
        self.block.add_op(op)
        return op.result

    def wait(self, task: Started) -> None:
        """Wait for the task's token; its descriptors are free then."""
        self._emit(DMAAwaitTaskOp(self.values.pop((task.request.what, task.copy))))
        self.book.ended(task, dropped=True)
