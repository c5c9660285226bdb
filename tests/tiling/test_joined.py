"""Which rows of a map can be one row, and that their number follows from both the layer and its columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.kernels.parameters import Kernel
from compiler.tiling.joined import Joined, joinings
from compiler.tiling.layer import Destination, Layer, MapShape, split_evenly

SHAPE = MapShape(64, 14, 14)
LAYER = Layer("conv", Kernel.CONV, SHAPE, SHAPE, gamma=np.ones((8, 8), np.bool_))


def together(layer: Layer, columns: int) -> list[int]:
    return [joined.together for joined in joinings(layer, split_evenly(layer.output.height, columns))]


def test_columns_have_whole_groups() -> None:
    assert together(LAYER, 4) == [2], "columns of 4, 4, 4 and 2 rows"
    assert together(LAYER, 3) == [], "columns of 5, 5 and 4"
    assert together(LAYER, 2) == [], "seven would be 98 pixels"
    assert together(LAYER, 1) == [2]
    narrow = replace(LAYER, output=MapShape(64, 12, 7))
    assert together(narrow, 2) == [2, 3, 6]


def test_a_joined_layer_has_the_same_pixels() -> None:
    joined = Joined(LAYER, 7)
    assert (joined.seen.input.height, joined.seen.output.width) == (2, 98)
    assert joined.map_rows((1, 2)) == (7, 14)
    assert joined.long_rows((7, 14)) == (1, 2)


@pytest.mark.parametrize(
    "layer",
    [
        replace(LAYER, kernel_size=(3, 3), pads=(1, 1, 1, 1)),
        replace(LAYER, strides=(2, 2), output=MapShape(64, 7, 7)),
        replace(LAYER, destination=Destination(row=1, row_step=2)),
        replace(LAYER, destination=Destination(column_step=2)),
    ],
)
def test_windows_and_steps_keep_rows_apart(layer: Layer) -> None:
    assert together(layer, 1) == []
