"""Maps that are gathered through the cores: where that is done, and what is no gather."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.deep_checker import broadcast_faults
from compiler.scheduling.gathers import copied_maps, gathers_apart, on_copy
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import Band, ProgramPlan, Segment
from compiler.scheduling.program import plan_program
from compiler.tiling.channels import copy_layer, striped_gather
from compiler.tiling.layer import Layer, MapShape


def chain(channels: int, side: int, count: int = 3) -> Network:
    """Convolutions one behind the other."""
    shape = MapShape(channels, side, side)
    gamma = np.ones((channels // 8, channels // 8), np.bool_)
    layers = [
        Layer(f"conv{n}", Kernel.CONV, shape, shape, (3, 3), pads=(1, 1, 1, 1), gamma=gamma) for n in range(count)
    ]
    steps = tuple(ArrayStep(layer.name, ((layer, (n,)),), n + 1) for n, layer in enumerate(layers))
    return Network((shape,) * (count + 1), steps, (count,), frozenset(range(1, count)))


def bands(plan: ProgramPlan) -> dict[str, Band]:
    """The one band of each step."""
    return {segment.name: segment.bands[0] for segment in plan.segments if isinstance(segment, Segment)}


@pytest.mark.parametrize("target", ["npu1", "mesh-2x2", "mesh-3x3"])
def test_maps_between_deep_steps_are_gathered(target: str) -> None:
    chip, network = chip_named(target), chain(512, 7)
    plan = plan_program(network, chip)
    assert plan_faults(network, plan, chip) == []
    found = bands(plan)
    assert [*found] == ["conv0", "conv0.gather", "conv1", "conv1.gather", "conv2"]
    for name, band in found.items():
        (planned,) = band.launches
        assert planned.launch.gathers == name.endswith("gather")
        assert bool(band.fills) == (name == "conv0")
        assert bool(band.spills) == (name == "conv2")
    assert copied_maps(plan.network, len(network.maps)) == [1, 2]


def test_a_map_in_rows_is_gathered_for_a_deep_step() -> None:
    small, large = MapShape(64, 14, 14), MapShape(512, 14, 14)
    first = Layer("first", Kernel.CONV, small, large, gamma=np.ones((64, 8), np.bool_))
    output = MapShape(512, 7, 7)
    gamma = np.ones((64, 64), np.bool_)
    second = Layer("second", Kernel.CONV, large, output, (3, 3), (2, 2), (1, 1, 0, 0), gamma=gamma)
    steps = (ArrayStep("first", ((first, (0,)),), 1), ArrayStep("second", ((second, (1,)),), 2))
    network, chip = Network((small, large, output), steps, (2,)), chip_named("npu1")
    plan = plan_program(network, chip)
    assert plan_faults(network, plan, chip) == []
    (gather,) = bands(plan)["first.gather"].launches
    assert {work.blocks for work in gather.launch.cores} == {(0, 64)}
    assert {work.output_rows for work in gather.launch.cores} == {(0, 4), (4, 8), (8, 12), (12, 14)}
    assert bands(plan)["second"].fills == ()


@pytest.mark.parametrize("target", ["mesh-2x4", "npu2"])
def test_columns_that_do_not_hear_each_other_gather_nothing(target: str) -> None:
    chip, network = chip_named(target), chain(512, 7)
    plan = plan_program(network, chip)
    assert plan_faults(network, plan, chip) == []
    assert [*bands(plan)] == ["conv0", "conv1", "conv2"]


def test_a_map_that_fills_the_memtiles_is_not_there_twice() -> None:
    chip = chip_named("npu1").with_overrides({"memtile_bytes": 98304})
    plan = plan_program(chain(512, 7), chip)
    assert not any(name.endswith("gather") for name in bands(plan))


def test_a_column_without_rows_broadcasts_none() -> None:
    chip = chip_named("npu1")
    layer = copy_layer("copy", MapShape(64, 3, 3))
    assert striped_gather(layer, chip, [(0, 1), (1, 2), (2, 3), (3, 3)]) is None


def test_names_of_gathers_are_new() -> None:
    network = chain(512, 7)
    taken = replace(network.steps[2], name="conv0.gather")
    renamed = replace(network, steps=(*network.steps[:2], taken))
    assert [*bands(plan_program(renamed, chip_named("npu1")))][:3] == ["conv0", "conv0.gather_", "conv1"]


@pytest.mark.parametrize(
    "changed",
    [
        {"constants": ((*copy_layer("", MapShape(512, 7, 7)).constants[:-1],))},
        {"output": MapShape(512, 6, 7)},
        {"kernel": Kernel.ADD},
    ],
)
def test_what_does_more_than_copy_is_no_gather(changed: dict[str, object]) -> None:
    network, chip = chain(512, 7), chip_named("npu1")
    plan = plan_program(network, chip)
    assert gathers_apart(network, plan.network) == network
    steps = [*plan.network.steps]
    gather = steps[1]
    assert isinstance(gather, ArrayStep)
    ((layer, inputs),) = gather.parts
    steps[1] = replace(gather, parts=((replace(layer, **changed), inputs),))
    wrong = replace(plan, network=replace(plan.network, steps=tuple(steps)))
    assert "the plan is of a network with other maps or outputs" in plan_faults(network, wrong, chip)


def test_a_broadcast_brings_everybody_the_same() -> None:
    network, chip = chain(512, 7), chip_named("npu1")
    plan = plan_program(network, chip)
    (planned,) = bands(plan)["conv0.gather"].launches
    swapped = {(0, 16): (16, 32), (16, 32): (0, 16)}
    cores = [
        replace(work, blocks=swapped.get(work.blocks, work.blocks)) if work.column == 2 else work
        for work in planned.launch.cores
    ]
    faults = broadcast_faults(replace(planned.launch, cores=tuple(cores)), chip)
    assert [fault[:64] for fault in faults] == [
        f"cores take rows and blocks {[((0, 7), blocks) for blocks in swapped]}"[:64]
    ] * 2


def test_a_gather_that_leaves_rows_out_is_a_fault() -> None:
    network, chip = chain(512, 7), chip_named("npu1")
    plan = plan_program(network, chip)
    segments = [*plan.segments]
    gather = segments[1]
    assert isinstance(gather, Segment)
    band = gather.bands[0]
    (planned,) = band.launches
    cores = tuple(replace(work, output_rows=(0, 6)) if work.column == 2 else work for work in planned.launch.cores)
    launch = replace(planned.launch, cores=cores)
    segments[1] = replace(gather, bands=(replace(band, launches=(replace(planned, launch=launch),)),))
    faults = plan_faults(network, replace(plan, segments=tuple(segments)), chip)
    assert any("column 2 gathers" in fault for fault in faults)


def strided() -> Network:
    """A convolution of single pixels with strides behind one in rows."""
    small, large, output = MapShape(64, 14, 14), MapShape(1024, 14, 14), MapShape(1024, 7, 7)
    first = Layer("first", Kernel.CONV, small, large, gamma=np.ones((128, 8), np.bool_))
    second = Layer("second", Kernel.CONV, large, output, strides=(2, 2), gamma=np.ones((128, 128), np.bool_))
    steps = (ArrayStep("first", ((first, (0,)),), 1), ArrayStep("second", ((second, (1,)),), 2))
    return Network((small, large, output), steps, (2,))


@pytest.mark.parametrize("target", ["npu1", "mesh-3x3"])
def test_of_single_pixels_only_those_are_gathered_that_strides_find(target: str) -> None:
    network, chip = strided(), chip_named(target)
    plan = plan_program(network, chip)
    assert plan_faults(network, plan, chip) == []
    (gather,) = bands(plan)["first.gather"].launches
    assert gather.output.shape == MapShape(1024, 7, 7)
    assert gather.launch.fetch.column_step == gather.launch.fetch.row_step == 2
    (second,) = bands(plan)["second"].launches
    assert second.launch.rings is not None
    assert second.launch.whole.strides == (1, 1)


def test_a_copy_of_some_pixels_serves_nobody_who_looks_at_others() -> None:
    small = MapShape(8, 14, 14)
    conv = Layer("conv", Kernel.CONV, small, MapShape(8, 7, 7), (1, 1), (2, 2))
    seen = on_copy(conv, (2, 2))
    assert seen is not None
    assert (seen.input, seen.strides) == (MapShape(8, 7, 7), (1, 1))
    assert on_copy(replace(conv, kernel_size=(3, 3)), (2, 2)) is None
    assert on_copy(replace(conv, pads=(1, 1, 0, 0)), (2, 2)) is None
    assert on_copy(conv, (1, 2)) is None


def test_a_reader_of_a_copy_without_strides_is_another_layer() -> None:
    network, chip = strided(), chip_named("npu1")
    plan = plan_program(network, chip)
    steps = [*plan.network.steps]
    second = steps[2]
    assert isinstance(second, ArrayStep)
    ((layer, inputs),) = second.parts
    steps[2] = replace(second, parts=((replace(layer, pads=(1, 0, 0, 0)), inputs),))
    wrong = replace(plan, network=replace(plan.network, steps=tuple(steps)))
    assert "step 'second' computes another layer 'second'" in plan_faults(network, wrong, chip)


def test_a_map_is_gathered_right_before_it_is_read() -> None:
    network, chip = strided(), chip_named("npu1")
    first, second = network.steps
    shape = MapShape(16, 14, 14)
    other = Layer("other", Kernel.CONV, network.maps[1], shape, gamma=np.ones((2, 128), np.bool_))
    steps = (first, ArrayStep("other", ((other, (1,)),), 3), second)
    plan = plan_program(replace(network, maps=(*network.maps, shape), steps=steps, outputs=(2, 3)), chip)
    assert [*bands(plan)] == ["first", "other", "first.gather", "second"]
