"""
Launches of kernels without weights on maps that every MemTile holds some channel blocks of.

Such is what a DEEP launch leaves: in each MemTile the channels of that column's cores. What never mixes channels can go
on from there, in two ways:

    sliced     U: every core takes a part of its own column's blocks, and what it makes goes back there
    gathered   B: every MemTile broadcasts its blocks to a row of cores, which all make the same of them, each for its
               own column: so in the end every MemTile holds the whole map, as the next DEEP launch wants it

A map of which every MemTile holds some rows is gathered in the same way, and one that is only to be gathered is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel, Parameter, Rounding
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer, MapShape, Range, split_evenly
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
    return _gathered(layer, chip, [((0, layer.output.height), blocks) for blocks in slices])


def striped_gather(layer: Layer, chip: Chip, stripes: Sequence[Range]) -> Launch | None:
    """The same of a layer of single pixels, from the rows of its input in each column."""
    step = layer.strides[0]
    assert layer.kernel_size == (1, 1), "a column makes its rows of the result from its own"
    parts = [((-(-first // step), -(-last // step)), (0, layer.output.blocks)) for first, last in stripes]
    return _gathered(layer, chip, parts)


def _gathered(layer: Layer, chip: Chip, parts: Sequence[tuple[Range, Range]]) -> Launch | None:
    """Everybody who hears a column makes the rows and channel blocks that are its part."""
    if not can_gather(chip) or any(last <= first for part in parts for first, last in part):
        return None
    works: list[CoreWork] = []
    for column in range(chip.columns):
        for row in range(chip.core_rows):
            rows, blocks = parts[chip.source_column(column, row)]
            works.append(CoreWork(column, row, rows, blocks, layer.input_rows(rows)))
    launch = mapped_works(layer, chip, tuple(works))
    gathered = launch and replace(launch, gathers=True)
    return None if gathered is None or launch_faults(gathered, chip) else gathered


def copy_layer(name: str, shape: MapShape, strides: tuple[int, int] = (1, 1)) -> Layer:
    """A layer whose output is its input, or every so many-th pixel of every so many-th row of it."""
    P = Parameter
    constants = ((P.SHIFT, 0), (P.ROUNDING, Rounding.HALF_EVEN), (P.CLAMP_LOW, -128), (P.CLAMP_HIGH, 127))
    output = MapShape(shape.channels, -(-shape.height // strides[0]), -(-shape.width // strides[1]))
    return Layer(name, Kernel.REQUANTISE, shape, output, strides=strides, constants=constants)
