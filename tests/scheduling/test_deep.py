"""DEEP steps: chosen where they gain more than their maps' trips cost, and what their checker finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import PlannedLaunch, ProgramPlan, Segment
from compiler.scheduling.program import plan_program
from compiler.tiling.deep import PAGES, deep_rings
from compiler.tiling.layer import Layer, MapShape

CHIP = chip_named("mesh-2x2")


def two(channels: int, side: int) -> Network:
    """A 3x3 convolution and a 1x1 one behind it."""
    shape = MapShape(channels, side, side)
    gamma = np.ones((channels // 8, channels // 8), np.bool_)
    first = Layer("first", Kernel.CONV, shape, shape, (3, 3), pads=(1, 1, 1, 1), gamma=gamma)
    second = Layer("second", Kernel.CONV, shape, shape, gamma=gamma)
    steps = (ArrayStep("first", ((first, (0,)),), 1), ArrayStep("second", ((second, (1,)),), 2))
    return Network((shape,) * 3, steps, (2,))


def first_launch(plan: ProgramPlan) -> PlannedLaunch:
    segment = plan.segments[0]
    assert isinstance(segment, Segment)
    return segment.bands[0].launches[0]


def with_first(plan: ProgramPlan, changed: PlannedLaunch) -> ProgramPlan:
    segment = plan.segments[0]
    assert isinstance(segment, Segment)
    band = replace(segment.bands[0], launches=(changed, *segment.bands[0].launches[1:]))
    return replace(plan, segments=(replace(segment, bands=(band,)), *plan.segments[1:]))


@pytest.mark.parametrize("target", ["mesh-2x2", "mesh-3x2", "npu1"])
def test_many_channels_on_a_small_map_run_deep(target: str) -> None:
    chip, network = chip_named(target), two(512, 7)
    plan = plan_program(network, chip)
    launch = first_launch(plan).launch
    assert launch.rings is not None
    assert len(launch.slices) == chip.columns * chip.core_rows
    assert launch.sent == (7, 8), "rows of seven pixels, and the border between them"
    assert plan_faults(network, plan, chip) == []


def test_a_large_map_with_few_channels_does_not() -> None:
    launch = first_launch(plan_program(two(32, 40), CHIP)).launch
    assert launch.rings is None
    assert launch.flat is None


def test_a_chip_with_too_few_locks_does_without() -> None:
    scarce = CHIP.with_overrides({"memtile_locks": 6})
    assert first_launch(plan_program(two(512, 7), scarce)).launch.rings is None


def test_a_core_that_takes_no_part_stops_the_broadcast() -> None:
    network, plan = two(512, 7), plan_program(two(512, 7), CHIP)
    planned = first_launch(plan)
    fewer = replace(planned, launch=replace(planned.launch, cores=planned.launch.cores[1:]))
    faults = plan_faults(network, with_first(plan, fewer), CHIP)
    assert any("hear a broadcast that they take no part in" in fault for fault in faults)


def test_rings_are_those_of_the_launch() -> None:
    network, plan = two(512, 7), plan_program(two(512, 7), CHIP)
    planned = first_launch(plan)
    assert planned.ring is not None
    other = replace(planned, ring=replace(planned.ring, page_words=planned.ring.page_words + 16))
    faults = plan_faults(network, with_first(plan, other), CHIP)
    assert any("words, pages and cores; the launch has" in fault for fault in faults)


@pytest.mark.parametrize("shifted", [1, 8])
def test_a_tap_looks_at_its_own_pixel(shifted: int) -> None:
    network, plan = two(512, 7), plan_program(two(512, 7), CHIP)
    planned = first_launch(plan)
    assert planned.launch.flat is not None
    taps = tuple((plane, tap + shifted) for plane, tap in planned.launch.flat.taps)
    wrong = replace(planned, launch=replace(planned.launch, flat=replace(planned.launch.flat, taps=taps)))
    faults = plan_faults(network, with_first(plan, wrong), CHIP)
    assert any("of output row 0 in pass 0 is not row" in fault for fault in faults)


@pytest.mark.parametrize(("chunks", "words"), [(16, 2464), (8, 2224), (1, 16), (3, 1040), (64, 3072)])
def test_a_stream_fills_whole_turns_of_its_ring(chunks: int, words: int) -> None:
    chip: Chip = chip_named("npu1")
    rings = deep_rings(chip, chunks, words)
    assert rings is not None
    assert chunks * words % (PAGES * rings.page_words) == 0
    assert rings.bytes(chip) <= chip.memtile_bytes // 4
