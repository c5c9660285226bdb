"""Lowered tasks say in words what the tasks said, and are as many instructions as the simulator charges."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from interpret.array_programs import residual_program
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.memref import GetGlobalOp, GlobalOp
from xdsl.parser import Parser

from compiler.errors import BlockloomError
from compiler.hardware.descriptor_words import DescriptorFields, TileKind, decode
from compiler.hardware.dma_registers import DESCRIPTOR_BYTES, DESCRIPTORS, ROW_SHIFT, decode_queue_word, tile_address
from compiler.hardware.routes import kind_of
from compiler.hardware.transactions import HEADER, MASK_WRITE, PATCH, SYNC, WRITE, ControllerCount, block_write
from compiler.registry import full_context
from compiler.simulate import simulate
from dialects.aie import int_value
from dialects.aiex import AddressPatchOp, BlockWriteOp, DMAConfigureTaskOp, MaskWrite32Op, SyncOp, Write32Op
from dialects.bsr import array_of
from dialects.notes import SEGMENT, WEIGHT_STREAM
from passes.aie_lower_tasks import AieLowerTasksPass
from passes.array_counts import SETUP, controller_counts
from passes.array_reader import devices_of, read_program

SAMPLES = Path(__file__).parents[3] / "shared" / "reference" / "aie-samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample programs are not beside this checkout")


def lowered(module: ModuleOp) -> ModuleOp:
    result = module.clone()
    AieLowerTasksPass().apply(full_context(), result)
    result.verify()
    return result


def parsed(text: str) -> ModuleOp:
    return Parser(full_context(), text).parse_module()


def sample(name: str) -> ModuleOp:
    return parsed((SAMPLES / f"{name}.mlir").read_text())


def constants(module: ModuleOp) -> dict[str, list[int]]:
    """Words of the descriptors by name."""
    found = [op for op in module.walk() if isinstance(op, GlobalOp)]
    return {op.sym_name.data: [int(word) & 0xFFFFFFFF for word in array_of(op.initial_value)] for op in found}


def block_writes(module: ModuleOp) -> list[tuple[int, list[int]]]:
    """Address and words of every block write, in order."""
    words = constants(module)
    found: list[tuple[int, list[int]]] = []
    for op in module.walk():
        if isinstance(op, BlockWriteOp):
            source = op.data.owner
            assert isinstance(source, GetGlobalOp)
            found.append((int_value(op.address), words[source.name_.string_value()]))
    return found


def is_descriptor(address: int) -> bool:
    """Whether descriptors lie there, and not channels."""
    offset = address & ((1 << ROW_SHIFT) - 1)
    counts = {kind: 48 if kind is TileKind.MEMTILE else 16 for kind in TileKind}
    return any(0 <= offset - DESCRIPTORS[kind] < counts[kind] * DESCRIPTOR_BYTES for kind in TileKind)


def written(module: ModuleOp) -> list[tuple[int, list[int]]]:
    """Address and words of every descriptor, in the order in which they are written."""
    found: list[tuple[int, list[int]]] = []
    for address, words in block_writes(module):
        if is_descriptor(address):
            size = min(DESCRIPTOR_BYTES // 4, len(words))
            parts = range(0, len(words), size)
            found += [(address + 4 * first, words[first : first + size]) for first in parts]
    return found


def writes(module: ModuleOp) -> list[tuple[int, int]]:
    """Address and word of every push, in order; the registers between two queues hold what they held."""
    held = {int_value(op.address): int_value(op.value) for op in module.walk() if isinstance(op, MaskWrite32Op)}
    found: list[tuple[int, int]] = []
    blocks = iter(block for block in block_writes(module) if not is_descriptor(block[0]))
    for op in module.walk():
        if isinstance(op, Write32Op):
            found.append((int_value(op.address), int_value(op.value)))
        elif isinstance(op, BlockWriteOp) and not is_descriptor(int_value(op.address)):
            first, words = next(blocks)
            found += [(first + 4 * place, words[place]) for place in range(0, len(words), 2)]
            between = {first + 4 * place: words[place] for place in range(1, len(words), 2)}
            assert between == {address: held.get(address, 0) for address in between}
    return found


@needs_samples
def test_the_persistent_sample_has_the_words_that_upstream_writes() -> None:
    """Queue value (7 << 16) | 1, iteration wrap 2, step 64, as read in upstream's output; MemTile ids with 6 bits."""
    module = lowered(sample("persistent_core_tasks"))
    blocks = dict(written(module))
    core = tile_address(0, 2)
    ring = decode(TileKind.CORE, blocks[core + DESCRIPTORS[TileKind.CORE] + DESCRIPTOR_BYTES])
    assert (
        ring
        == DescriptorFields(
            64, 1280, (1, 1, 64), (64, 64, 1), wrap=2, step=64, acquire=(0, 1), release=(1, 1)
        ).normalised()
    )
    assert blocks[core + DESCRIPTORS[TileKind.CORE] + DESCRIPTOR_BYTES][4] == 1 << 13 | 63
    queues = dict(writes(module))
    assert queues[core + 0x1DE04] == 7 << 16 | 1
    assert queues[tile_address(0, 1) + 0xA063C] == 24
    assert queues[tile_address(0, 1) + 0xA060C] == 1 << 31 | 25


