"""
Launches of kernels without weights on maps that every MemTile holds some channel blocks of.

Such is what a DEEP launch leaves: in each MemTile the channels of that column's cores. What never mixes channels can go
on from there, in two ways:

    sliced     U: every core takes a part of its own column's blocks, and what it makes goes back there
    gathered   B: every MemTile broadcasts its blocks to a row of cores, which all make the same of them, each for its
               own column: so in the end every MemTile holds the whole map, as the next DEEP launch wants it
"""

from __future__ import annotations

from dataclasses import replace

from compiler.hardware.chip import Chip
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer, Range, split_evenly
from compiler.tiling.limits import launch_faults
from compiler.tiling.pointwise import mapped_works


def can_gather(chip: Chip) -> bool:
    """Whether the cores of every column together hear all MemTiles, each by one broadcast."""
    everyone = [*range(chip.columns)]
    return all(
        sorted(chip.source_column(column, row) for row in range(chip.core_rows)) == everyone for column in everyone
    )


def sliced_launch(layer: Layer, chip: Chip, slices: tuple[Range, ...]) -> Launch | None:
    """Every column its own channel blocks of the whole map; None if a core has no room, or nobody has work."""
    works: list[CoreWork] = []
    rows = (0, layer.output.height)
    for column, (first, last) in enumerate(slices):
        for row, (low, high) in enumerate(split_evenly(last - first, chip.core_rows)):
            if high > low:
                works.append(CoreWork(column, row, rows, (first + low, first + high), layer.input_rows(rows)))
    launch = mapped_works(layer, chip, tuple(works)) if works else None
    return None if launch is None or launch_faults(launch, chip) else launch


def gathered_launch(layer: Layer, chip: Chip, slices: tuple[Range, ...]) -> Launch | None:
    """The whole map for every column, from blocks of all; None if a core has no room, or does not hear all."""
    if not can_gather(chip) or any(last <= first for first, last in slices):
        return None
    rows = (0, layer.output.height)
    works = tuple(
        CoreWork(column, row, rows, slices[chip.source_column(column, row)], layer.input_rows(rows))
        for column in range(chip.columns)
        for row in range(chip.core_rows)
    )
    launch = mapped_works(layer, chip, works)
    gathered = launch and replace(launch, gathers=True)
    return None if gathered is None or launch_faults(gathered, chip) else gathered
