"""
`convert-mem-to-aie`: spell the memory level in hardware terms.

    mem.launch "conv" … { mem.core … }   ->   a parameter block per core, and in the runtime sequence for every channel
                                              aiex.dma_configure_task { … aie.dma_bd … }, start, await

Before: `mem` ops with every buffer placed. After: for each configuration one `aie.device` with static routes, locks,
one arena per core and one persistent core program, which has the kernels of that configuration; in it one
`aie.runtime_sequence` per invocation; `@main` keeps the host's part and runs the sequences. Devices of one network
differ in their kernels only, and no two sequences have one name. Nothing about the mapping is decided here. Refuses
(CapacityError) what no descriptor can hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, MemRefType, ModuleOp, StringAttr, i32, i64
from xdsl.ir import Block, Region
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from compiler.errors import CapacityError, InputError
from compiler.hardware.chip import Chip
from compiler.kernels.code_size import unfit
from compiler.kernels.parameters import Kernel
from compiler.protocol.image import ACTIVATIONS, WEIGHTS, Image
from compiler.protocol.sequence import Sequence
from dialects import mem
from dialects.aie import DeviceOp, RuntimeSequenceOp
from dialects.chip import chip_of
from dialects.constants import constant_attribute
from dialects.mem_attributes import DDR
from dialects.notes import ARGUMENTS, PARAMETERS
from passes.array_device import DeviceWriter
from passes.array_tasks import TaskWriter


class _Sequence:
    """One runtime sequence: its block and who writes it."""

    def __init__(
        self, device: DeviceWriter, image: Image, parameters_word: int, activation_words: int, invocation: mem.InvokeOp
    ):
        # the weights' type is known when the image is complete
        self.block = Block(arg_types=[MemRefType(i32, (activation_words,)), MemRefType(i32, (1,))])
        self.block.args[0].name_hint, self.block.args[1].name_hint = ACTIVATIONS, WEIGHTS
        handles = device.handles
        handles.buffers[ACTIVATIONS], handles.buffers[WEIGHTS] = self.block.args
        sequence = Sequence(TaskWriter(device.chip, handles, self.block), image, parameters_word, invocation)
        for segment in invocation.segments:
            sequence.begin(segment)
            for op in segment.body.block.ops:
                sequence.run(op, segment)


def _arguments(
    placed: list[mem.MapOp | mem.WordsOp], activation_words: int, weight_words: int
) -> ArrayAttr[DictionaryAttr]:
    """What the host must know to fill the arguments: name, byte offset, bytes and layout."""

    def entry(argument: str, name: str, offset: int, size: int, layout: str) -> DictionaryAttr:
        return DictionaryAttr(
            {
                "argument": StringAttr(argument),
                "name": StringAttr(name),
                "offset": IntegerAttr(offset, i64),
                "bytes": IntegerAttr(size, i64),
                "layout": StringAttr(layout),
            }
        )

    entries = [
        entry(ACTIVATIONS, op.map_name.data, op.address, op.size, "rows, channels/8, width, 8 x int8")
        if isinstance(op, mem.MapOp)
        else entry(ACTIVATIONS, op.words_name.data, op.address, op.size, "the tensor's own, in words of 4 bytes")
        for op in placed
    ]
    whole = entry(ACTIVATIONS, "", 0, 4 * activation_words, "all of the argument")
    weights = entry(WEIGHTS, "", 0, 4 * weight_words, "parameter blocks and weight chunks as loaded")
    return ArrayAttr([whole, *entries, weights])


def device_name(configuration: int, configurations: int) -> str:
    """The symbol of a configuration's device."""
    return "array" if configurations == 1 else f"array_{configuration}"


def _devices(invocations: Iterable[mem.InvokeOp], rings: Iterable[mem.RingOp], chip: Chip) -> dict[int, DeviceWriter]:
    """The device of each configuration without its sequences. Raises CapacityError."""
    kernels: dict[int, set[Kernel]] = {}
    for invocation in invocations:
        called = {op.kernel for op in invocation.walk() if isinstance(op, mem.LaunchOp)}
        kernels.setdefault(invocation.configuration, set()).update(called)
    pages = max((ring.pages for ring in rings if not ring.cores), default=0)
    own_pages = max((ring.pages for ring in rings if ring.cores), default=0)
    devices: dict[int, DeviceWriter] = {}
    for number, used in sorted(kernels.items() or [(0, {Kernel.REQUANTISE})]):
        verify_program_memory(used, chip)
        devices[number] = DeviceWriter(chip, used or {Kernel.REQUANTISE}, pages, own_pages)
        devices[number].write()
    return devices


def verify_program_memory(kernels: Iterable[Kernel], chip: Chip) -> None:
    """The kernels of one configuration fit the program memory."""
    if reason := unfit(kernels, chip):
        raise CapacityError(f"a configuration is too large: {reason}; convert-bsr-to-mem makes several of it")


@dataclass(frozen=True)
class ConvertMemToAiePass(ModulePass):
    """Spell placed and mapped layers as DMA tasks, locks, flows and core programs."""

    name = "convert-mem-to-aie"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        chip = chip_of(op)
        address = op.attributes.get(PARAMETERS)
        if not isinstance(address, IntegerAttr):
            raise InputError(f"the module has no {PARAMETERS}; convert-bsr-to-mem writes it")
        main = next(f for f in op.body.ops if isinstance(f, func.FuncOp) and f.sym_name.data == "main")
        placed = [p for p in main.body.block.ops if isinstance(p, mem.MapOp | mem.WordsOp) and p.result.type == DDR]
        rings = [ring for ring in main.body.block.ops if isinstance(ring, mem.RingOp)]
        invocations = [i for i in main.body.block.ops if isinstance(i, mem.InvokeOp)]
        devices = _devices(invocations, rings, chip)
        image = Image()
        weights = mem.ImageOp(constant_attribute(image.words(), "array.weights"))
        first = main.body.block.first_op
        assert first is not None, "a function has a terminator"
        main.body.block.insert_op_before(weights, first)
        activation_words = max((p.address + p.size for p in placed), default=4) // 4
        sequences: list[_Sequence] = []
        for invocation in invocations:
            device = devices[invocation.configuration]
            sequence = _Sequence(device, image, address.value.data // 4, activation_words, invocation)
            name = f"sequence_{len(sequences)}"
            device.block.add_op(RuntimeSequenceOp(Region(sequence.block), sym_name=name))
            sequences.append(sequence)
            run = mem.RunOp(
                weights.result,
                name,
                [segment.segment_name.data for segment in invocation.segments],
                [segment.tensor.data for segment in invocation.segments],
                [segment.output for segment in invocation.segments],
            )
            main.body.block.insert_op_before(run, invocation)
            invocation.detach()
            invocation.erase()
        for ring in rings:
            ring.detach()
            ring.erase()
        words = image.words()
        for sequence in sequences:
            Rewriter.replace_value_with_new_type(sequence.block.args[1], MemRefType(i32, (words.size,)))
        weights.values = constant_attribute(words, "array.weights")
        for number, device in devices.items():
            name = device_name(number, len(devices))
            op.body.block.insert_op_before(DeviceOp(chip.device, Region(device.block), sym_name=name), main)
        op.attributes[ARGUMENTS] = _arguments(placed, activation_words, words.size)
