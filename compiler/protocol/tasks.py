"""
DMA tasks as values: what the protocol between DDR, MemTiles and cores asks of the channels.

Buffers and locks are named, not owned: the code generator knows the operations behind the names, and an estimate needs
none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import lcm

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.hardware.routes import MEMTILE_ROW, SHIM_ROW
from compiler.protocol.descriptors import DescriptorBook, Request, Started
from compiler.transfers.window import Window
from dialects.aie import DMAChannelDir

Place = tuple[int, int]
"""Column and array row."""

TILE_KINDS = {SHIM_ROW: "shim", MEMTILE_ROW: "memtile"}
"""By array row; the others are cores."""


def place_name(what: str, place: Place) -> str:
    """`arena_0_2`."""
    return f"{what}_{place[0]}_{place[1]}"


def parameter_lock(blocks: int, state: str) -> str:
    """
    The lock of a MemTile's parameter blocks, one for each core row. There are PARAMETER_SETS of blocks, and launches
    take them in turn: a core that runs ahead finds those of the next launch apart from what others still wait for.
    """
    return f"parameters_{blocks}_{state}"


def ring_lock(row: int, state: str) -> str:
    """The lock of a MemTile's ring of weights for the core in `row`, through which those of DEEP launches pass."""
    return f"weights_{row}_{state}"


@dataclass(frozen=True)
class Descriptor:
    """One buffer descriptor. `window.column` is not used: the buffer says whose memory it is."""

    buffer: str
    window: Window
    acquire: tuple[str, int] | None = None
    release: tuple[str, int] | None = None


@dataclass(frozen=True)
class Task:
    """A chain of descriptors for one channel, run `runs` times; `token` asks for a completion token."""

    place: Place
    direction: DMAChannelDir
    channel: int
    chain: tuple[Descriptor, ...]
    runs: int = field(default=1, compare=False)
    token: bool = False
    first: int = field(default=0, compare=False)
    """Of a turn the run that it begins with, where slots are a ring that goes on from task to task."""

    # Runs are said when a task is pushed, and where descriptors stand is known. So tasks that differ in them alone are
    # the same to a tile's descriptors.

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Tasks are keys of what tiles hold, looked up several times each."""
        return hash((self.place, self.direction, self.channel, self.chain, self.token))

    @property
    def turn(self) -> int:
        """Runs after which every iteration is back where it was."""
        return lcm(*(descriptor.window.wrap for descriptor in self.chain))

    def request(self, chip: Chip) -> Request:
        """What it asks of its tile: MemTile channels of even number have other descriptors than odd ones."""
        row, half, size = self.place[1], 0, chip.core_descriptors
        if row == MEMTILE_ROW:
            half, size = self.channel % 2, chip.memtile_descriptors // 2
        elif row == SHIM_ROW:
            size = chip.shim_descriptors
        channel = (self.place, self.direction, self.channel)
        # what moves maps without locks is rarely asked for again
        kept = not self.token and any(descriptor.acquire is not None for descriptor in self.chain)
        pool, links = (self.place, half), len(self.chain)
        return Request(pool, size, channel, self, links, self.runs, self.first, self.turn, self.token, kept)


def begin(book: DescriptorBook, task: Task, chip: Chip, segment: str) -> Started:
    """Take descriptors for a task. Raises CapacityError if its tile has too few left."""
    try:
        return book.hold(task.request(chip))
    except CapacityError as error:
        (column, row), kind = task.place, TILE_KINDS.get(task.place[1], "core")
        raise CapacityError(
            f"segment '{segment}', {kind} tile ({column}, {row}), channel {task.direction.name} {task.channel}: "
            f"{error}. A chip with more {kind}_descriptors has room, and so may one with more memory, since maps "
            f"that stay whole are moved by fewer descriptors"
        ) from error
