"""
Moves: words of one tensor that become words of another, as n-d patterns; what any data movement is, whatever spells it.

    places  0 3 1 4 2 5     of a transposed 2×3: which word of the source each word of the result is
    moves   from 0 to 0, sizes (3, 2), reading with the strides (1, 3), writing with (2, 1)

`moves_of` finds the patterns of any places: neighbours whose places grow evenly become a run, then runs of one form
that lie evenly apart become a run of runs, and so on until nothing joins. `Move.read` and `Move.written` are the
definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd, prod

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """One dimension of a move: how often, and how many words further each time in what is read and what is written."""

    size: int
    read: int
    written: int


@dataclass(frozen=True)
class Move:
    """Words of tensor `source`, from word `first` on, that go to the result from its word `to` on; outermost first."""

    source: int
    first: int
    to: int
    axes: tuple[Axis, ...] = ()

    @property
    def words(self) -> int:
        """How many are moved."""
        return prod(axis.size for axis in self.axes)

    def read(self) -> Places:
        """The words that it reads, in the order in which they are read."""
        return _visited(self.first, [(axis.size, axis.read) for axis in self.axes])

    def written(self) -> Places:
        """Where each of them goes."""
        return _visited(self.to, [(axis.size, axis.written) for axis in self.axes])

    def at(self, axes: Sequence[Axis], steps: Sequence[int]) -> Move:
        """The same move so many steps further along some axes."""
        read = sum(axis.read * step for axis, step in zip(axes, steps, strict=True))
        written = sum(axis.written * step for axis, step in zip(axes, steps, strict=True))
        return replace(self, first=self.first + read, to=self.to + written)


def _visited(first: int, axes: Sequence[tuple[int, int]]) -> Places:
    places = np.full((), first, np.int64)
    for size, stride in axes:
        places = places[..., None] + np.arange(size, dtype=np.int64) * stride
    return places.reshape(-1)


def moves_of(source: npt.NDArray[np.int64], places: Places, limit: int) -> tuple[Move, ...] | None:
    """
    Few moves by which word n of the result becomes word places[n] of tensor source[n]; None if they exceed `limit`.
    """
    written = np.arange(places.size, dtype=np.int64)
    made: list[Move] = []
    for number in np.unique(source).tolist():
        mine = np.flatnonzero(source == number)
        words = np.stack([places[mine], written[mine]], axis=1)
        forms = min((_forms(words, even) for even in (True, False)), key=lambda each: sum(map(len, each.values())))
        if len(made) + sum(map(len, forms.values())) > limit:
            return None
        made += [Move(number, first, to, axes) for axes, starts in forms.items() for first, to in starts.tolist()]
    return tuple(sorted(made, key=lambda move: move.to))


_Forms = dict[tuple[Axis, ...], npt.NDArray[np.int64]]
"""Of every form of runs where they begin: the word that is read and the one that is written, in the order of these."""


def _forms(words: npt.NDArray[np.int64], even: bool) -> _Forms:
    """All that joins, joined. As long as they can be, runs go over the end of a row that the next one goes on from."""
    forms: _Forms = {(): words}
    while (joined := _joined(forms, even)) is not None:
        forms = joined
    return forms


def _joined(forms: _Forms, even: bool) -> _Forms | None:
    """
    Runs of one form that lie evenly apart, from the first on, as one run, `even` ones all of one length if they can be;
    None if there are none.
    """
    found: dict[tuple[Axis, ...], list[npt.NDArray[np.int64]]] = {}
    joins = False
    for axes, starts in forms.items():
        steps = np.diff(starts, axis=0)
        length = _even_length(steps) if even else 1
        if length > 1:
            for step, first in zip(steps[::length].tolist(), starts[::length], strict=True):
                found.setdefault((Axis(length, *step), *axes), []).append(first[None])
            joins = True
            continue
        changes = np.flatnonzero((steps[1:] != steps[:-1]).any(axis=1)) + 1
        begin = 0
        for first, last in pairwise((0, *changes.tolist(), len(steps))):
            # the run before may have taken the first of these, and then the only step leads out of it
            if begin > first and last - first == 1:
                continue
            first = max(first, begin)
            if first < last:
                read, written = steps[first].tolist()
                found.setdefault((Axis(last - first + 1, read, written), *axes), []).append(starts[first : first + 1])
                begin, joins = last + 1, True
        if begin < len(starts):
            found.setdefault(axes, []).append(starts[begin:])
    return {axes: _in_order(parts) for axes, parts in found.items()} if joins else None


def _even_length(steps: npt.NDArray[np.int64]) -> int:
    """The most words of which every so many, from the first on, lie evenly apart; 1 if no number is that of all."""
    count = len(steps) + 1
    changes = np.flatnonzero((steps[1:] != steps[:-1]).any(axis=1)) + 1
    ends: list[int] = []
    begin = 0
    for end in (*changes.tolist(), len(steps)):
        # the step out of a run leads to the next one
        if end > begin:
            ends.append(end + 1)
            begin = end + 1
    return gcd(count, *ends) if ends and count > 1 else 1


def _in_order(parts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    starts = np.concatenate(parts)
    return starts[np.argsort(starts[:, 1], kind="stable")]
