"""
A small map as one row: what lets a kernel that computes 28 pixels at once work on rows of seven.

Rows that follow each other in a core are one long row, if what lies between them is the border that the next one needs
anyway. A map of 7x7 pixels under a 3x3 kernel arrives with a column of zeros before every row, and rows of zeros above
and below; then a tap is a distance, the same for every pixel, and one row of 56 pixels holds all 49 results:

    0 0 0 0 0 0 0 0
    0 a b c d e f g      the tap (y, x) of the pixel at position p is at position p + 8 y + x
    0 h i j k l m n      a and h are 8 positions apart, and between g and h lies the border of both

Every eighth result is of no pixel and is not sent. Where a kernel has strides, it finds the same in planes, of which
each holds every second pixel of every second row, as far as a tap looks there: a tap is a plane and a distance in it.
A strided 1x1 kernel has one plane, and gets nothing that it would not look at.
"""

from __future__ import annotations

from compiler.hardware.chip import Chip
from compiler.tiling.layer import Layer
from compiler.tiling.planes import Flat, Plane

PLANE_PADS = 15
"""Zeros that a MemTile descriptor inserts before or after its third dimension (AM025: 4 bits)."""


Places = list[tuple[int, int]]
"""For each tap along one side: its first row or column on the map, and the steps of a plane to it."""


def _places(count: int, dilation: int, pad: int, stride: int) -> Places:
    steps = [divmod(tap * dilation - pad, stride) for tap in range(count)]
    return [(first, step) for step, first in steps]


def _steps(places: Places, first: int) -> list[int]:
    """Of the taps in one plane."""
    return [step for own, step in places if own == first]


def flattened(layer: Layer, chip: Chip) -> Flat | None:
    """A convolution on one row; None where its strides or pads do not allow it."""
    height, width = layer.output.height, layer.output.width
    top, start, _, _ = layer.pads
    down = _places(layer.kernel_size[0], layer.dilations[0], top, layer.strides[0])
    across = _places(layer.kernel_size[1], layer.dilations[1], start, layer.strides[1])
    if height == 1 and layer.kernel_size != (1, 1):
        return None
    left = max(0, *(-step for _, step in across))
    planes = sorted({(row, column) for row, _ in down for column, _ in across})
    columns = {
        first: min(-(-(layer.input.width - first) // layer.strides[1]), width + max(_steps(across, first)))
        for _, first in planes
    }
    # a tap that reaches beyond the end of its row finds the zeros before the next one
    pitch = max(*(left + count for count in columns.values()), *(width + step for _, step in across), width)
    taps: list[tuple[int, int]] = []
    made: dict[tuple[int, int], Plane] = {}
    for row, column in planes:
        above = max(0, *(-step for step in _steps(down, row)))
        # the last tap of the last result may look at the zeros before one more row
        furthest = (max(_steps(down, row)) + above) * pitch + left + max(_steps(across, column))
        total = (height * pitch - 1 + furthest) // pitch + 1
        # that row itself nobody looks at, nor is it filled
        used = min(-(-(layer.input.height - row) // layer.strides[0]), height + max(_steps(down, row)))
        right = pitch - left - columns[column]
        made[row, column] = Plane(row, column, used, columns[column], above, total - above - used, right)
    for row, down_steps in down:
        for column, steps in across:
            plane = planes.index((row, column))
            taps.append((plane, (down_steps + made[row, column].above) * pitch + left + steps))
    if any(_is_out_of_range(plane, left, chip) for plane in made.values()):
        return None
    return Flat(layer, tuple(made.values()), pitch, left, tuple(taps))


def _is_out_of_range(plane: Plane, left: int, chip: Chip) -> bool:
    """Whether a plane has no pixels, or more zeros around it than a descriptor inserts."""
    zeros = max(plane.above, plane.below) > PLANE_PADS or max(left, plane.right) > chip.pad_limit
    return min(plane.rows, plane.columns) < 1 or zeros
