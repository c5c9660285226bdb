"""
Arrays of one core, small enough to count their cycles by hand.

With `CHIP` a descriptor's set-up takes 8 cycles, a switch 4, a release is seen after 4, a branch takes 6. So a word
needs 8 cycles from shim to MemTile or from MemTile to core (two switches each).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from compiler.hardware.chip import chip_named
from compiler.registry import full_context
from compiler.simulate import Simulation, simulate
from dialects.chip import CHIP as CHIP_ATTRIBUTE
from dialects.chip import chip_attr

CHIP = replace(
    chip_named("mesh-1x2"),
    descriptor_cycles=8,
    hop_cycles=4,
    lock_cycles=4,
    branch_cycles=6,
    ddr_bytes_per_cycle=8,
    controller_cycles=400,
    launch_cycles=80000,
)

TILES = """
%shim = aie.tile(0, 0)
%shim1 = aie.tile(1, 0)
%memtile = aie.tile(0, 1)
%memtile1 = aie.tile(1, 1)
%core = aie.tile(0, 2)
%core1 = aie.tile(1, 2)
%m = aie.buffer(%memtile) {sym_name = "memtile_0_1"} : memref<4096xi32>
%m1 = aie.buffer(%memtile1) {sym_name = "memtile_1_1"} : memref<4096xi32>
%parameters = aie.buffer(%core) {sym_name = "parameters_0_2"} : memref<128xi32>
%arena = aie.buffer(%core) {sym_name = "arena_0_2"} : memref<4096xi32>
%arena1 = aie.buffer(%core1) {sym_name = "arena_1_2"} : memref<4096xi32>
aie.flow(%shim, DMA : 0, %memtile, DMA : 4)
aie.flow(%shim, DMA : 1, %memtile, DMA : 5)
aie.flow(%memtile, DMA : 0, %core, DMA : 0)
aie.flow(%memtile, DMA : 4, %core, DMA : 1)
aie.flow(%memtile, DMA : 4, %core1, DMA : 1)
aie.flow(%core, DMA : 0, %memtile, DMA : 0)
aie.flow(%memtile, DMA : 5, %shim, DMA : 0)
"""


def task(name: str, channel: str, *descriptors: str, runs: int = 1, token: bool = False, segment: str = "s") -> str:
    """
    Configure and start: `task("a", "%memtile, MM2S, 0", "%m, 0, 64")`.

    Locks stand around the words: `acquire %empty | %m, 0, 64 | release %full`.
    """
    blocks: list[str] = []
    for index, descriptor in enumerate(descriptors):
        lines = [f"^b{index}:"] if index else []
        for part in (part.strip() for part in descriptor.split("|")):
            word, _, lock = part.partition(" ")
            if word == "acquire":
                lines.append(f"aie.use_lock({lock}, AcquireGreaterEqual, 1)")
            elif word == "release":
                lines.append(f"aie.use_lock({lock}, Release, 1)")
            else:
                buffer, _, rest = part.partition(",")
                lines.append(f"aie.dma_bd({buffer} : {_TYPES.get(buffer, 'memref<4096xi32>')},{rest})")
        lines.append(f"aie.next_bd ^b{index + 1}" if index + 1 < len(descriptors) else "aie.end")
        blocks.append("\n".join(lines))
    body = "\n".join(blocks)
    attributes = f"{{issue_token = {str(token).lower()}, repeat_count = {runs - 1} : i32}}"
    return (
        f"%{name} = aiex.dma_configure_task({channel}) {{\n{body}\n}} {attributes}\n"
        f'aiex.dma_start_task(%{name}) {{blockloom.segment = "{segment}"}}\n'
    )


_TYPES = {"%parameters": "memref<128xi32>"}


def wait(name: str, segment: str = "s") -> str:
    """Await a task."""
    return f'aiex.dma_await_task(%{name}) {{blockloom.segment = "{segment}"}}\n'


def module(device: str, sequence: str, host: str = "") -> ModuleOp:
    """A module whose device holds `TILES`, then `device`, then a runtime sequence."""
    text = f"""
    builtin.module {{
      aie.device(npu1) @array {{
        {TILES}
        {device}
        aie.runtime_sequence @sequence_0(%activations: memref<4096xi32>, %weights: memref<4096xi32>) {{
          {sequence}
        }}
      }}
      {host}
    }}"""
    parsed = Parser(full_context(), text).parse_module()
    parsed.verify()
    return parsed


def fill(name: str, start: int, words: int, segment: str) -> str:
    """Words from DDR into the MemTile; `name` is the task to wait for."""
    sending = task(f"{name}_out", "%shim, MM2S, 0", f"%activations, {start}, {words}", segment=segment)
    return sending + task(name, "%memtile, S2MM, 4", f"%m, {start}, {words}", token=True, segment=segment)


def run(device: str, sequence: str, host: str = "", *, timeline: bool = False, **numbers: int) -> Simulation:
    """Simulate on `CHIP` with some numbers replaced."""
    parsed = module(device, sequence, host)
    parsed.attributes[CHIP_ATTRIBUTE] = chip_attr(CHIP.with_overrides(numbers))
    return simulate(parsed, timeline=timeline)


def host(words: npt.NDArray[np.int32]) -> str:
    """The host's part: it runs the sequence with these words as its weights argument."""
    image = words.tobytes().hex().upper()
    return f"""
    func.func @main() {{
      %w = mem.image {{values = dense<"0x{image}"> : tensor<{words.size}xi32>}} : !mem.buffer<ddr>
      mem.run @sequence_0(%w) {{segments = [], tensors = []}} -> () : !mem.buffer<ddr> -> ()
      func.return
    }}"""


