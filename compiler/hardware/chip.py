"""
The array as data: every number the planners, the code generator and the simulator need, with its source.

Sources: "TM" = upstream mlir-aie's target model, "AM020"/"AM025" = AMD's AIE-ML architecture and register manuals,
"measured" = mlir-aie's published measurements. "assumed" is said where nothing is published.
Cycles and bytes everywhere; seconds appear only in reports.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from compiler.errors import InputError

LOADS_QUEUED = 2
"""Tasks that load parameters and share a queue with copies: those of this launch and those of the next."""


@dataclass(frozen=True)
class Chip:
    """A rectangular array: one shim and one MemTile per column, `core_rows` cores above them."""

    name: str
    columns: int
    core_rows: int
    device: str
    """Name in `aie.device(...)`: upstream's, or our own for an array that upstream does not know."""
    upstream: bool
    """Whether upstream's tools read `device`."""
    core_memory_bytes: int = 65536  # TM: 64 KiB
    core_stack_bytes: int = 2048  # ours; upstream's default is 1024, the shipped skip kernels need 2560
    core_weight_bytes: int = 28672  # ours: slots of weights at fixed places, which the next launch fills early
    program_memory_bytes: int = 16384  # AM025
    memtile_bytes: int = 524288  # TM: 512 KiB
    memtile_banks: int = 16  # AM020
    memtile_bank_bytes_per_cycle: int = 16  # AM020: 128 bits wide, one access per cycle
    memtile_interleave_bytes: int = 16  # AM020: neighbouring lines lie in different banks; or 32768, by a register
    core_locks: int = 16  # TM
    memtile_locks: int = 64  # TM
    lock_limit: int = 63  # TM: 6-bit counting locks
    core_descriptors: int = 16  # TM
    memtile_descriptors: int = 48  # TM: 24 for even channels, 24 for odd ones
    shim_descriptors: int = 16  # TM
    queue_depth: int = 4  # AM020: tasks waiting per channel
    run_limit: int = 256  # AM025: 8-bit repeat count, plus one
    iteration_limit: int = 64  # AM025: 6-bit iteration wrap
    memtile_wrap_limit: int = 512  # upstream's verifier; AM025 has 10 bits, 1023
    core_wrap_limit: int = 255  # AM025: 8 bits; 256 is stored as 0
    memtile_step_limit: int = 131072  # AM025: 17 bits, stored minus one
    memtile_length_limit: int = 131071  # AM025: 17 bits of words
    pad_limit: int = 31  # AM025: 5 bits on the second dimension
    core_length_limit: int = 16383  # AM025: 14 bits of words
    mac_per_cycle: int = 256  # AM020: int8, one 4x8x8 product
    load_bytes_per_cycle: int = 64  # AM020: two 256-bit loads
    store_bytes_per_cycle: int = 32  # AM020: one 256-bit store
    stream_bytes_per_cycle: int = 4  # AM020; measured: 2 KiB in 512 cycles
    hop_cycles: int = 4  # AM020: one switch
    ddr_bytes_per_cycle: int = 8  # assumed: per column and direction, both shim channels together
    ddr_total_bytes_per_cycle: int = 0  # of all columns, both directions; 0: no such limit (assumed)
    descriptor_cycles: int = 8  # assumed: from the end of one descriptor to the first word of the next
    lock_cycles: int = 4  # assumed: acquire or release seen by the other side
    kernel_call_cycles: int = 40  # assumed: call, saved registers, arguments and return
    loop_cycles: int = 10  # measured: 6-15 to fill and drain a pipelined loop
    branch_cycles: int = 6  # upstream's core compiler: a branch has five delay slots
    load_latency_cycles: int = 7  # upstream's core compiler: schedule of a load from tile memory
    division_cycles: int = 40  # assumed: no divide instruction, one step per bit
    controller_cycles: int = 400  # upper bound 0.4 us per instruction at 1 GHz (derived from a published total)
    launch_cycles: int = 80000  # measured: 80 us on npu2
    reconfiguration_cycles: int = 353000  # measured: 353 us per load_pdi on npu2 (mlir-air #1334)
    clock_hz: int = 1_000_000_000  # Phoenix nominal

    def __post_init__(self) -> None:
        if self.copies_queued < 1:
            raise InputError(
                f"chip '{self.name}' has queues of {self.queue_depth} tasks; {LOADS_QUEUED + 1} are needed: parameters "
                f"of this launch and of the next, and a copy"
            )
        if self.lock_limit < self.core_rows:
            raise InputError(
                f"chip '{self.name}' has locks that count to {self.lock_limit}, and one lock of a MemTile counts the "
                f"parameters of a column's {self.core_rows} cores; give it a larger lock_limit, or fewer core_rows"
            )
        reach = min(self.memtile_length_limit + 1, self.memtile_step_limit)
        if self.memtile_words > reach:
            raise InputError(
                f"chip '{self.name}' has MemTiles of {self.memtile_words} words, whose descriptors reach {reach} of "
                f"them; give it larger memtile_length_limit and memtile_step_limit, or less memtile_bytes"
            )
        for limit in ("columns", "core_rows"):
            if not 1 <= getattr(self, limit) <= 8:
                raise InputError(f"chip '{self.name}' has {getattr(self, limit)} {limit}; 1 to 8 are supported")

    @property
    def most_turns(self) -> int:
        """Runs of a task whose descriptors iterate over as many places."""
        return min(self.iteration_limit, self.run_limit)

    @property
    def copies_queued(self) -> int:
        """Copies that may be under way in a column, where parameters are loaded by the same queue."""
        return self.queue_depth - LOADS_QUEUED

    @property
    def memtile_words(self) -> int:
        """MemTile capacity in 32-bit words."""
        return self.memtile_bytes // 4

    def source_column(self, column: int, row: int) -> int:
        """
        The column whose MemTile broadcasts (channel B) to core (`column`, `row`).

        Columns form groups of at most `core_rows`. Within a group of n columns, row r hears MemTile r mod n: with as
        many columns as rows each MemTile has a row of its own, with fewer a MemTile serves several rows.
        """
        first = column // self.core_rows * self.core_rows
        size = min(self.core_rows, self.columns - first)
        return first + row % size

    @property
    def domains(self) -> int:
        """Different weight streams that every group of columns can receive at once."""
        last = self.columns % self.core_rows
        return last if last and self.columns > self.core_rows else min(self.columns, self.core_rows)

    def domain(self, row: int) -> int:
        """Which of the `domains` core row `row` belongs to."""
        return row % self.domains

    def with_overrides(self, overrides: Mapping[str, int]) -> Chip:
        """The same chip with some numbers replaced. Raises InputError for a name that is not a number of the chip."""
        known = {field.name for field in fields(self) if field.type == "int"}
        for name in overrides:
            if name not in known:
                near = difflib.get_close_matches(name, known, 3)
                raise InputError(
                    f"'{name}' is not a number of the chip; close ones: {', '.join(near) or sorted(known)}"
                )
        return replace(self, **overrides)


