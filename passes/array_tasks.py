"""
DMA tasks of the runtime sequence: what a descriptor says, which descriptor of a tile holds it, and when it is written.

Writing descriptors is what the controller spends its time on, so a tile's descriptors are remembered: a task that is
asked for again while its descriptors still hold it is only started. A descriptor keeps its iteration counter when its
task ends, so this holds only for tasks that end on a whole turn of their iteration.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW, SHIM_ROW
from compiler.transfers.window import Window, factors
from dialects.aie import DMABDOp, DMAChannelDir, EndOp, LockAction, NextBDOp, UseLockOp
from dialects.aiex import DMAAwaitTaskOp, DMAConfigureTaskOp, DMAFreeTaskOp, DMAStartTaskOp
from dialects.mem_attributes import integers_attr
from dialects.notes import ITERATION, SEGMENT

TASK_DIMENSIONS = 3
"""Data dimensions that upstream's task form has beside the iteration."""

Place = tuple[int, int]
"""Column and array row."""


@dataclass(frozen=True)
class Descriptor:
    """One buffer descriptor. `window.column` is not used: the buffer says whose memory it is."""

    buffer: str
    window: Window
    acquire: tuple[str, int] | None = None
    release: tuple[str, int] | None = None


@dataclass(frozen=True)
class Task:
    """A chain of descriptors for one channel, run `runs` times; `token` asks for a completion token."""

    place: Place
    direction: DMAChannelDir
    channel: int
    chain: tuple[Descriptor, ...]
    runs: int = 1
    token: bool = False

    @property
    def ends_on_a_turn(self) -> bool:
        """Whether every iteration counter is back at 0 when the task has ended."""
        return all(self.runs % descriptor.window.wrap == 0 for descriptor in self.chain)


@dataclass(frozen=True)
class Handles:
    """The device's values by name: tiles by place, buffers and locks by name."""

    tiles: dict[Place, SSAValue]
    buffers: dict[str, SSAValue]
    locks: dict[str, SSAValue]


@dataclass
class _Tile:
    """Descriptors of one pool of a tile: what they hold, oldest use first."""

    free: list[int]
    held: OrderedDict[Task, tuple[tuple[int, ...], SSAValue]] = field(
        default_factory=OrderedDict[Task, tuple[tuple[int, ...], SSAValue]]
    )


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
        self.pools: dict[tuple[Place, int], _Tile] = {}
        self.busy: set[Task] = set()

    def _emit(self, op: Operation) -> None:
        op.attributes[SEGMENT] = self.segment
        self.block.add_op(op)

    def _pool(self, task: Task) -> _Tile:
        """MemTile channels of even number use the lower half of the descriptors, odd ones the upper half."""
        row = task.place[1]
        half = task.channel % 2 if row == MEMTILE_ROW else 0
        if (task.place, half) not in self.pools:
            if row == MEMTILE_ROW:
                size = self.chip.memtile_descriptors // 2
                numbers = range(half * size, (half + 1) * size)
            else:
                numbers = range(self.chip.shim_descriptors if row == SHIM_ROW else self.chip.core_descriptors)
            self.pools[task.place, half] = _Tile(list(numbers))
        return self.pools[task.place, half]

    def start(self, task: Task) -> None:
        """
        Push a task to its channel's queue, writing its descriptors if the tile does not hold them.

        Equal tasks may follow each other in one queue if they end on a whole turn: they run one after the other.
        """
        pool = self._pool(task)
        held = pool.held.get(task)
        if held is None or not task.ends_on_a_turn:
            assert task not in self.busy, f"task of {task.place} is written again before it has ended"
            numbers = held[0] if held else self._numbers(pool, task)
            held = (numbers, self._configure(task, numbers))
        pool.held[task] = held
        pool.held.move_to_end(task)
        self.busy.add(task)
        self._emit(DMAStartTaskOp(held[1]))

    def _numbers(self, pool: _Tile, task: Task) -> tuple[int, ...]:
        """Free descriptors for a task; tasks that have ended give theirs up, the least recently used first."""
        for old in list(pool.held):
            if len(pool.free) >= len(task.chain):
                break
            if old not in self.busy:
                numbers, value = pool.held.pop(old)
                self._emit(DMAFreeTaskOp(value))
                pool.free += numbers
        if len(pool.free) < len(task.chain):
            raise CapacityError(
                f"segment '{self.segment.data}': tile {task.place} channel {task.channel} needs {len(task.chain)} "
                f"descriptors, {len(pool.free)} are free while the others are in use"
            )
        pool.free.sort()
        taken, pool.free = pool.free[: len(task.chain)], pool.free[len(task.chain) :]
        return tuple(taken)

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

    def wait(self, task: Task) -> None:
        """Wait for the task's token; its descriptors are free then."""
        numbers, value = self._pool(task).held.pop(task)
        self._emit(DMAAwaitTaskOp(value))
        self._pool(task).free += numbers
        self.busy.discard(task)

    def all_ended(self) -> None:
        """What was started so far has ended: its descriptors may be given to others."""
        self.busy.clear()
