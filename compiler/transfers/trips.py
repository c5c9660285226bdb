"""
Trips: moves of words as DMA makes them, from DDR into a MemTile by one descriptor of the shim and back by others.

    DDR  --[words of the move, in its order]-->  MemTile, one run of words  --[the same order]-->  DDR

The shim's descriptors have three dimensions and no negative strides, so a move of more is several trips. Words that go
to several places come once and leave several times. No core takes part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import DIMENSIONS, LAYOUTS, TileKind
from compiler.transfers.moves import Axis, Move
from compiler.transfers.window import Window

_LAYOUT = LAYOUTS[TileKind.SHIM]
LARGEST_SIZE = _LAYOUT["wrap_0"].limit
"""Of every dimension of a shim's descriptor but the outermost, which ends with the length."""
LARGEST_STRIDE = _LAYOUT["step_0"].limit + 1
INSTRUCTIONS = 4
"""
The fewest that the controller takes for a copy: a descriptor and a push of the shim's, and of the MemTile's
(`compiler.hardware.bursts` counts them all).
"""


@dataclass(frozen=True)
class Trip:
    """Words that one descriptor reads, and that descriptors of one form write, each so many words further on."""

    move: Move
    offsets: tuple[int, ...] = (0,)

    @property
    def copies(self) -> int:
        """Descriptors of the shim: one that reads, and those that write."""
        return 1 + len(self.offsets)

    def source(self, column: int, first: int) -> Window:
        """What is read of a tensor in DDR that begins with word `first`."""
        return _window(column, first + self.move.first, [(axis.size, axis.read) for axis in self.move.axes])

    def targets(self, column: int, first: int) -> tuple[Window, ...]:
        """What is written of a tensor in DDR that begins with word `first`."""
        axes = [(axis.size, axis.written) for axis in self.move.axes]
        return tuple(_window(column, first + self.move.to + offset, axes) for offset in self.offsets)


def _window(column: int, offset: int, axes: Sequence[tuple[int, int]]) -> Window:
    sizes, strides = zip(*(axes or [(1, 1)]), strict=True)
    return Window(column, offset, sizes, strides).merged(LARGEST_SIZE)


def trips_of(move: Move) -> tuple[Trip, ...]:
    """A move as trips of any number of words."""
    axes = [axis for axis in move.axes if axis.size > 1]
    offsets = [axis for axis in axes if axis.read == 0]
    axes = [axis for axis in axes if axis.read != 0]
    fitting = [axis for axis in axes if 0 < axis.read <= LARGEST_STRIDE and 0 < axis.written <= LARGEST_STRIDE]
    held = sorted(fitting, key=lambda axis: axis.size, reverse=True)[: DIMENSIONS[TileKind.SHIM]]
    looped = [axis for axis in axes if axis not in held]
    kept = [axis for axis in axes if axis in held]
    if held and held[0].size > LARGEST_SIZE:
        kept = [held[0], *(axis for axis in kept if axis is not held[0])]
    starts = [move.at(looped, steps) for steps in product(*(range(axis.size) for axis in looped))]
    again = tuple(move.at(offsets, steps).to - move.to for steps in product(*(range(axis.size) for axis in offsets)))
    return tuple(Trip(part, again) for start in starts for part in _within_sizes(replace(start, axes=tuple(kept))))


def _within_sizes(move: Move) -> Iterator[Move]:
    """The same words by moves of which only the outermost axis is longer than a descriptor counts."""
    for number, axis in enumerate(move.axes):
        if number and axis.size > LARGEST_SIZE:
            for start in range(0, axis.size, LARGEST_SIZE):
                part = replace(axis, size=min(LARGEST_SIZE, axis.size - start))
                axes = (*move.axes[:number], part, *move.axes[number + 1 :])
                yield from _within_sizes(replace(move.at((axis,), (start,)), axes=axes))
            return
    yield move


def cut(trip: Trip, words: int) -> Iterator[Trip]:
    """The same trip in parts of at most so many words."""
    move = trip.move
    if move.words <= words:
        yield trip
        return
    outer, inner = move.axes[0], move.axes[1:]
    lines = words // replace(move, axes=inner).words
    for start in range(0, outer.size, max(lines, 1)):
        part = (Axis(min(lines, outer.size - start), outer.read, outer.written), *inner) if lines else inner
        yield from cut(replace(trip, move=replace(move.at((outer,), (start,)), axes=part)), words)


def rounds_of(moves: Sequence[Move], chip: Chip, words: int) -> list[tuple[Trip, ...]]:
    """
    Trips of at most `words`, those of a round at the same time: one for each column, from the first on.

    Moves are cut so that all columns have a share, unless a share takes the controller longer than the column.
    """
    least = INSTRUCTIONS * chip.controller_cycles * chip.stream_bytes_per_cycle // 4
    share = -(-sum(move.words for move in moves) // chip.columns)
    largest = min(words, max(least, share))
    trips = [part for move in moves for trip in trips_of(move) for part in cut(trip, largest)]
    return [tuple(trips[start : start + chip.columns]) for start in range(0, len(trips), chip.columns)]
