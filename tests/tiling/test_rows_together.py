"""Calls for several output rows: they are planned where they pay, and refused where rings, table or kernel do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import TABLE_WORDS, Kernel, Parameter
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.conv_ways import Part
from compiler.tiling.core_parameters import common_parameters
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, MapShape
from compiler.tiling.limits import launch_faults

CHIP = chip_named("mesh-1x1")
SHAPE = MapShape(16, 8, 8)
LAYER = Layer("conv", Kernel.CONV, SHAPE, SHAPE, (3, 3), pads=(1, 1, 1, 1), gamma=np.ones((2, 2), np.bool_))


@pytest.fixture(scope="module")
def launch() -> Launch:
    """What the planner makes of a small map, all of it in one core."""
    (only,) = ConvPlanner(CHIP).plan(LAYER, [(0, 8)])
    return only


def test_short_rows_come_together(launch: Launch) -> None:
    assert launch.rows_together > 1
    assert launch_faults(launch, CHIP) == []
    assert common_parameters(launch)[Parameter.ROWS_TOGETHER] == launch.rows_together


def test_one_row_by_each_call_is_slower(launch: Launch) -> None:
    planner = ConvPlanner(CHIP)
    floors = {each.together: each.floor for each in planner.search.ways.candidates(Part(LAYER, [(0, 8)], (0, 2)))}
    assert floors[8] < floors[4] < floors[2] < floors[1]


def test_rings_hold_what_a_call_needs(launch: Launch) -> None:
    four = replace(launch, rows_together=4)
    few = replace(four, arena=replace(four.arena, input_slots=5, output_slots=3))
    found = launch_faults(few, CHIP)
    assert any("6 input rows held at once, the ring has 5 slots" in fault for fault in found)
    assert any("4 output rows made together, the ring has 3 slots" in fault for fault in found)


def test_the_table_holds_the_rows_of_a_call(launch: Launch) -> None:
    many = replace(launch, rows_together=TABLE_WORDS)
    (fault,) = (fault for fault in launch_faults(many, CHIP) if "row table" in fault)
    assert fault == f"calls that look at {TABLE_WORDS + 2} rows, the row table holds {TABLE_WORDS}"


@pytest.mark.parametrize("changes", [{"kernel": Kernel.SCALED_CONV}, {"dilations": (2, 2), "pads": (2, 2, 2, 2)}])
def test_some_kernels_make_one_row_by_each_call(launch: Launch, changes: dict[str, object]) -> None:
    other = replace(launch, layer=replace(LAYER, **changes), rows_together=2)  # pyright: ignore[reportArgumentType]
    assert "2 output rows of a call, this kernel computes them one by one" in launch_faults(other, CHIP)