@needs_samples
def test_the_fourth_dimension_of_a_ring_is_its_iteration() -> None:
    ((_, words),) = written(lowered(sample("conv_rows_descriptors")))
    fields = decode(TileKind.CORE, words)
    assert (fields.wrap, fields.step, fields.sizes, fields.strides) == (4, 928, (8, 1, 116), (116, 116, 1))


TARGETS = ("mesh-1x1", "mesh-2x2", "npu1_1col")


@pytest.mark.parametrize("target", TARGETS)
def test_every_descriptor_says_what_its_task_said(target: str) -> None:
    """Decoded words have the length, the pattern, the iteration and the locks of the operations, word for word."""
    module = residual_program(target).module
    (device,) = devices_of(module)
    program = read_program(module, device)
    tasks = [task for sequence in program.sequences for task in sequence.tasks]
    blocks = iter(written(lowered(module)))
    for task in tasks:
        numbers = [descriptor.number for descriptor in task.chain]
        for descriptor, following in zip(task.chain, [*numbers[1:], None], strict=True):
            address, words = next(blocks)
            kind = kind_of(task.place)
            assert descriptor.number is not None
            assert address == tile_address(*task.place) + DESCRIPTORS[kind] + DESCRIPTOR_BYTES * descriptor.number
            fields = decode(kind, words)
            expected = DescriptorFields(
                descriptor.length,
                fields.base,
                descriptor.sizes,
                descriptor.strides,
                descriptor.padding,
                descriptor.wrap,
                descriptor.step,
                fields.acquire,
                fields.release,
                following,
            )
            assert fields == expected.normalised()
            counts = [use.count for use in descriptor.uses]
            assert [lock[1] for lock in (fields.acquire, fields.release) if lock is not None] == counts
            window = 0
            if descriptor.buffer is not None:
                assert descriptor.buffer.address is not None
                if kind is TileKind.MEMTILE:
                    window = (descriptor.buffer.place[0] - task.place[0] + 1) * 131072
                assert fields.base == window + descriptor.buffer.address // 4 + descriptor.offset
    assert next(blocks, None) is None


@pytest.mark.parametrize("target", TARGETS)
def test_starts_and_waits_are_kept_in_order(target: str) -> None:
    module = residual_program(target).module
    (device,) = devices_of(module)
    steps = [step for sequence in read_program(module, device).sequences for step in sequence.steps]
    result = lowered(module)
    starts = [step.task for step in steps if step.what == "start"]
    for task, (address, word) in zip(starts, writes(result), strict=True):
        assert address >> ROW_SHIFT == tile_address(*task.place) >> ROW_SHIFT
        assert decode_queue_word(task.kind, word) == (task.chain[0].number, task.runs, task.token)
    awaits = [(*step.task.place, step.task.direction, step.task.channel) for step in steps if step.what == "await"]
    syncs = [op for op in result.walk() if isinstance(op, SyncOp)]
    found = [
        (int_value(op.column) + column, *map(int_value, (op.row, op.direction, op.channel)))
        for op in syncs
        for column in range(int_value(op.column_num))
    ]
    assert found == awaits
    if target == "mesh-2x2":
        assert 2 * len(syncs) == len(awaits), "tokens of both columns are taken at once"


def counted(module: ModuleOp) -> dict[str, ControllerCount]:
    """Instructions and words of a lowered module."""
    words = {name: len(values) for name, values in constants(module).items()}
    counts = {SETUP: HEADER}
    for op in module.walk():
        match op:
            case BlockWriteOp():
                source = op.data.owner
                assert isinstance(source, GetGlobalOp)
                count = block_write(words[source.name_.string_value()])
            case AddressPatchOp():
                count = PATCH
            case Write32Op():
                count = WRITE
            case MaskWrite32Op():
                count = MASK_WRITE
            case SyncOp():
                count = SYNC
            case _:
                continue
        note = op.attributes.get(SEGMENT)
        name = getattr(note, "data", SETUP)
        counts[name] = counts.get(name, ControllerCount()) + count
    return counts


