"""
What the controller does, and which of it is one instruction: writes that fill registers one after the other.

    descriptors   of a MemTile, whose numbers follow each other, are one block write. A core has two words between its
                  descriptors that no manual names, and a shim's addresses are patched one by one: they stay apart.
    pushes        to the queues of channels that are neighbours are one block write. It also writes the control register
                  between two queues, with what that holds anyway.
    waits         for tokens of one channel in columns that are neighbours are one sync, which counts columns.

Only what follows directly joins, so nothing ever happens in another order than it is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.descriptor_words import WORDS, TileKind
from compiler.hardware.dma_registers import CHANNEL_BYTES, queue_offset
from compiler.hardware.transactions import (
    BLOCK_WRITE_WORDS,
    PATCH,
    SYNC,
    WRITE,
    ControllerCount,
    block_write,
)

Place = tuple[int, int]
"""Column and array row."""


@dataclass(frozen=True)
class Described:
    """Descriptors are written; each of a shim's that addresses DDR is patched."""

    place: Place
    kind: TileKind
    numbers: tuple[int, ...]
    patches: int = 0


@dataclass(frozen=True)
class _Channel:
    place: Place
    kind: TileKind
    sends: bool
    channel: int

    @property
    def queue(self) -> int:
        """Offset of its start queue in its tile."""
        return queue_offset(self.kind, self.sends, self.channel)


@dataclass(frozen=True)
class Pushed(_Channel):
    """A task is put into the queue of a channel; `sends` for MM2S."""


@dataclass(frozen=True)
class Awaited(_Channel):
    """A token of a channel is waited for."""


Step = Described | Pushed | Awaited


def number_joins(kind: TileKind, before: int | None, number: int) -> bool:
    """Whether a descriptor is written together with the one that was written just before it, in the same tile."""
    return kind is TileKind.MEMTILE and before is not None and number == before + 1


def push_joins(before: Step | None, step: Pushed) -> bool:
    """Whether a push is one instruction with the step before it."""
    return isinstance(before, Pushed) and before.place == step.place and step.queue == before.queue + CHANNEL_BYTES


def wait_joins(before: Step | None, step: Awaited) -> bool:
    """Whether a wait is one instruction with the step before it."""
    if not isinstance(before, Awaited) or (before.sends, before.channel) != (step.sends, step.channel):
        return False
    return step.place == (before.place[0] + 1, before.place[1])


@dataclass
class Bursts:
    """Counts the instructions and words that each step adds to those before it."""

    before: Step | None = None
    pushed: int = 0
    """Pushes in the instruction that the last step belongs to."""

    def count(self, step: Step) -> ControllerCount:
        """What this step adds; only the first one of an instruction adds the instruction."""
        before, self.before = self.before, step
        match step:
            case Described():
                return _described(before, step)
            case Pushed():
                joins = push_joins(before, step)
                self.pushed = self.pushed + 1 if joins else 1
                # a second push makes a block write of a write
                first = block_write(1).words - WRITE.words if self.pushed == 2 else 0
                return ControllerCount(0, first + 2) if joins else WRITE
            case Awaited():
                return ControllerCount() if wait_joins(before, step) else SYNC


def _described(before: Step | None, step: Described) -> ControllerCount:
    total = ControllerCount()
    for _ in range(step.patches):
        total += PATCH
    last = before.numbers[-1] if isinstance(before, Described) and before.place == step.place else None
    for number in step.numbers:
        joins = number_joins(step.kind, last, number)
        total += ControllerCount(int(not joins), WORDS[step.kind] + (0 if joins else BLOCK_WRITE_WORDS))
        last = number
    return total
