"""
Regular patterns among the places of a map's elements: what strided convolutions and an interleaving can bring about.

    depth to space by 2   four phases, each with its own channels, each pixel where it was
    space to depth by 2   one phase; a channel is every second pixel, from (0, 0), (0, 1), (1, 0) or (1, 1)
    a crop                one phase, from the first pixel that stays
    nearest, twice        four phases that are the map itself

A phase takes, for each channel of its own, every so many pixels of one channel of the source. The phases lie in the
result pixel by pixel, as `bsr.interleave` puts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from dialects.onnx_moves import LARGEST_WEIGHTS, MOST_PHASES

LARGEST_WINDOW = 31
"""Rows and columns that a phase may reach across."""

Places = npt.NDArray[np.int64]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Phase:
    """Pixel (y, x) of channel i is pixel firsts[i] + (y, x) · strides of channel channels[i] of the source."""

    channels: tuple[int, ...]
    firsts: tuple[Pair, ...]
    strides: Pair
    size: Pair
    """Rows and columns."""

    def window(self, source: Pair) -> Pair | None:
        """
        The smallest window that reaches all first pixels and, over a map of this size, gives as many as there are.

        None if it is too large.
        """
        found: list[int] = []
        for axis in (0, 1):
            furthest = max(first[axis] for first in self.firsts)
            least = max(furthest + 1, source[axis] - self.strides[axis] * self.size[axis] + 1)
            found.append(least)
        return (found[0], found[1]) if max(found) <= LARGEST_WINDOW else None


def whole_map(channels: int, size: Pair) -> Phase:
    """The phase that is the source itself."""
    return Phase(tuple(range(channels)), ((0, 0),) * channels, (1, 1), size)


@dataclass(frozen=True)
class Phases:
    """What `bsr.interleave` with `steps` makes of `phases`."""

    steps: Pair
    phases: tuple[Phase, ...]


def phases_of(places: Places, source: tuple[int, int, int]) -> Phases | None:
    """
    The pattern with the fewest phases of a map [channels][rows][columns] of places in a `source` of such a shape.

    None if there is none of few phases, each within a small window.
    """
    _, rows, columns = places.shape
    sides = (range(1, min(rows, MOST_PHASES) + 1), range(1, min(columns, MOST_PHASES) + 1))
    steps = [(down, across) for down, across in product(*sides) if down * across <= MOST_PHASES]
    for down, across in sorted(steps, key=lambda step: (step[0] * step[1], step)):
        if not _all_regular(places[:1], (down, across), source):
            continue
        if (found := _all_regular(places, (down, across), source)) is not None:
            return Phases((down, across), found)
    return None


def _all_regular(places: Places, steps: Pair, source: tuple[int, int, int]) -> tuple[Phase, ...] | None:
    phases: list[Phase] = []
    for row, column in product(range(steps[0]), range(steps[1])):
        phase = _phase_of(places[:, row :: steps[0], column :: steps[1]], source)
        window = None if phase is None else phase.window(source[1:])
        if phase is None or window is None or len(phase.channels) * source[0] * prod(window) > LARGEST_WEIGHTS:
            return None
        phases.append(phase)
    return tuple(phases)


def _phase_of(places: Places, source: tuple[int, int, int]) -> Phase | None:
    """These places as one phase; None if they are none."""
    channels, rows, columns = np.unravel_index(places, source)
    strides = (_step(rows[0, :, 0]), _step(columns[0, 0, :]))
    size = places.shape[1:]
    regular = (
        min(strides) >= 1
        and np.array_equal(channels, np.broadcast_to(channels[:, :1, :1], places.shape))
        and np.array_equal(rows - rows[:, :1, :1], np.broadcast_to(_line(size[0], strides[0])[:, None], places.shape))
        and np.array_equal(columns - columns[:, :1, :1], np.broadcast_to(_line(size[1], strides[1]), places.shape))
    )
    if not regular:
        return None
    firsts = zip(rows[:, 0, 0].tolist(), columns[:, 0, 0].tolist(), strict=True)
    return Phase(tuple(channels[:, 0, 0].tolist()), tuple(firsts), strides, (size[0], size[1]))


def _step(places: Places) -> int:
    """From one to the next; 1 where there is one only."""
    return int(places[1] - places[0]) if len(places) > 1 else 1


def _line(size: int, stride: int) -> Places:
    return np.arange(size, dtype=np.int64) * stride