def _npu(name: str, columns: int, **numbers: int) -> Chip:
    return Chip(name, columns, 4, name, True, **numbers)


# AIE2P: 8x8x8 product, 512-bit loads and stores (upstream's kernels and register map)
_AIE2P = {"mac_per_cycle": 512, "load_bytes_per_cycle": 128, "store_bytes_per_cycle": 64}

PRESETS: dict[str, Chip] = {
    chip.name: chip
    for chip in (
        _npu("npu1", 4),
        *(_npu(f"npu1_{n}col", n) for n in (1, 2, 3)),
        _npu("npu2", 8, **_AIE2P),
    )
}


def chip_named(target: str) -> Chip:
    """
    The chip of a target name: a preset, or `mesh-RxC` with 1 to 8 rows and columns of AIE2 cores.

    Meshes of up to 4x4 print as upstream's npu1; larger ones are hypothetical (a MemTile with rows + 2 channels each
    way) and print under a device name of our own.
    """
    if target in PRESETS:
        return PRESETS[target]
    mesh = re.fullmatch(r"mesh-([1-8])x([1-8])", target)
    if mesh is None:
        known = [*PRESETS, "mesh-RxC (1x1 to 8x8)"]
        near = difflib.get_close_matches(target, PRESETS, 2)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise InputError(f"unknown target '{target}'; known targets: {', '.join(known)}.{hint}")
    rows, columns = int(mesh[1]), int(mesh[2])
    printable = rows <= 4 and columns <= 4
    return Chip(target, columns, rows, "npu1" if printable else f"mesh_{rows}x{columns}", printable)


def parse_overrides(texts: Iterable[str]) -> dict[str, int]:
    """Numbers for `Chip.with_overrides` from texts like `memtile_bytes=65536`."""
    overrides: dict[str, int] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        if not equals or not number.strip().isdecimal():
            raise InputError(f"'{text}' replaces no number of the chip; expected one like memtile_bytes=65536")
        overrides[name.strip()] = int(number)
    return overrides
