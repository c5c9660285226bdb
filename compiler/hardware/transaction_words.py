"""
The words of a transaction binary, as upstream's serialiser writes them and XRT hands them to the controller.

    header     version, device generation and rows; columns and MemTile rows; instructions; bytes of everything
    write      [0, 0, address, 0, value, bytes]            maskwrite  [3, 0, address, 0, value, mask, bytes]
    blockwrite [1, 0, address, bytes, data …]
    sync       [0x80, bytes, column << 16 | row << 8 | direction, channel << 24 | columns << 16 | rows << 8]
    patch      [0x81, bytes, 0, 0, 0, 0, address, 0, argument, 0, offset in the argument, 0]

Version 0.1 of the format (mlir-aie, AIETargetNPU); `compiler.hardware.transactions` has the sizes alone, for those who
only count. `decode` is the inverse of `encode`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compiler.errors import InputError
from compiler.hardware.transactions import (
    BLOCK_WRITE_WORDS,
    HEADER_WORDS,
    MASK_WRITE_WORDS,
    PATCH_WORDS,
    SYNC_WORDS,
    WRITE_WORDS,
)

WORD_BYTES = 4
WRITE, BLOCK_WRITE, MASK_WRITE, SYNC, PATCH = 0x00, 0x01, 0x03, 0x80, 0x81
MAJOR, MINOR = 0, 1
TransactionWords = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Write:
    """One word to one register; with a mask, only the bits that it names."""

    address: int
    value: int
    mask: int | None = None


@dataclass(frozen=True)
class BlockWrite:
    """Words to registers that follow each other."""

    address: int
    words: tuple[int, ...]


@dataclass(frozen=True)
class Patch:
    """The address of a buffer, plus an offset in bytes, goes to a register and the next one."""

    address: int
    argument: int
    offset: int


@dataclass(frozen=True)
class Sync:
    """Wait for one token of a channel of each of `columns` x `rows` tiles."""

    column: int
    row: int
    direction: int
    channel: int
    columns: int = 1
    rows: int = 1


Instruction = Write | BlockWrite | Patch | Sync


@dataclass(frozen=True)
class Transaction:
    """What the controller does for one run: its instructions in order, and the array that they are for."""

    generation: int
    """3 for AIE2, 4 for AIE2P."""
    rows: int
    """Of the whole array, shims and MemTiles among them."""
    columns: int
    instructions: tuple[Instruction, ...] = field(repr=False)


def _words(instruction: Instruction) -> list[int]:
    match instruction:
        case Write(address, value, mask):
            if mask is None:
                return [WRITE, 0, address, 0, value, WORD_BYTES * WRITE_WORDS]
            return [MASK_WRITE, 0, address, 0, value, mask, WORD_BYTES * MASK_WRITE_WORDS]
        case BlockWrite(address, words):
            return [BLOCK_WRITE, 0, address, WORD_BYTES * (BLOCK_WRITE_WORDS + len(words)), *words]
        case Patch(address, argument, offset):
            return [PATCH, WORD_BYTES * PATCH_WORDS, 0, 0, 0, 0, address, 0, argument, 0, offset, 0]
        case Sync(column, row, direction, channel, columns, rows):
            tile, count = column << 16 | row << 8 | direction, channel << 24 | columns << 16 | rows << 8
            return [SYNC, WORD_BYTES * SYNC_WORDS, tile, count]


def encode(transaction: Transaction) -> TransactionWords:
    """All words, uint32[words]."""
    body = [word for instruction in transaction.instructions for word in _words(instruction)]
    header = [
        transaction.rows << 24 | transaction.generation << 16 | MINOR << 8 | MAJOR,
        1 << 8 | transaction.columns,
        len(transaction.instructions),
        WORD_BYTES * (HEADER_WORDS + len(body)),
    ]
    return np.array([*header, *body], np.uint32)


def decode(words: TransactionWords) -> Transaction:
    """What the words say. Raises InputError for words that are no transaction of this version."""
    found = [int(word) for word in words]
    if len(found) < HEADER_WORDS or found[0] & 0xFFFF != MINOR << 8 | MAJOR:
        raise InputError(f"{len(found)} words are no transaction of version {MAJOR}.{MINOR}")
    if found[3] != WORD_BYTES * len(found):
        raise InputError(f"the header of a transaction tells of {found[3]} bytes, it has {WORD_BYTES * len(found)}")
    instructions, at = list[Instruction](), HEADER_WORDS
    while at < len(found):
        instruction = _instruction(found, at)
        instructions.append(instruction)
        at += len(_words(instruction))
    if len(instructions) != found[2]:
        raise InputError(f"the header of a transaction tells of {found[2]} instructions, it has {len(instructions)}")
    return Transaction(found[0] >> 16 & 0xFF, found[0] >> 24, found[1] & 0xFF, tuple(instructions))


def _instruction(found: list[int], at: int) -> Instruction:
    size = found[at + 3] // WORD_BYTES if found[at] == BLOCK_WRITE and at + 3 < len(found) else PATCH_WORDS
    match found[at : at + size]:
        case [0x00, _, address, _, value, _, *_]:
            return Write(address, value)
        case [0x03, _, address, _, value, mask, _, *_]:
            return Write(address, value, mask)
        case [0x01, _, address, _, *data] if len(data) == size - BLOCK_WRITE_WORDS:
            return BlockWrite(address, tuple(data))
        case [0x80, _, tile, count, *_]:
            column, row, direction = tile >> 16 & 0xFF, tile >> 8 & 0xFF, tile & 0xFF
            return Sync(column, row, direction, count >> 24, count >> 16 & 0xFF, count >> 8 & 0xFF)
        case [0x81, _, _, _, _, _, address, _, argument, _, offset, _]:
            return Patch(address, argument, offset)
        case _:
            raise InputError(f"word {at} of a transaction begins no instruction: {found[at : at + 4]}")
