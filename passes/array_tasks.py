"""
Tasks of the protocol as operations of the runtime sequence: configure, start, await and free.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW
from compiler.protocol.descriptors import Started
from compiler.protocol.issue import Issuer, UnderWay
from compiler.protocol.tasks import Descriptor, Place, Task
from compiler.transfers.window import Window, factors
from dialects.aie import DMABDOp, EndOp, LockAction, NextBDOp, UseLockOp
from dialects.aie_attributes import i32_attr
from dialects.aiex import DMAAwaitTaskOp, DMAConfigureTaskOp, DMAFreeTaskOp, DMAStartTaskOp
from dialects.mem_attributes import integers_attr
from dialects.notes import FIRST_RUN, ITERATION, RUNS, SEGMENT

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
    if window.is_run:
        sizes = factors(window.sizes[0], limit)
        if sizes is None:
            return None
        _, middle, inner = sizes
        return list(zip(sizes, (middle * inner, inner, 1), strict=True))
    data = list(zip(window.sizes, window.strides, strict=True))
    return data if len(data) <= TASK_DIMENSIONS else None


def descriptor_op(descriptor: Descriptor, handles: Handles, number: int, limit: int, first: int = 0) -> DMABDOp:
    """
    `aie.dma_bd`; the iteration is the first of four dimensions where three within `limit` do for the data, else a note.

    It begins with run `first` of its turn.
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
            data = [] if window.is_run else data
    elif window.is_run:
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
    if first % window.wrap:
        op.attributes[FIRST_RUN] = i32_attr(first % window.wrap)
    return op


class TaskWriter(Issuer):
    """Appends tasks to a runtime sequence."""

    def __init__(self, chip: Chip, handles: Handles, block: Block):
        super().__init__(chip)
        self.handles = handles
        self.block = block
        self.values: dict[tuple[Hashable, int], SSAValue] = {}
        """Tasks whose descriptors a tile holds."""

    def _emit(self, op: Operation) -> None:
        op.attributes[SEGMENT] = StringAttr(self.segment)
        self.block.add_op(op)

    def drop(self, dropped: Iterable[tuple[Hashable, int]]) -> None:
        """Free tasks."""
        for old in dropped:
            self._emit(DMAFreeTaskOp(self.values.pop(old)))

    def write(self, task: Task, started: Started, numbers: tuple[int, ...]) -> None:
        """Configure a task."""
        self.values[task, started.copy] = self._configure(task, numbers)

    def push(self, task: Task, started: Started) -> None:
        """Start a task."""
        value = self.values[task, started.copy]
        start, configured = DMAStartTaskOp(value), value.owner
        assert isinstance(configured, DMAConfigureTaskOp), "tasks are configured by us"
        if task.runs != start.runs(configured):
            start.attributes[RUNS] = i32_attr(task.runs)
        self._emit(start)

    def take_token(self, under_way: UnderWay) -> None:
        """Await a task."""
        self._emit(DMAAwaitTaskOp(self.values.pop((under_way.task, under_way.started.copy))))

    def _configure(self, task: Task, numbers: tuple[int, ...]) -> SSAValue:
        blocks = [Block() for _ in task.chain]
        core = task.place[1] > MEMTILE_ROW
        limit = self.chip.core_wrap_limit if core else self.chip.memtile_wrap_limit
        for index, (descriptor, number) in enumerate(zip(task.chain, numbers, strict=True)):
            block = blocks[index]
            if descriptor.acquire is not None:
                name, count = descriptor.acquire
                block.add_op(UseLockOp(self.handles.locks[name], LockAction.AcquireGreaterEqual, count))
            block.add_op(descriptor_op(descriptor, self.handles, number, limit, task.first))
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