MEMTILE_LOCKS = """
%full = aie.lock(%memtile, 0) {init = 0 : i32, sym_name = "full"}
%empty = aie.lock(%memtile, 1) {init = 1 : i32, sym_name = "empty"}
"""


def through_the_memtile(slots: int, runs: int) -> str:
    """DDR to the core, through slots of 100 words in the MemTile."""
    one = "<size = 1, stride = 1>"
    ring = f"100, [<size = {slots}, stride = 100>, {one}, {one}, <size = 100, stride = 1>]"
    filling = f"acquire %empty | %m, 0, {ring} | release %full"
    emptying = f"acquire %full | %m, 0, {ring} | release %empty"
    return (
        task("a", "%shim, MM2S, 0", f"%activations, 0, {100 * runs}")
        + task("b", "%memtile, S2MM, 4", filling, runs=runs)
        + task("c", "%memtile, MM2S, 0", emptying, runs=runs)
        + task("d", "%core, S2MM, 0", f"%arena, 0, {100 * runs}", token=True)
        + wait("d")
    )


CORE_LOCKS = "\n".join(
    f'%{name} = aie.lock(%core, {number}) {{init = {initial} : i32, sym_name = "{name}_0_2"}}'
    for number, (name, initial) in enumerate(
        (
            ("parameters_empty", 1),
            ("parameters_full", 0),
            ("input_empty", 1),
            ("input_full", 0),
            ("weights_empty", 1),
            ("weights_full", 0),
            ("output_empty", 1),
            ("output_full", 0),
        )
    )
)


def core(body: str) -> str:
    """Locks of the core and its program, in which `%c0` to `%c10` are index constants."""
    constants = "\n".join(f"%c{value} = arith.constant {value} : index" for value in range(11))
    return f"{CORE_LOCKS}\n%program = aie.core(%core) {{\n{constants}\n{body}\naie.end\n}}\n"


def acquire(lock: str) -> str:
    """One unit."""
    return f"aie.use_lock(%{lock}, AcquireGreaterEqual, 1)\n"


def release(lock: str) -> str:
    """One unit."""
    return f"aie.use_lock(%{lock}, Release, 1)\n"
