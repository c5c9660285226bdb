"""
Tiles: some columns of a layer's output, as a layer of their own.

    output columns [first, end)   need   input columns [first·stride - left pad, (end - 1)·stride - left pad + window)

A wide map's rows fill a core's memory with few channels of them, and may be longer than a descriptor counts. A tile of
it is the same layer on a narrower map; what is padding of the whole map is padding of the tiles at its sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from compiler.tiling.layer import Destination, Layer, Range

TILE_WIDTHS = (112, 56, 28)
"""Output columns of a tile but the last: whole steps of the convolution kernel."""
NARROW_WIDTHS = (*TILE_WIDTHS, 8)
"""Where nothing else fits, also less than a step."""


@dataclass(frozen=True)
class Tile:
    """Where a tile's columns begin in the input and output of the whole layer."""

    input: int = 0
    output: int = 0


WHOLE = Tile()
"""All columns."""


def tile_of(layer: Layer, columns: Range) -> tuple[Layer, Tile]:
    """The layer that computes output `columns`."""
    first, end = columns
    _, left, _, _ = layer.pads
    low = first * layer.strides[1] - left
    high = (end - 1) * layer.strides[1] - left + (layer.kernel_size[1] - 1) * layer.dilations[1] + 1
    begin, stop = max(low, 0), min(high, layer.input.width)
    assert begin < stop, f"columns {columns} of layer '{layer.name}' see nothing but padding"
    top, _, bottom, _ = layer.pads
    narrow = replace(
        layer,
        input=replace(layer.input, width=stop - begin),
        output=replace(layer.output, width=end - first),
        pads=(top, begin - low, bottom, high - stop),
        destination=layer.destination.within(Destination(column=first)),
    )
    return narrow, Tile(begin, first)


def tilings(layer: Layer, widths: Sequence[int] = TILE_WIDTHS) -> Iterator[list[Range]]:
    """
    Ways to divide a layer's output columns in tiles of these widths. None where a tile would see only padding, or where
    skip rows come whole.
    """
    width = layer.output.width
    for step in widths:
        if step < width and layer.addition is None and max(layer.pads[1], layer.pads[3]) < layer.kernel_size[1]:
            yield [(first, min(first + step, width)) for first in range(0, width, step)]
