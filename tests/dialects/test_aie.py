"""The array dialects read upstream's programs, print what upstream reads, and keep what they read."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from xdsl.context import Context
from xdsl.dialects import get_all_dialects
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.parser import Parser
from xdsl.printer import Printer

from dialects.aie import Aie, DeviceOp, DMABDOp, int_value
from dialects.aievec import Aievec
from dialects.aiex import Aiex

SAMPLES = Path(__file__).parents[3] / "shared" / "reference" / "aie-samples"
"""Programs that upstream accepted through every step; they lie beside the checkout, where they exist at all."""

OBJECT_FIFOS = "s6_objectfifo.mlir"
"""Object FIFOs are a level above this dialect: upstream expands them into the buffers, locks and flows held here."""

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample programs are not beside this checkout")


def parse(text: str) -> ModuleOp:
    context = Context()
    for name, factory in get_all_dialects().items():
        context.register_dialect(name, factory)
    for dialect in (Aie, Aiex, Aievec):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def printed(module: ModuleOp, *, generic: bool = False) -> str:
    stream = StringIO()
    Printer(stream=stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


def samples() -> list[Path]:
    return [path for path in sorted(SAMPLES.glob("*.mlir")) if path.name != OBJECT_FIFOS]


@needs_samples
@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_an_upstream_program_survives_both_printed_forms(path: Path, generic: bool) -> None:
    module = parse(path.read_text())
    assert module.is_structurally_equivalent(parse(printed(module, generic=generic)))


@needs_samples
def test_our_generic_form_is_upstreams() -> None:
    """The custom text, printed generically by us, is the program that upstream printed generically from that text."""
    ours = printed(parse((SAMPLES / "s1_min.mlir").read_text()), generic=True)
    upstream = parse((SAMPLES / "s1_min.generic.mlir").read_text())
    assert parse(ours).is_structurally_equivalent(upstream)
    for spelled in ("device = 4 : i32", "channel_index = 0 : i64", "plio = false", "stack_size = 1024 : i32"):
        assert spelled in ours


CUSTOM = """\
builtin.module {
  aie.device(mesh_8x8) @network {
    %shim = aie.tile(0, 0)
    %memtile = aie.tile(0, 1)
    %core = aie.tile(0, 2)
    %north = aie.tile(0, 3)
    %arena = aie.buffer(%core) {sym_name = "arena", address = 1024 : i32} : memref<14336xi32>
    %table = aie.buffer(%core) : memref<2xi32> = dense<[1, 2]>
    %empty = aie.lock(%core, 3) {init = 2 : i32, sym_name = "empty"}
    aie.flow(%memtile, DMA : 4, %core, DMA : 1)
    aie.packet_flow(1) {
      aie.packet_source<%memtile, TileControl : 0>
      aie.packet_dest<%shim, South : 0>
    } {keep_pkt_header = true, priority_route = true}
    aie.cascade_flow(%north, %core)
    aie.configure_cascade(%core, North, South)
    aie.shim_dma_allocation @in (%shim, MM2S, 1)
    %dma = aie.memtile_dma(%memtile) {
      %0 = aie.dma_start(MM2S, 0, ^send, ^end, repeat_count = 7)
    ^send:
      aie.next_bd ^end
    ^end:
      aie.end
    }
    %program = aie.core(%core) {
      %sum = aie.get_cascade() : vector<16xi32>
      aie.put_cascade(%sum : vector<16xi32>)
      aie.use_lock(%empty, AcquireGreaterEqual, 2)
      aie.end
    } {stack_size = 2048 : i32}
    aie.runtime_sequence @sequence(%ddr: memref<4096xi32>) {
      %task = aiex.dma_configure_task(%core, S2MM, 0) {
        aie.use_lock(%empty, AcquireGreaterEqual, 1)
        aie.dma_bd(%arena : memref<14336xi32>, 64, 16, [<size = 4, stride = 8>, <size = 4, stride = 1>], \
[<const_pad_before = 0, const_pad_after = 0>, <const_pad_before = 1, const_pad_after = 1>]) \
{bd_id = 1 : i32, packet = #aie.packet_info<pkt_type = 0, pkt_id = 2>, blockloom.iteration = array<i64: 2, 16>}
        aie.use_lock(%empty, Release, 1)
        aie.end
      } {issue_token = true, repeat_count = 7 : i32}
      aiex.dma_start_task(%task)
      aiex.dma_await_task(%task)
      %named = aiex.dma_configure_task_for @in {
        aie.end
      }
      aiex.dma_free_task(%named)
      aiex.npu.dma_memcpy_nd(%ddr[0, 0, 0, 0][1, 1, 4, 8][0, 0, 8, 1]) {id = 1 : i64, metadata = @in} : memref<4096xi32>
      aiex.npu.dma_wait {symbol = @in}
      aiex.npu.rtp_write(@arena, 3, -5)
      aiex.npu.write32 {address = 119300 : ui32, value = 458753 : ui32, column = 0 : i32, row = 2 : i32}
      aiex.npu.address_patch {addr = 118788 : ui32, arg_idx = 0 : i32, arg_plus = 64 : i32}
      aiex.npu.push_queue(0, 0, MM2S : 1) {issue_token = true, repeat_count = 0 : i32, bd_id = 4 : i32}
      aiex.npu.blockwrite(%ddr) {address = 118784 : ui32} : memref<4096xi32>
    }
  }
}
"""


def test_the_custom_form_is_printed_as_it_was_read() -> None:
    """Every operation that a program of ours holds, letter for letter."""
    assert printed(parse(CUSTOM)) == CUSTOM.removesuffix("\n")


def test_the_generic_form_is_read_back() -> None:
    module = parse(CUSTOM)
    generic = printed(module, generic=True)
    assert parse(generic).is_structurally_equivalent(module)
    assert "#aie<bd_dim_layout_array[<size = 4, stride = 8>, <size = 4, stride = 1>]>" in generic


def test_a_mesh_keeps_its_name_and_npu1_is_upstreams_number() -> None:
    (mesh,) = (op for op in parse(CUSTOM).walk() if isinstance(op, DeviceOp))
    assert mesh.device == StringAttr("mesh_8x8")
    assert mesh.device_name == "mesh_8x8"
    npu1 = DeviceOp("npu1")
    assert int_value(npu1.device) == 4
    assert npu1.device_name == "npu1"


def test_a_descriptor_keeps_the_iteration_that_upstream_cannot_say() -> None:
    (descriptor,) = (op for op in parse(CUSTOM).walk() if isinstance(op, DMABDOp))
    assert descriptor.dimensions is not None
    assert descriptor.dimensions.data == ((4, 8), (4, 1))
    assert str(descriptor.attributes["blockloom.iteration"]) == "array<i64: 2, 16>"