@pytest.mark.parametrize("target", TARGETS)
def test_counts_are_those_of_the_words_and_of_the_simulator(target: str) -> None:
    module = residual_program(target).module
    counts = controller_counts(module)
    assert counts == counted(lowered(module))
    simulated = simulate(module)
    instructions = {segment.name: segment.instructions for segment in simulated.segments if segment.instructions}
    assert {WEIGHT_STREAM: simulated.weights_instructions, **instructions} == {
        name: count.instructions for name, count in counts.items() if name != SETUP
    }


def test_channels_with_tokens_learn_their_packet_once() -> None:
    module = lowered(residual_program("mesh-2x2").module)
    masked = Counter(int_value(op.address) for op in module.walk() if isinstance(op, MaskWrite32Op))
    assert masked
    assert set(masked.values()) == {1}


DEVICE = """
aie.device(npu1) {{
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 1)
  %core = aie.tile(0, 2)
  %far = aie.tile(3, 1)
  %memory = aie.buffer(%tile) {{sym_name = "memory", address = 0 : i32}} : memref<4096xi32>
  %bytes = aie.buffer(%tile) {{sym_name = "bytes", address = 65536 : i32}} : memref<4096xi8>
  %away = aie.buffer(%far) {{sym_name = "away", address = 0 : i32}} : memref<4096xi32>
  %arena = aie.buffer(%core) {{sym_name = "arena", address = 2048 : i32}} : memref<4096xi32>
  %lock = aie.lock(%tile, 3) {{init = 0 : i32, sym_name = "lock"}}
  aie.runtime_sequence @sequence(%x: memref<4096xi32>) {{
    %task = aiex.dma_configure_task({where}) {{
      {body}
      aie.end
    }} {{repeat_count = {repeat} : i32}}
    aiex.dma_start_task(%task)
  }}
}}
"""

ROWS = "[<size = 2, stride = {}>, <size = 4, stride = 1>]"
LINEAR = "aie.dma_bd(%memory : memref<4096xi32>, 0, 4) {bd_id = 0 : i32}"

REFUSED = [
    ("%tile", "aie.dma_bd(%memory : memref<4096xi32>, 0, 4)", 0, "has no bd_id"),
    ("%tile", "aie.dma_bd(%x : memref<4096xi32>, 0, 4) {bd_id = 0 : i32}", 0, "only shims reach DDR"),
    ("%shim", "aie.dma_bd(%memory : memref<4096xi32>, 0, 4) {bd_id = 0 : i32}", 0, "DDR only, not memory"),
    ("%tile", "aie.dma_bd(%away : memref<4096xi32>, 0, 4) {bd_id = 0 : i32}", 0, r"not tile \(3, 1\)"),
    ("%core", "aie.dma_bd(%memory : memref<4096xi32>, 0, 4) {bd_id = 0 : i32}", 0, "own tile's memory"),
    (
        "%tile",
        "aie.dma_bd(%bytes : memref<4096xi8>, 0, 6) {bd_id = 0 : i32}",
        0,
        "a length of 6 elements of 8 bits is no",
    ),
    (
        "%tile",
        f"aie.dma_bd(%bytes : memref<4096xi8>, 0, 8, {ROWS.format(30)}) {{bd_id = 0 : i32}}",
        0,
        "a stride of 30",
    ),
    (
        "%tile",
        f"aie.dma_bd(%memory : memref<4096xi32>, 0, 9, {ROWS.format(8)}) {{bd_id = 0 : i32}}",
        0,
        "its length is 9 words, its dimensions move 8",
    ),
    ("%tile", f"aie.use_lock(%lock, Release, 1)\n{LINEAR}", 0, "found Release"),
    ("%tile", LINEAR, 256, "1 to 256 runs, found 257"),
]


@pytest.mark.parametrize(("where", "body", "repeat", "message"), REFUSED)
def test_what_has_no_words_is_refused(where: str, body: str, repeat: int, message: str) -> None:
    module = parsed(DEVICE.format(where=f"{where}, S2MM, 0", body=body, repeat=repeat))
    with pytest.raises(BlockloomError, match=message):
        lowered(module)


def test_bytes_become_words() -> None:
    body = (
        "aie.dma_bd(%bytes : memref<4096xi8>, 64, 64, [<size = 4, stride = 256>, <size = 16, stride = 1>]) "
        "{bd_id = 25 : i32}"
    )
    ((address, words),) = written(lowered(parsed(DEVICE.format(where="%tile, MM2S, 1", body=body, repeat=0))))
    assert address == tile_address(0, 1) + 0xA0000 + 25 * 32
    assert decode(TileKind.MEMTILE, words) == DescriptorFields(16, 131072 + 16384 + 16, (4, 4), (64, 1))


def test_only_tasks_are_lowered() -> None:
    module = residual_program("mesh-1x1").module
    result = lowered(module)
    assert not [op for op in result.walk() if isinstance(op, DMAConfigureTaskOp)]
