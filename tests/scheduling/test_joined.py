"""Several rows as one, and skip rows alone: that a plan has them, and what the checker finds where they are wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import PlannedLaunch, ProgramPlan, Segment
from compiler.scheduling.program import plan_program
from compiler.tiling.joined import Joined
from compiler.tiling.layer import Layer, MapShape

CHIP = chip_named("npu1")
NARROW, WIDE = MapShape(64, 14, 14), MapShape(1024, 14, 14)
ADDITION = Layer("add", Kernel.ADD, WIDE, WIDE)
CONV = Layer("conv", Kernel.CONV, NARROW, WIDE, gamma=np.ones((128, 8), np.bool_))


def residual() -> Network:
    """Map 0 by a convolution into map 2, to which map 1 is added."""
    steps = (ArrayStep("conv", ((CONV, (0,)),), 2), ArrayStep("add", ((ADDITION, (2, 1)),), 3))
    return Network((NARROW, WIDE, WIDE, WIDE), steps, (3,), frozenset({2}))


def only_launch(plan: ProgramPlan) -> PlannedLaunch:
    (segment,) = plan.segments
    assert isinstance(segment, Segment)
    return segment.bands[-1].launches[0]


def with_launch(plan: ProgramPlan, changed: PlannedLaunch) -> ProgramPlan:
    (segment,) = plan.segments
    assert isinstance(segment, Segment)
    last = segment.bands[-1]
    band = replace(last, launches=(changed, *last.launches[1:]))
    return replace(plan, segments=(replace(segment, bands=(*segment.bands[:-1], band)),))


def test_two_rows_of_fourteen_pixels_are_one_of_28() -> None:
    plan = plan_program(residual(), CHIP)
    launch = only_launch(plan).launch
    assert (launch.together, launch.layer.output.width, launch.skips_alone) == (2, 28, True)
    assert plan_faults(plan.network, plan, CHIP) == []


def test_other_rows_than_those_that_are_one_are_found() -> None:
    plan = plan_program(residual(), CHIP)
    planned = only_launch(plan)
    wrong = replace(planned, launch=replace(planned.launch, joined=Joined(planned.launch.on_map, 1)))
    assert plan_faults(plan.network, with_launch(plan, wrong), CHIP) != []


def test_skip_rows_of_another_place_are_found() -> None:
    plan = plan_program(residual(), CHIP)
    planned = only_launch(plan)
    skip = planned.inputs[1]
    wrong = replace(planned, inputs=(planned.inputs[0], replace(skip, address=skip.address + 8)))
    faults = plan_faults(plan.network, with_launch(plan, wrong), CHIP)
    assert any("to add" in fault for fault in faults)


def test_input_that_comes_with_every_chunk_is_no_input_that_stays() -> None:
    plan = plan_program(residual(), CHIP)
    planned = only_launch(plan)
    wrong = replace(planned, launch=replace(planned.launch, stays=False))
    assert plan_faults(plan.network, with_launch(plan, wrong), CHIP) == [], "the ring is as good for rows that go on"
    slots = planned.launch.arena.input_slots
    short = replace(planned.launch, arena=replace(planned.launch.arena, input_slots=slots - 1))
    faults = plan_faults(plan.network, with_launch(plan, replace(planned, launch=short)), CHIP)
    assert any("stay" in fault for fault in faults)
