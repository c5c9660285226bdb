"""
A small map as one row: what lets a kernel that computes 28 pixels at once work on rows of seven.

Rows that follow each other in a core are one long row, if what lies between them is the border that the next one needs
anyway. A map of 7x7 pixels under a 3x3 kernel arrives with a column of zeros before every row, and rows of zeros above
and below; then a tap is a distance, the same for every pixel, and one row of 56 pixels holds all 49 results:

    0 0 0 0 0 0 0 0
    0 a b c d e f g      the tap (y, x) of the pixel at position p is at position p + 8 y + x
    0 h i j k l m n      a and h are 8 positions apart, and between g and h lies the border of both

Every eighth result is of no pixel and is not sent. A 1x1 kernel needs no border, and may have strides, since then the
descriptors leave out what nobody looks at.
"""

from __future__ import annotations

from compiler.hardware.chip import Chip
from compiler.tiling.launch import Flat
from compiler.tiling.layer import Layer

PLANE_PADS = 15
"""Zeros that a MemTile descriptor inserts before or after its third dimension (AM025: 4 bits)."""


def flattened(layer: Layer, chip: Chip) -> Flat | None:
    """A convolution on one row; None where its strides or pads do not allow it."""
    height, width = layer.output.height, layer.output.width
    if layer.kernel_size == (1, 1) and not any(layer.pads):
        return Flat(layer, height, width, *layer.strides, 0, 0, 0, (0,))
    top, start, _, end = layer.pads
    left = max(start, end)
    if layer.strides != (1, 1) or height == 1:
        return None
    pitch = left + layer.input.width
    rows, columns = layer.kernel_size
    taps = tuple(
        row * layer.dilations[0] * pitch + column * layer.dilations[1] + left - start
        for row in range(rows)
        for column in range(columns)
    )
    # the last tap of the last result may look at the zeros before one more row
    total = (height * pitch - 1 + max(taps)) // pitch + 1
    used = min(layer.input.height, total - top)
    below = total - top - used
    if width > pitch or used < 1 or left > chip.pad_limit or max(top, below) > PLANE_PADS:
        return None
    return Flat(layer, used, layer.input.width, 1, 1, top, below, left, taps)
