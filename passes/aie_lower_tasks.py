"""
`aie-lower-tasks`: what the controller writes, word by word.

    aiex.dma_configure_task   ->   aiex.npu.blockwrite of descriptors; aiex.npu.address_patch for DDR
    aiex.dma_start_task       ->   aiex.npu.write32 to the channel's queue, or aiex.npu.blockwrite to several
    aiex.dma_await_task       ->   aiex.npu.sync with one channel of one column, or of several
    aiex.dma_free_task        ->   nothing

Before: runtime sequences of tasks whose descriptors have numbers, buffers with addresses and locks with numbers.
After: the same sequences in register form. A descriptor is one write of all its words, the address included, and what
fills neighbouring registers is one instruction (`compiler.hardware.bursts`). Channels that issue tokens are told once,
before anything else, which packet carries them (`maskwrite32`); control registers hold nothing else, being 0 after a
reset. Upstream has such a lowering, which at commit 1e400306 keeps four bits of a MemTile descriptor's number and
leaves out its third wrap; this one does neither. Refuses (CapacityError) what a descriptor or a queue entry cannot say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, MemRefType, ModuleOp, StringAttr, TensorType, UnitAttr, i32
from xdsl.dialects.memref import GetGlobalOp, GlobalOp
from xdsl.ir import Attribute, Operation
from xdsl.passes import ModulePass

from compiler.hardware.bursts import number_joins, push_joins, wait_joins
from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.dma_registers import (
    CONTROLLER_ID_LOW,
    CONTROLLER_ID_MASK,
    QUEUE,
    SHIM_BASE,
    descriptor_offset,
    queue_offset,
    tile_address,
)
from dialects.aie import DMAChannelDir, PacketSourceOp, WireBundle, int_value
from dialects.aiex import AddressPatchOp, BlockWriteOp, MaskWrite32Op, SyncOp, Write32Op
from dialects.notes import SEGMENT
from passes.array_program import Place, Program, Sequence, Step, Task
from passes.array_reader import devices_of, read_program
from passes.array_registers import argument_bytes, awaited, descriptor_words, pushed, start_word

SHIM_TOKEN_PACKET = 15
"""Packet id of a shim's own tokens: upstream's control overlay adds this flow to every program."""

Words = tuple[int, ...]


def token_packets(program: Program) -> dict[Place, int]:
    """Packet id of each tile's completion tokens: that of the packet flow which leaves its TileControl."""
    found: dict[Place, int] = {}
    for flow in program.packet_flows:
        for op in flow.ports.block.ops:
            if isinstance(op, PacketSourceOp) and int_value(op.bundle) == WireBundle.TileControl:
                found[program.places[op.tile]] = int_value(flow.ID)
    return found


def token_channels(sequence: Sequence) -> list[Task]:
    """One task of each channel that issues tokens, in the order of their first use."""
    channels: dict[tuple[Place, DMAChannelDir, int], Task] = {}
    for task in sequence.tasks:
        if task.token:
            channels.setdefault((task.place, task.direction, task.channel), task)
    return list(channels.values())


