"""
Reading a device of the array level: `aie` and `aiex` operations into the values of `array_program`.

Reading judges nothing that can be represented: a length that lies, a lock that is too large or a number that is used
twice is read as it is. It refuses (InputError) what has no place there at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import cast

from xdsl.dialects.builtin import DenseArrayBase, FixedBitwidthType, IntegerType, MemRefType, ModuleOp, StringAttr
from xdsl.ir import Attribute, Block, BlockArgument, Region, SSAValue

from compiler.errors import InputError
from compiler.hardware.chip import Chip, chip_named
from dialects.aie import (
    BufferOp,
    CoreOp,
    DeviceOp,
    DMABDOp,
    DMAChannelDir,
    DMAStartOp,
    FlowOp,
    LockOp,
    MemOp,
    MemTileDMAOp,
    NextBDOp,
    PacketFlowOp,
    RuntimeSequenceOp,
    ShimDMAAllocationOp,
    ShimDMAOp,
    TileOp,
    UseLockOp,
    int_value,
)
from dialects.aiex import (
    DMAAwaitTaskOp,
    DMAConfigureTaskForOp,
    DMAConfigureTaskOp,
    DMAFreeTaskOp,
    DMAStartTaskOp,
)
from dialects.chip import CHIP, chip_of
from dialects.mem_attributes import integers_of
from dialects.notes import ITERATION, SEGMENT
from passes.array_program import Buffer, Descriptor, Lock, LockUse, Place, Program, Sequence, Step, Task

TASK_DIMENSIONS = 4
"""Of a task's descriptor with so many dimensions and no note, the first is its iteration."""


def chip_of_device(module: ModuleOp, device: DeviceOp) -> Chip:
    """The module's chip; for a module that names none, the one that the device's name means."""
    return chip_of(module) if CHIP in module.attributes else chip_named(device.device_name)


def devices_of(module: ModuleOp) -> list[DeviceOp]:
    """The devices of a module. Raises InputError if there are none."""
    found = [op for op in module.body.ops if isinstance(op, DeviceOp)]
    if not found:
        raise InputError("the module has no aie.device; convert-mem-to-aie writes one")
    return found


def read_program(module: ModuleOp, device: DeviceOp) -> Program:
    """Everything in a device. Raises InputError for operations that refer to something else than they must."""
    return _Reader(Program(chip_of_device(module, device), device)).read()


def _text(name: Attribute | None, otherwise: str) -> str:
    return name.data if isinstance(name, StringAttr) else otherwise


def _bits(buffer: SSAValue) -> tuple[int, int]:
    """Elements of a memref and the bits of one."""
    kind = cast("MemRefType[Attribute]", buffer.type)
    element = kind.element_type
    if not isinstance(element, FixedBitwidthType) or -1 in kind.get_shape():
        raise InputError(f"a buffer of the array holds numbers of known width in a known shape, found {kind}")
    return prod(kind.get_shape()), element.bitwidth


def _started(task: Task, start: DMAStartTaskOp) -> Task:
    """A task as it is started."""
    assert isinstance(task.op, DMAConfigureTaskOp | DMAConfigureTaskForOp), "a sequence configures its tasks"
    runs = start.runs(task.op)
    return task if runs == task.runs else replace(task, runs=runs)


