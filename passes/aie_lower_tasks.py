"""
`aie-lower-tasks`: what the controller writes, word by word.

    aiex.dma_configure_task   ->   aiex.npu.blockwrite of each descriptor; aiex.npu.address_patch for DDR
    aiex.dma_start_task       ->   aiex.npu.write32 to the channel's queue
    aiex.dma_await_task       ->   aiex.npu.sync
    aiex.dma_free_task        ->   nothing

Before: runtime sequences of tasks whose descriptors have numbers, buffers with addresses and locks with numbers.
After: the same sequences in register form. A descriptor is one write of all its words, the address included; channels
that issue tokens are told once, before anything else, which packet carries them (`maskwrite32`). Upstream has such a
lowering, which at commit 1e400306 keeps four bits of a MemTile descriptor's number and leaves out its third wrap; this
one does neither. Refuses (CapacityError) what a descriptor or a queue entry cannot say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, MemRefType, ModuleOp, StringAttr, TensorType, UnitAttr, i32
from xdsl.dialects.memref import GetGlobalOp, GlobalOp
from xdsl.ir import Attribute, Operation
from xdsl.passes import ModulePass

from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.dma_registers import (
    CONTROLLER_ID_LOW,
    CONTROLLER_ID_MASK,
    SHIM_BASE,
    control_offset,
    descriptor_offset,
    queue_offset,
    tile_address,
)
from dialects.aie import DMAChannelDir, PacketSourceOp, WireBundle, int_value
from dialects.aiex import AddressPatchOp, BlockWriteOp, MaskWrite32Op, SyncOp, Write32Op
from dialects.notes import SEGMENT
from passes.array_program import Place, Program, Sequence, Task
from passes.array_reader import devices_of, read_program
from passes.array_registers import argument_bytes, descriptor_words, start_word

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
        """Replace every task operation."""
        block = sequence.op.body.block
        if block.first_op is not None:
            block.insert_ops_before(list(self._controllers(sequence)), block.first_op)
        segments = {step.task: step.segment for step in reversed(sequence.steps) if step.what == "start"}
        for step in sequence.steps:
            written = {
                "configure": self._configure,
                "start": self._start,
                "await": self._await,
                "free": self._free,
            }[step.what](step.task)
            segment = step.segment or segments.get(step.task, "")
            for op in written:
                if segment and not isinstance(op, GetGlobalOp):
                    op.attributes[SEGMENT] = StringAttr(segment)
                block.insert_op_before(op, step.op)
        for step in reversed(sequence.steps):
            step.op.detach()
            step.op.erase()

    def _controllers(self, sequence: Sequence) -> Iterator[Operation]:
        """Which packet carries the tokens of each channel that issues some."""
        for task in token_channels(sequence):
            packet = SHIM_TOKEN_PACKET if task.kind is TileKind.SHIM else self.packets.get(task.place)
            if packet is not None:
                register = control_offset(task.kind, task.direction is DMAChannelDir.MM2S, task.channel)
                yield MaskWrite32Op(
                    tile_address(*task.place) + register, packet << CONTROLLER_ID_LOW, CONTROLLER_ID_MASK
                )

    def _configure(self, task: Task) -> Iterator[Operation]:
        for descriptor, (number, words) in zip(task.chain, descriptor_words(task), strict=True):
            address = tile_address(*task.place) + descriptor_offset(task.kind, number)
            name = self.constants.setdefault(words, f"descriptor_{len(self.constants)}")
            data = GetGlobalOp(name, MemRefType(i32, (len(words),)))
            yield data
            yield BlockWriteOp(data.memref, address)
            if descriptor.buffer is None:
                yield AddressPatchOp(address + SHIM_BASE, descriptor.argument, argument_bytes(descriptor))

    def _start(self, task: Task) -> Iterator[Operation]:
        register = queue_offset(task.kind, task.direction is DMAChannelDir.MM2S, task.channel)
        yield Write32Op(tile_address(*task.place) + register, start_word(task))

    def _await(self, task: Task) -> Iterator[Operation]:
        yield SyncOp(*task.place, task.direction, task.channel)

    def _free(self, task: Task) -> Iterator[Operation]:
        """Nothing: the numbers of descriptors have been given already."""
        return iter(())


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
