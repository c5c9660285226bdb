"""Steps that do not divide their maps by rows: sums that leave every MemTile the whole map, and pools of slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.by_channels import ByChannels, Layout, stays
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import Band, PlannedLaunch, ProgramPlan, Segment
from compiler.scheduling.program import plan_program
from compiler.tiling.layer import Layer, MapShape

BY_ROWS = None


def residual(channels: int, side: int) -> Network:
    """Two convolutions of one map, their sum, a convolution of that, and the largest of its pixels."""
    shape = MapShape(channels, side, side)
    gamma = np.ones((channels // 8, channels // 8), np.bool_)
    convs = [Layer(name, Kernel.CONV, shape, shape, gamma=gamma) for name in ("left", "right", "next")]
    add = Layer("sum", Kernel.ADD, shape, shape)
    pool = Layer("pool", Kernel.MAX_POOL, shape, MapShape(channels, 1, 1), (side, side))
    steps = (
        ArrayStep("left", ((convs[0], (0,)),), 1),
        ArrayStep("right", ((convs[1], (0,)),), 2),
        ArrayStep("sum", ((add, (1, 2)),), 3),
        ArrayStep("next", ((convs[2], (3,)),), 4),
        ArrayStep("pool", ((pool, (4,)),), 5),
    )
    return Network((*(shape,) * 5, MapShape(channels, 1, 1)), steps, (5,))


def band(plan: ProgramPlan, name: str) -> Band:
    """The one band of a step."""
    segment = next(segment for segment in plan.segments if isinstance(segment, Segment) and segment.name == name)
    (band,) = segment.bands
    return band


def with_band(plan: ProgramPlan, name: str, changed: Band) -> ProgramPlan:
    segments = [
        replace(segment, bands=(changed,)) if isinstance(segment, Segment) and segment.name == name else segment
        for segment in plan.segments
    ]
    return replace(plan, segments=tuple(segments))


@pytest.mark.parametrize("target", ["npu1", "mesh-2x2", "mesh-3x3"])
def test_a_sum_between_deep_steps_leaves_the_whole_map_in_every_memtile(target: str) -> None:
    chip, network = chip_named(target), residual(768, 7)
    plan = plan_program(network, chip)
    assert plan_faults(network, plan, chip) == []
    # with more cores it takes less time to make slices of the sum, and to gather those
    (gathered,) = band(plan, "sum" if target == "mesh-2x2" else "sum.gather").launches
    assert gathered.launch.gathers
    assert band(plan, "sum").fills == band(plan, "sum").spills == ()
    assert band(plan, "next").launches[0].launch.rings is not None
    assert band(plan, "next").fills == ()
    assert all(buffer.slices is not None for buffer in gathered.inputs)
    assert gathered.output.slices is None
    rows = {work.input_rows for work in gathered.launch.cores}
    assert rows == {(0, 7)}


def test_a_pool_takes_slices_where_they_lie_in_all_columns() -> None:
    chip, network = chip_named("npu1"), residual(768, 7)
    plan = plan_program(network, chip)
    (pooled,) = band(plan, "pool").launches
    assert band(plan, "pool").fills == ()
    assert len(pooled.launch.cores) == chip.columns * chip.core_rows
    assert pooled.inputs[0].slices == pooled.output.slices
    assert sum(last - first for first, last in pooled.output.slices or ()) == 96


def test_columns_that_do_not_hear_each_other_gather_nothing() -> None:
    chip, network = chip_named("mesh-2x4"), residual(768, 7)
    plan = plan_program(network, chip)
    assert plan_faults(network, plan, chip) == []
    launches = [p.launch for s in plan.segments if isinstance(s, Segment) for b in s.bands for p in b.launches]
    assert not any(launch.gathers for launch in launches)


def gathering() -> tuple[Network, ProgramPlan, Band, PlannedLaunch]:
    network = residual(768, 7)
    plan = plan_program(network, chip_named("mesh-2x2"))
    here = band(plan, "sum")
    return network, plan, here, here.launches[0]


def test_a_column_that_gathers_too_little_is_a_fault() -> None:
    network, plan, here, planned = gathering()
    cores = tuple(replace(work, blocks=(0, 48)) if work.column == 1 else work for work in planned.launch.cores)
    wrong = replace(here, launches=(replace(planned, launch=replace(planned.launch, cores=cores)),))
    faults = plan_faults(network, with_band(plan, "sum", wrong), chip_named("mesh-2x2"))
    assert any("column 1 gathers blocks [(0, 48), (0, 48)] of rows" in fault for fault in faults)


def test_slices_of_others_are_not_what_a_core_reads() -> None:
    network, plan, here, planned = gathering()
    swapped = {(0, 48): (48, 96), (48, 96): (0, 48)}
    cores = tuple(replace(work, blocks=swapped[work.blocks]) for work in planned.launch.cores)
    wrong = replace(here, launches=(replace(planned, launch=replace(planned.launch, cores=cores)),))
    faults = plan_faults(network, with_band(plan, "sum", wrong), chip_named("mesh-2x2"))
    assert any("is not input row 0 of map 1" in fault for fault in faults)


def test_a_map_stays_where_it_is_found_as_it_was_left() -> None:
    halves, thirds = ((0, 3), (3, 6)), ((0, 2), (2, 6))
    whole = ByChannels([], 0, Layout.SLICES, Layout.WHOLE, halves)
    sliced, others = (ByChannels([], 0, Layout.SLICES, Layout.SLICES, slices) for slices in (halves, thirds))
    several = ByChannels([], 0, Layout.WHOLE, Layout.SLICES, None)
    assert stays(BY_ROWS, BY_ROWS)
    assert stays(whole, BY_ROWS)
    assert stays(whole, several)
    assert stays(whole, sliced)
    assert stays(sliced, sliced)
    assert not stays(sliced, others)
    assert not stays(several, several)
    assert not stays(several, sliced)
    assert not stays(sliced, BY_ROWS)
    assert not stays(BY_ROWS, sliced)
