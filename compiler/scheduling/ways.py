"""
In how many bands a step runs, and whether they overlap: which ways are worth a look, and what each of them takes.

    apart         sum of fill + compute + spill, band by band
    overlapping   first fill + sum of max(compute, next fill, spill before) + last spill

Fewer bands fill fewer halos twice and push fewer tasks, so of the ways that fit a few with the largest bands are tried;
some more than one, because rows divide among cores better or worse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

TRIED = 3
"""Ways that are costed of those that overlap: the largest bands that fit, and smaller ones."""


@dataclass(frozen=True)
class Way:
    """Bands of a step."""

    bands: int = 1
    overlaps: bool = False
    """Whether one is filled, and another one spilled, while a third computes."""


@dataclass(frozen=True)
class BandCycles:
    """What a band takes."""

    fill: int
    spill: int
    compute: int


def cycles_of(bands: Sequence[BandCycles], overlaps: bool) -> int:
    """Cycles of all bands of a step."""
    if not overlaps:
        return sum(band.fill + band.compute + band.spill for band in bands)
    fills = [*(band.fill for band in bands[1:]), 0]
    spills = [0, *(band.spill for band in bands[:-1])]
    beside = zip(bands, fills, spills, strict=True)
    return bands[0].fill + sum(max(band.compute, *moved) for band, *moved in beside) + bands[-1].spill


def candidates(rows: int, fits: Callable[[Way], bool]) -> list[Way]:
    """Ways to run `rows` output rows of each column that fit: overlapping ones, and the largest bands that do not."""
    counts = dict.fromkeys(-(-rows // each) for each in range(rows, 0, -1))
    overlapping = [way for count in counts if count > 1 and fits(way := Way(count, True))]
    apart = next((way for count in counts if fits(way := Way(count))), None)
    return overlapping[:TRIED] + ([] if apart is None else [apart])
