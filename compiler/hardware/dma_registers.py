"""
Where the controller writes: addresses of descriptors, channel controls and queues, and the words of a queue.

A register's address is `column << 25 | row << 20 | offset` (upstream's target model, AIE2 and AIE2P). Offsets are those
of AM025: descriptors 32 bytes apart, a channel's control register and after it its start queue, S2MM before MM2S.
"""

from __future__ import annotations

from compiler.errors import CapacityError
from compiler.hardware.descriptor_words import TileKind

COLUMN_SHIFT = 25
ROW_SHIFT = 20

DESCRIPTOR_BYTES = 32
DESCRIPTORS = {TileKind.CORE: 0x1D000, TileKind.MEMTILE: 0xA0000, TileKind.SHIM: 0x1D000}
S2MM_CONTROL = {TileKind.CORE: 0x1DE00, TileKind.MEMTILE: 0xA0600, TileKind.SHIM: 0x1D200}
MM2S_CONTROL = {TileKind.CORE: 0x1DE10, TileKind.MEMTILE: 0xA0630, TileKind.SHIM: 0x1D210}
CHANNEL_BYTES = 8
QUEUE = 4
"""The start queue lies one word after the control register."""

SHIM_BASE = 4
"""Byte offset of the base address in a shim's descriptor, where the host's address is patched in."""

CONTROLLER_ID_LOW = 8
CONTROLLER_ID_MASK = 0x1F00
"""Packet id of the completion tokens, in the control register."""

QUEUE_NUMBER_BITS = {TileKind.CORE: 4, TileKind.MEMTILE: 6, TileKind.SHIM: 4}
QUEUE_RUNS_LOW = 16
QUEUE_RUN_LIMIT = 256
QUEUE_TOKEN = 1 << 31


def tile_address(column: int, row: int) -> int:
    """First address of a tile."""
    return column << COLUMN_SHIFT | row << ROW_SHIFT


def descriptor_offset(kind: TileKind, number: int) -> int:
    """Where descriptor `number` begins in its tile."""
    return DESCRIPTORS[kind] + number * DESCRIPTOR_BYTES


def control_offset(kind: TileKind, sends: bool, channel: int) -> int:
    """The control register of a channel in its tile; `sends` for MM2S."""
    return (MM2S_CONTROL if sends else S2MM_CONTROL)[kind] + channel * CHANNEL_BYTES


def queue_offset(kind: TileKind, sends: bool, channel: int) -> int:
    """The start queue of a channel in its tile."""
    return control_offset(kind, sends, channel) + QUEUE


def queue_word(kind: TileKind, number: int, runs: int, token: bool) -> int:
    """What pushes a task: its first descriptor, how often its chain runs, and whether a token follows."""
    limit = (1 << QUEUE_NUMBER_BITS[kind]) - 1
    if not 0 <= number <= limit:
        raise CapacityError(f"the queue of a {kind} channel takes descriptors 0 to {limit}, found {number}")
    if not 1 <= runs <= QUEUE_RUN_LIMIT:
        raise CapacityError(f"the queue of a channel takes 1 to {QUEUE_RUN_LIMIT} runs, found {runs}")
    return number | (runs - 1) << QUEUE_RUNS_LOW | (QUEUE_TOKEN if token else 0)


def decode_queue_word(kind: TileKind, word: int) -> tuple[int, int, bool]:
    """Number, runs and token: the inverse of `queue_word`."""
    number = word & ((1 << QUEUE_NUMBER_BITS[kind]) - 1)
    return number, (word >> QUEUE_RUNS_LOW & (QUEUE_RUN_LIMIT - 1)) + 1, bool(word & QUEUE_TOKEN)
