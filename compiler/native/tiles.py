"""
Which pixels of a map are computed together: as many as have their sums in registers, in whole rows of a rectangle.

A map is cut into tiles of one shape, the last of a row of tiles moved back so that it ends with the map: the pixels
that two of them share are computed twice, to the same numbers. Rows that are left over at the bottom are tiles of
their own shape.
"""

from __future__ import annotations

from dataclasses import dataclass

PIXELS_PER_TILE = 3
"""What a tile costs beside its pixels, in pixels: to load weights and their offset, and to turn."""


@dataclass(frozen=True)
class Strip:
    """Rows of equal tiles: `count` of them from `first_row` on."""

    first_row: int
    count: int
    rows: int
    columns: int
    """Of one tile."""


def tiled(rows: int, columns: int, most_pixels: int) -> tuple[Strip, ...]:
    """The strips that cover a map, of the tile width that costs least."""
    return min(
        (_strips(rows, columns, width, most_pixels) for width in range(1, min(columns, most_pixels) + 1)),
        key=lambda strips: (sum(_cost(strip, columns) for strip in strips), -strips[0].columns),
    )


def _strips(rows: int, columns: int, width: int, most_pixels: int) -> tuple[Strip, ...]:
    height = min(rows, most_pixels // width)
    whole, rest = divmod(rows, height)
    strips = [Strip(0, whole, height, width)]
    if rest:
        strips.append(Strip(whole * height, 1, rest, width))
    return tuple(strips)


def _cost(strip: Strip, columns: int) -> int:
    return strip.count * -(-columns // strip.columns) * (strip.rows * strip.columns + PIXELS_PER_TILE)
