"""
Several rows of a map as one: what lets a kernel that computes 28 pixels at once work on rows of fourteen.

A kernel of one pixel does not mind where a row ends. A descriptor brings each channel block of two rows of fourteen
pixels as one run of 28, and takes the result back to the two rows; the core sees a map of half the height and twice the
width, with half the calls:

    a b c …          a b c … | n o p …
    n o p …    →

Every column has whole groups of rows, so that no group lies in two MemTiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import gcd

from compiler.tiling.layer import Layer, MapShape, Range

LONGEST = 56
"""Pixels of a long row at most: longer ones fill a core's memory with few of them, and were never faster."""


@dataclass(frozen=True, eq=False)
class Joined:
    """How a core sees `layer`: `together` rows of its maps are one."""

    layer: Layer
    together: int

    @property
    def seen(self) -> Layer:
        """The layer on maps of long rows."""
        layer, together = self.layer, self.together

        def shape(of: MapShape) -> MapShape:
            return MapShape(of.channels, of.height // together, of.width * together)

        return replace(layer, input=shape(layer.input), output=shape(layer.output))

    def map_rows(self, rows: Range) -> Range:
        """The rows of the map that are these long ones."""
        return rows[0] * self.together, rows[1] * self.together

    def long_rows(self, rows: Range) -> Range:
        """The inverse."""
        return rows[0] // self.together, rows[1] // self.together


def joinings(layer: Layer, column_rows: Sequence[Range]) -> Iterator[Joined]:
    """The ways to see a convolution of single pixels on long rows, if `column_rows[c]` are computed in column c."""
    single = layer.kernel_size == layer.strides == (1, 1) and not any(layer.pads)
    to = layer.destination
    if not single or (to.row, to.row_step, to.column_step) != (0, 1, 1):
        return
    common = gcd(layer.output.height, *(row for rows in column_rows for row in rows))
    for together in range(2, min(common, LONGEST // layer.output.width) + 1):
        if common % together == 0:
            yield Joined(layer, together)
