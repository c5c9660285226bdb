"""Tiles see what the whole layer sees, and are taken where rows of the whole map fill a core."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.costs.planned import launch_cycles
from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.launch_checker import arena_faults
from compiler.scheduling.stripes import even_stripes
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.conv_ways import Part
from compiler.tiling.layer import Layer, MapShape
from compiler.tiling.limits import launch_faults
from compiler.tiling.tiles import tile_of, tilings


@given(
    st.integers(1, 99), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.data(), st.sampled_from((1, 8, 30))
)
def test_tiles_see_the_columns_that_the_whole_layer_sees(
    width: int, kernel: int, stride: int, dilation: int, data: st.DataObject, size: int
) -> None:
    left, right = (data.draw(st.integers(0, kernel - 1)) for _ in range(2))
    outputs = (width + left + right - (kernel - 1) * dilation - 1) // stride + 1
    if outputs < 1:
        return
    pads = (0, left, 0, right)
    layer = Layer(
        "x", Kernel.CONV, MapShape(8, 1, width), MapShape(8, 1, outputs), (1, kernel), (1, stride), pads, (1, dilation)
    )
    for first in range(0, outputs, size):
        end = min(first + size, outputs)
        seen = [first * stride - left + tap * dilation for tap in range(kernel)]
        if not any(0 <= column + stride * more < width for column in seen for more in range(end - first)):
            continue
        narrow, tile = tile_of(layer, (first, end))
        assert narrow.output.width == end - first
        for pixel in range(end - first):
            for tap in range(kernel):
                column = (first + pixel) * stride - left + tap * dilation
                own = pixel * stride - narrow.pads[1] + tap * dilation
                assert (0 <= own < narrow.input.width) == (0 <= column < width)
                assert own + tile.input == column or not 0 <= column < width


@given(st.integers(1, 500))
def test_the_tiles_of_a_row_cover_it(width: int) -> None:
    layer = Layer("x", Kernel.CONV, MapShape(8, 1, width), MapShape(8, 1, width))
    for columns in tilings(layer):
        assert [pixel for first, end in columns for pixel in range(first, end)] == list(range(width))
        assert len(columns) > 1


def test_tiles_are_taken_where_rows_fill_a_core() -> None:
    chip = chip_named("mesh-4x4")
    wide, full = MapShape(64, 56, 224), np.ones((8, 8), np.bool_)
    layer = Layer("wide", Kernel.CONV, wide, wide, (3, 3), (1, 1), (1, 1, 1, 1), gamma=full)
    planner, rows = ConvPlanner(chip), even_stripes((0, 56), 4)
    launches = planner.plan(layer, rows)
    assert len(launches) > 1
    assert all(launch.whole is layer for launch in launches)
    assert [fault for launch in launches for fault in (*launch_faults(launch, chip), *arena_faults(launch))] == []
    whole = planner.search.best(Part(layer, rows, (0, 8)))
    taken = sum(launch_cycles(launch, chip, planner.search.programs[layer.kernel]) for launch in launches)
    assert whole is None or taken < whole.cycles


def test_input_stays_where_it_would_come_again_for_every_chunk() -> None:
    chip = chip_named("npu1")
    full = np.ones((128, 32), np.bool_)
    layer = Layer("deep", Kernel.CONV, MapShape(256, 14, 14), MapShape(1024, 14, 14), gamma=full)
    planner, rows = ConvPlanner(chip), even_stripes((0, 14), 4)
    (launch,) = planner.plan(layer, rows)
    assert launch.stays
    assert launch_faults(launch, chip) == []
    assert arena_faults(launch) == []
    streamed = [
        candidate.launch
        for candidate in planner.search.ways.candidates(Part(layer, rows, (0, 128)))
        if not candidate.stays and candidate.launch and not launch_faults(candidate.launch, chip)
    ]
    taken = launch_cycles(launch, chip, planner.search.programs[layer.kernel])
    assert all(planner.search.cycles(each) > taken for each in streamed)
