"""Tiles, and the buffers and locks that lie in them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.routes import FIRST_CORE_ROW, kind_of
from dialects.aie import int_value
from passes.array_checks.fault import Found, Rule
from passes.array_program import Buffer, Place, Program

CORE_BANKS = 4
MEMTILE_BANKS = 8
"""Banks as upstream's allocator counts them (its target model): 4 of 16 KiB, 8 of 64 KiB."""


def memory_bytes(chip: Chip, place: Place) -> int:
    """Data memory of a tile; a shim has none."""
    sizes = {TileKind.CORE: chip.core_memory_bytes, TileKind.MEMTILE: chip.memtile_bytes, TileKind.SHIM: 0}
    return sizes[kind_of(place)]


def lock_count(chip: Chip, place: Place) -> int:
    """Locks of a tile; a shim has as many as a core (upstream's target model)."""
    return chip.memtile_locks if kind_of(place) is TileKind.MEMTILE else chip.core_locks


def tile_is_in_the_array(program: Program) -> Iterator[Found]:
    """A tile's column and row exist on the chip."""
    columns, rows = program.chip.columns, FIRST_CORE_ROW + program.chip.core_rows
    for _, (column, row) in program.tiles:
        if not (0 <= column < columns and 0 <= row < rows):
            yield (
                f"tile ({column}, {row})",
                f"'{program.chip.name}' has columns 0 to {columns - 1}, rows 0 to {rows - 1}",
            )


def tile_is_declared_once(program: Program) -> Iterator[Found]:
    """A place has one aie.tile; upstream takes a second one for another tile."""
    for place, count in Counter(place for _, place in program.tiles).items():
        if count > 1:
            yield f"tile {place}", f"declared {count} times, once is the rule"


def core_has_a_tile_of_its_own(program: Program) -> Iterator[Found]:
    """A core lies in a core tile, and each core tile has at most one core."""
    for place, count in Counter(place for _, place in program.cores).items():
        if count > 1:
            yield f"tile {place}", f"it has {count} aie.core, one is the rule"
        if kind_of(place) is not TileKind.CORE:
            yield f"tile {place}", f"it has an aie.core, but rows from {FIRST_CORE_ROW} upward have cores"


def buffer_has_a_name(program: Program) -> Iterator[Found]:
    """A buffer has a sym_name of its own; upstream fails on one without."""
    names = Counter(op.sym_name.data for op in (b.op for b in program.buffers.values()) if op.sym_name is not None)
    for buffer in program.buffers.values():
        if buffer.op.sym_name is None:
            yield f"tile {buffer.place}", "a buffer has no sym_name"
    for name, count in names.items():
        if count > 1:
            yield f"buffer {name}", f"{count} buffers have this name"


def buffer_lies_in_its_memory(program: Program) -> Iterator[Found]:
    """A buffer has an address, a multiple of 4, at which all of it lies in its tile's memory."""
    for buffer in program.buffers.values():
        size = memory_bytes(program.chip, buffer.place)
        if buffer.address is None:
            yield f"buffer {buffer.name}", "it has no address"
        elif buffer.address % 4:
            yield f"buffer {buffer.name}", f"its address {buffer.address} is no multiple of 4 bytes"
        elif not 0 <= buffer.address <= size - buffer.bytes:
            end = buffer.address + buffer.bytes
            yield f"buffer {buffer.name}", f"bytes {buffer.address} to {end}; tile {buffer.place} has 0 to {size}"


def bank_exists(program: Program) -> Iterator[Found]:
    """A buffer's mem_bank is one of its tile's."""
    for buffer in program.buffers.values():
        bank = buffer.op.mem_bank
        banks = MEMTILE_BANKS if kind_of(buffer.place) is TileKind.MEMTILE else CORE_BANKS
        if bank is not None and not 0 <= int_value(bank) < banks:
            yield f"buffer {buffer.name}", f"mem_bank {int_value(bank)}, tile {buffer.place} has 0 to {banks - 1}"


def buffers_are_disjoint(program: Program) -> Iterator[Found]:
    """No two buffers of a tile share a byte."""
    by_tile: dict[Place, list[Buffer]] = defaultdict(list)
    for buffer in program.buffers.values():
        if buffer.address is not None:
            by_tile[buffer.place].append(buffer)
    for place, buffers in by_tile.items():
        reach: Buffer | None = None
        for buffer in sorted(buffers, key=lambda b: b.address or 0):
            assert buffer.address is not None, "collected with addresses"
            if reach is not None and reach.address is not None and buffer.address < reach.address + reach.bytes:
                yield (
                    f"tile {place}",
                    f"{buffer.name} begins at {buffer.address}, {reach.name} ends at {reach.address + reach.bytes}",
                )
            if reach is None or (reach.address or 0) + reach.bytes < buffer.address + buffer.bytes:
                reach = buffer


def stack_is_free(program: Program) -> Iterator[Found]:
    """The bottom `stack_size` bytes of a core's memory are its stack: at least 0, within memory, under every buffer."""
    for op, place in program.cores:
        size = int_value(op.stack_size)
        if not 0 <= size <= program.chip.core_memory_bytes:
            yield f"core {place}", f"stack_size {size}; its memory has {program.chip.core_memory_bytes} bytes"
        for buffer in program.buffers.values():
            if buffer.place == place and buffer.address is not None and buffer.address < size:
                yield f"core {place}", f"{buffer.name} begins at byte {buffer.address}, the stack ends at {size}"


def lock_exists(program: Program) -> Iterator[Found]:
    """A lock has a number that its tile has, and no other lock of the tile has it."""
    taken: dict[tuple[Place, int], str] = {}
    for lock in program.locks.values():
        count = lock_count(program.chip, lock.place)
        if lock.number is None:
            yield f"tile {lock.place}", "a lock has no lockID"
            continue
        if not 0 <= lock.number < count:
            yield f"lock {lock.name}", f"number {lock.number}, tile {lock.place} has 0 to {count - 1}"
        if (lock.place, lock.number) in taken:
            yield (
                f"lock {lock.name}",
                f"number {lock.number} of tile {lock.place} is {taken[lock.place, lock.number]}'s",
            )
        taken.setdefault((lock.place, lock.number), lock.name)


def lock_begins_in_range(program: Program) -> Iterator[Found]:
    """A lock's first value is one that six bits hold; upstream stores 64 as 0."""
    limit = program.chip.lock_limit
    for lock in program.locks.values():
        if not 0 <= lock.initial <= limit:
            yield f"lock {lock.name}", f"it begins at {lock.initial}, a lock counts from 0 to {limit}"


TILE_RULES: tuple[Rule, ...] = (
    tile_is_in_the_array,
    tile_is_declared_once,
    core_has_a_tile_of_its_own,
    buffer_has_a_name,
    buffer_lies_in_its_memory,
    bank_exists,
    buffers_are_disjoint,
    stack_is_free,
    lock_exists,
    lock_begins_in_range,
)
