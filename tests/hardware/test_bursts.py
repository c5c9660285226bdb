"""What is one instruction of the controller, and how many words it takes."""

from __future__ import annotations

import pytest

from compiler.hardware.bursts import Awaited, Bursts, Described, Pushed, Step
from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.transactions import PATCH, SYNC, WRITE, ControllerCount, block_write

CORE, MEMTILE, SHIM = TileKind.CORE, TileKind.MEMTILE, TileKind.SHIM


def push(channel: int, *, sends: bool = False, kind: TileKind = MEMTILE, column: int = 0) -> Pushed:
    return Pushed((column, {SHIM: 0, MEMTILE: 1, CORE: 2}[kind]), kind, sends, channel)


def token(column: int, channel: int = 0) -> Awaited:
    return Awaited((column, 1), MEMTILE, False, channel)


def described(*numbers: int, kind: TileKind = MEMTILE, column: int = 0, patches: int = 0) -> Described:
    return Described((column, {SHIM: 0, MEMTILE: 1, CORE: 2}[kind]), kind, numbers, patches)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([described(0), described(1, 2)], block_write(24)),
        ([described(0, 2)], block_write(8) + block_write(8)),
        ([described(1), described(0)], block_write(8) + block_write(8)),
        ([described(0), described(1, column=1)], block_write(8) + block_write(8)),
        ([described(0, kind=CORE), described(1, kind=CORE)], block_write(6) + block_write(6)),
        ([described(0, kind=SHIM, patches=1)], block_write(8) + PATCH),
        ([push(0)], WRITE),
        ([push(0), push(1), push(2)], block_write(5)),
        ([push(0), push(2)], WRITE + WRITE),
        ([push(1), push(0)], WRITE + WRITE),
        ([push(0), push(1, column=1)], WRITE + WRITE),
        ([push(1, kind=CORE), push(0, sends=True, kind=CORE)], block_write(3)),
        ([push(0), described(0), push(1)], WRITE + block_write(8) + WRITE),
        ([token(0), token(1), token(2)], SYNC),
        ([token(0), token(2)], SYNC + SYNC),
        ([token(0, 0), token(1, 1)], SYNC + SYNC),
    ],
)
def test_what_follows_in_the_registers_is_one_instruction(steps: list[Step], expected: ControllerCount) -> None:
    bursts = Bursts()
    total = ControllerCount()
    for step in steps:
        total += bursts.count(step)
    assert total == expected
