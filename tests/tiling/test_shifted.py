"""What is planned for some rows holds for others as far from every border."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.layer import Layer, MapShape
from compiler.tiling.shifted import sees_no_border

SHAPE = MapShape(16, 64, 20)


@given(kernel=st.sampled_from((2, 3)), stride=st.integers(1, 2), first=st.integers(1, 6), offset=st.integers(0, 5))
def test_a_launch_further_down_is_the_one_that_would_be_planned_there(
    kernel: int, stride: int, first: int, offset: int
) -> None:
    output = MapShape(16, (64 + 2 - kernel) // stride + 1, (20 + 2 - kernel) // stride + 1)
    window, every = ((kernel, kernel), (stride, stride), (1, 1, 1, 1)), np.ones((2, 2), np.bool_)
    layer = Layer("conv", Kernel.CONV, SHAPE, output, *window, gamma=every)
    chip = chip_named("mesh-2x2")
    here = [(first, first + 4), (first + 12, first + 16)]
    there = [(low + offset, high + offset) for low, high in here]
    planner = ConvPlanner(chip)
    planner.plan(layer, here)
    made = planner.plan(layer, there)
    expected = ConvPlanner(chip).plan(layer, there)
    assert [launch.cores for launch in made] == [launch.cores for launch in expected]
    assert [(launch.arena, launch.slices) for launch in made] == [(launch.arena, launch.slices) for launch in expected]


def test_rows_at_a_border_are_not_like_others() -> None:
    layer = Layer("conv", Kernel.CONV, SHAPE, SHAPE, (3, 3), pads=(1, 1, 1, 1), gamma=np.ones((2, 2), np.bool_))
    assert not sees_no_border(layer, (0, 4))
    assert sees_no_border(layer, (1, 63))
    assert not sees_no_border(layer, (60, 64))
