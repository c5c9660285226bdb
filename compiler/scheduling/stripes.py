"""
Stripes: which rows of a map lie in which column's MemTile, and what a column can reach.

The DMA channels that feed cores see the MemTile of their own column and those of the direct neighbours (channels 0-3),
so a halo need not be copied: it is read next door. A column that needs rows from further away gets them through DDR.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler.tiling.layer import Layer, Range, split_evenly

Stripes = tuple[Range, ...]
"""Rows held by each column; empty ranges are (r, r)."""
Slices = tuple[Range, ...]
"""Channel blocks held by each column, of every row."""


def even_stripes(rows: Range, columns: int) -> Stripes:
    """`rows` split over the columns, ceil(rows/columns) each: how every map that the array writes is striped."""
    first, last = rows
    return tuple((first + low, first + high) for low, high in split_evenly(last - first, columns))


def everywhere(rows: Range, columns: int) -> Stripes:
    """`rows` in every column: what a DEEP launch reads."""
    return (rows,) * columns


def needed_rows(layer: Layer, output_stripes: Stripes) -> Stripes:
    """Input rows that each column needs for its rows of the map that the layer writes."""
    return tuple(layer.input_rows(layer.own_rows(rows)) for rows in output_stripes)


def source_column(stripes: Stripes, column: int, row: int) -> int | None:
    """The column, own first, then west, then east, whose stripe holds `row`; None if out of reach."""
    for source in (column, column - 1, column + 1):
        if 0 <= source < len(stripes) and stripes[source][0] <= row < stripes[source][1]:
            return source
    return None


def reachable(stripes: Stripes, needed: Sequence[Range]) -> bool:
    """Whether every column finds all the rows it needs in its own MemTile or a neighbour's."""
    return all(
        source_column(stripes, column, row) is not None
        for column, rows in enumerate(needed)
        for row in range(rows[0], rows[1])
    )


def tallest(stripes: Stripes) -> int:
    """Rows of the largest stripe."""
    return max(last - first for first, last in stripes)
