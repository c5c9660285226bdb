"""
Launches of the same shape further down a map: where no window sees a border, rows are computed as others are.

A map that is made in bands has many such launches, and to plan one of them is to plan all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer, Range


def moved_rows(column_rows: Sequence[Range], offset: int) -> tuple[Range, ...]:
    """Rows of each column, so much further down; those of a column without any are (0, 0)."""
    return tuple((first + offset, last + offset) if last > first else (0, 0) for first, last in column_rows)


def sees_no_border(layer: Layer, rows: Range) -> bool:
    """Whether the windows of these output rows lie on the map."""
    first, last = rows
    low, high = layer.input_rows(rows)
    return last <= first or high - low == (last - first - 1) * layer.strides[0] + layer.window_rows


def moved_launch(launch: Launch, offset: int) -> Launch:
    """The same launch of output rows of the map so much further down, none of which sees a border."""
    # several rows may be one of the launch
    offset //= launch.together
    step = offset * launch.layer.strides[0]

    def moved(work: CoreWork) -> CoreWork:
        (first, last), (low, high) = work.output_rows, work.input_rows
        return replace(work, output_rows=(first + offset, last + offset), input_rows=(low + step, high + step))

    return replace(launch, cores=tuple(moved(work) for work in launch.cores))