@dataclass
class _SequenceWriter:
    """Rewrites one sequence; `constants` are the words that have a name already."""

    program: Program
    constants: dict[Words, str]
    packets: dict[Place, int]

    def write(self, sequence: Sequence) -> None:
        """Replace every task operation; of those that are one instruction, the first one becomes all of it."""
        block = sequence.op.body.block
        controls = self._controls(sequence)
        if block.first_op is not None:
            block.insert_ops_before([MaskWrite32Op(*register) for register in controls], block.first_op)
        contents = {address: value for address, value, _ in controls}
        segments = {step.task.op: step.segment for step in reversed(sequence.steps) if step.what == "start"}
        for burst in _bursts(sequence.steps):
            first, tasks = burst[0], [step.task for step in burst]
            match first.what:
                case "configure":
                    written = self._configure(tasks)
                case "start":
                    written = self._start(tasks, contents)
                case "await":
                    written = iter((SyncOp(*_register(tasks[0]), column_num=len(tasks)),))
                case _:
                    written = iter(())
            segment = first.segment or segments.get(first.task.op, "")
            for op in written:
                if segment and not isinstance(op, GetGlobalOp):
                    op.attributes[SEGMENT] = StringAttr(segment)
                block.insert_op_before(op, first.op)
        for step in reversed(sequence.steps):
            step.op.detach()
            step.op.erase()

    def _controls(self, sequence: Sequence) -> list[tuple[int, int, int]]:
        """Address, value and mask of the registers that say which packet carries the tokens of a channel."""
        controls: list[tuple[int, int, int]] = []
        for task in token_channels(sequence):
            packet = SHIM_TOKEN_PACKET if task.kind is TileKind.SHIM else self.packets.get(task.place)
            if packet is not None:
                controls.append((_queue(task) - QUEUE, packet << CONTROLLER_ID_LOW, CONTROLLER_ID_MASK))
        return controls

    def _block_write(self, words: Words, address: int) -> Iterator[Operation]:
        """Words from a constant, which has a name."""
        name = self.constants.setdefault(words, f"words_{len(self.constants)}")
        data = GetGlobalOp(name, MemRefType(i32, (len(words),)))
        yield data
        yield BlockWriteOp(data.memref, address)

    def _configure(self, tasks: list[Task]) -> Iterator[Operation]:
        """Descriptors whose numbers follow each other at once, then where in DDR they begin."""
        (tile, kind), runs = (tasks[0].place, tasks[0].kind), list[tuple[int, list[int]]]()
        last: int | None = None
        for number, words in (written for task in tasks for written in descriptor_words(task)):
            if not number_joins(kind, last, number):
                runs.append((number, []))
            runs[-1][1].extend(words)
            last = number
        for number, words in runs:
            yield from self._block_write(tuple(words), tile_address(*tile) + descriptor_offset(kind, number))
        for task in tasks:
            for descriptor, (number, _) in zip(task.chain, descriptor_words(task), strict=True):
                if descriptor.buffer is None:
                    address = tile_address(*tile) + descriptor_offset(kind, number)
                    yield AddressPatchOp(address + SHIM_BASE, descriptor.argument, argument_bytes(descriptor))

    def _start(self, tasks: list[Task], contents: Mapping[int, int]) -> Iterator[Operation]:
        """One word for one queue; of several the registers between them, too, with what they hold."""
        first, *others = tasks
        if not others:
            yield Write32Op(_queue(first), start_word(first))
            return
        words = [start_word(first)]
        for task in others:
            words += [contents.get(_queue(task) - QUEUE, 0), start_word(task)]
        yield from self._block_write(tuple(words), _queue(first))


def _queue(task: Task) -> int:
    """Address of the queue of a task's channel; its control register lies before it."""
    return tile_address(*task.place) + queue_offset(task.kind, task.direction is DMAChannelDir.MM2S, task.channel)


def _register(task: Task) -> tuple[int, int, DMAChannelDir, int]:
    """Tile and channel."""
    return *task.place, task.direction, task.channel


def _bursts(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Steps that one instruction does, or of configurations as many as lie in one tile."""
    burst: list[Step] = []
    for step in steps:
        if step.what == "free":
            continue
        if burst and _joins(burst[-1], step):
            burst.append(step)
            continue
        if burst:
            yield burst
        burst = [step]
    if burst:
        yield burst


def _joins(before: Step, step: Step) -> bool:
    if before.what != step.what:
        return False
    if step.what == "configure":
        return step.task.kind is not TileKind.SHIM and before.task.place == step.task.place
    if step.what == "start":
        return push_joins(pushed(before.task), pushed(step.task))
    return wait_joins(awaited(before.task), awaited(step.task))


def _constant(name: str, words: Words) -> GlobalOp:
    """Words of a descriptor as a constant of the device."""
    signed = [word - (1 << 32) if word >> 31 else word for word in words]
    values: Attribute = DenseIntOrFPElementsAttr.from_list(TensorType(i32, [len(words)]), signed)
    kind = MemRefType(i32, (len(words),))
    return GlobalOp.get(StringAttr(name), kind, values, StringAttr("private"), UnitAttr())


@dataclass(frozen=True)
class AieLowerTasksPass(ModulePass):
    """Turn DMA tasks of runtime sequences into register writes."""

    name = "aie-lower-tasks"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for device in devices_of(op):
            program = read_program(op, device)
            writer = _SequenceWriter(program, {}, token_packets(program))
            for sequence in program.sequences:
                writer.write(sequence)
            block = device.body.block
            constants = [_constant(name, words) for words, name in writer.constants.items()]
            if constants and program.sequences:
                block.insert_ops_before(constants, program.sequences[0].op)