class _Reader:
    def __init__(self, program: Program):
        self.program = program

    def read(self) -> Program:
        """All operations of the device; sequences last, since they refer to the rest."""
        program = self.program
        operations = list(program.device.body.block.ops)
        for op in operations:
            match op:
                case TileOp():
                    program.tiles.append((op, op.position))
                    program.places[op.result] = op.position
                case BufferOp():
                    self._buffer(op)
                case LockOp():
                    place = self._place(op.tile)
                    number = None if op.lockID is None else int_value(op.lockID)
                    initial = 0 if op.init is None else int_value(op.init)
                    name = _text(op.sym_name, f"lock {number} of tile {place}")
                    program.locks[op.result] = Lock(op, place, name, number, initial)
                case CoreOp():
                    program.cores.append((op, self._place(op.tile)))
                case FlowOp():
                    program.flows.append(op)
                case PacketFlowOp():
                    program.packet_flows.append(op)
                case ShimDMAAllocationOp():
                    program.allocations[op.sym_name.data] = op
                case _:
                    pass
        for op in operations:
            match op:
                case MemOp() | MemTileDMAOp() | ShimDMAOp():
                    self._static(op.body, self._place(op.tile))
                case RuntimeSequenceOp():
                    name = op.sym_name.data
                    program.sequences.append(Sequence(op, name, tuple(self._steps(op))))
                case _:
                    pass
        return program

    def _place(self, tile: SSAValue) -> Place:
        if tile not in self.program.places:
            raise InputError(f"{tile.owner} is used as a tile; only the result of aie.tile is one")
        return self.program.places[tile]

    def _buffer(self, op: BufferOp) -> None:
        place = self._place(op.tile)
        elements, bits = _bits(op.buffer)
        address = None if op.address is None else int_value(op.address)
        name = _text(op.sym_name, f"a buffer of tile {place}")
        self.program.buffers[op.buffer] = Buffer(op, place, name, address, elements * bits // 8)

    def _lock(self, value: SSAValue) -> Lock:
        if value not in self.program.locks:
            raise InputError(f"a descriptor uses {value.owner} as a lock; only the result of aie.lock is one")
        return self.program.locks[value]

    # Sequences

    def _steps(self, sequence: RuntimeSequenceOp) -> Iterator[Step]:
        tasks: dict[SSAValue, Task] = {}
        for op in sequence.body.block.ops:
            segment = _text(op.attributes.get(SEGMENT), "")
            match op:
                case DMAConfigureTaskOp():
                    place, direction = self._place(op.tile), op.channel_direction
                    task = self._task(op, place, direction, int_value(op.channel))
                    tasks[op.result] = task
                    yield Step(op, "configure", task, segment)
                case DMAConfigureTaskForOp():
                    name = op.alloc.string_value()
                    if name not in self.program.allocations:
                        raise InputError(f"{op.name} names @{name}, which no aie.shim_dma_allocation defines")
                    shim = self.program.allocations[name]
                    direction = DMAChannelDir(int_value(shim.channel_dir))
                    task = self._task(op, self._place(shim.tile), direction, int_value(shim.channel_index))
                    tasks[op.result] = task
                    yield Step(op, "configure", task, segment)
                case DMAStartTaskOp() | DMAAwaitTaskOp() | DMAFreeTaskOp():
                    if op.task not in tasks:
                        raise InputError(f"{op.name} refers to a task that no aiex.dma_configure_task before it makes")
                    what = {DMAStartTaskOp: "start", DMAAwaitTaskOp: "await", DMAFreeTaskOp: "free"}[type(op)]
                    task = tasks[op.task]
                    if isinstance(op, DMAStartTaskOp):
                        task = _started(task, op)
                    yield Step(op, what, task, segment)
                case _:
                    raise InputError(
                        f"a runtime sequence holds {op.name}; tasks are configured, started, awaited and freed"
                    )

    def _task(
        self, op: DMAConfigureTaskOp | DMAConfigureTaskForOp, place: Place, direction: DMAChannelDir, channel: int
    ) -> Task:
        if not op.body.blocks:
            raise InputError(f"a task of tile {place} has no descriptor")
        chain, returns = self._chain(op.body.blocks[0], in_task=True)
        packet = op.packet
        if packet is not None and chain and chain[0].packet is None:
            raise InputError(f"a task of tile {place} has a packet; give it to its descriptors, as aie.dma_bd has one")
        runs, token = int_value(op.repeat_count) + 1, bool(int_value(op.issue_token))
        return Task(op, place, direction, channel, chain, runs, token, returns)

    def _static(self, body: Region, place: Place) -> None:
        for block in body.blocks:
            start = block.last_op
            if isinstance(start, DMAStartOp):
                chain, returns = self._chain(start.dest, in_task=False)
                runs = int_value(start.repeat_count) + 1
                channel = int_value(start.channel_index)
                self.program.static.append(Task(start, place, start.direction, channel, chain, runs, False, returns))

    def _chain(self, entry: Block, *, in_task: bool) -> tuple[tuple[Descriptor, ...], bool]:
        """Descriptors in the order of `next_bd`, and whether the last one leads back."""
        chain: list[Descriptor] = []
        seen: set[Block] = set()
        block: Block | None = entry
        while block is not None and block not in seen:
            seen.add(block)
            found = [op for op in block.ops if isinstance(op, DMABDOp)]
            if len(found) == 1:
                chain.append(self._descriptor(found[0], block, in_task))
            elif len(found) > 1:
                raise InputError(f"a descriptor block holds {len(found)} aie.dma_bd, it is one descriptor")
            last = block.last_op
            block = last.dest if isinstance(last, NextBDOp) else None
        return tuple(chain), block is not None

    def _descriptor(self, op: DMABDOp, block: Block, in_task: bool) -> Descriptor:
        capacity, bits = _bits(op.buffer)
        buffer = self.program.buffers.get(op.buffer)
        argument = -1
        if buffer is None:
            if not isinstance(op.buffer, BlockArgument):
                raise InputError(f"a descriptor moves {op.buffer.owner}; it moves an aie.buffer or an argument")
            argument = op.buffer.index
        dimensions = list(op.dimensions.data) if op.dimensions is not None else []
        pads = list(op.pad_dimensions.data) if op.pad_dimensions is not None else []
        wrap, step = 1, 1
        note = op.attributes.get(ITERATION)
        if isinstance(note, DenseArrayBase):
            wrap, step = integers_of(cast("DenseArrayBase[IntegerType]", note))
        elif in_task and len(dimensions) == TASK_DIMENSIONS:
            (wrap, step), *dimensions = dimensions
            pads = pads[1:]
        uses = [
            LockUse(self._lock(use.lock), use.lock_action, int_value(use.value))
            for use in block.ops
            if isinstance(use, UseLockOp)
        ]
        return Descriptor(
            op,
            block,
            buffer,
            argument,
            capacity,
            bits,
            None if op.bd_id is None else int_value(op.bd_id),
            int_value(op.offset),
            capacity if op.len is None else int_value(op.len),
            tuple(size for size, _ in dimensions),
            tuple(stride for _, stride in dimensions),
            tuple(pads) if any(pad != (0, 0) for pad in pads) else (),
            wrap,
            step,
            tuple(uses),
            None if op.packet is None else op.packet.data,
            op.first_run,
        )
