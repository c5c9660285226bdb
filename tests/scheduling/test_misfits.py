"""What is said of steps before planning is what planning finds, and what is left fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given
from strategies_networks import networks, tight_chips

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.misfits import misfits
from compiler.scheduling.network import ArrayStep, HostStep, Network, Step, inputs_of
from compiler.scheduling.placement_checker import placement_faults
from compiler.scheduling.program import plan_program
from compiler.tiling.layer import Layer, MapShape


def with_blocks(step: Step) -> Step:
    """Masks without any block mean that the weights are not known, and are asked as full ones."""
    if isinstance(step, HostStep):
        return step
    parts = [
        (layer if layer.gamma.any() else replace(layer, gamma=np.ones_like(layer.gamma)), maps)
        for layer, maps in step.parts
    ]
    return replace(step, parts=tuple(parts))


def on_host(network: Network, steps: dict[int, str]) -> Network:
    moved = [
        HostStep(step.name, inputs_of(step), (step.output,)) if index in steps and isinstance(step, ArrayStep) else step
        for index, step in enumerate(network.steps)
    ]
    return replace(network, steps=tuple(moved))


@given(network=networks(), chip=tight_chips())
def test_a_network_can_be_planned_just_if_each_of_its_steps_fits(network: Network, chip: Chip) -> None:
    network = replace(network, steps=tuple(map(with_blocks, network.steps)))
    found = misfits(network, chip)
    event("all fit" if not found else "some do not")
    assert all("would fit" in reason for reason in found.values())
    if found:
        with pytest.raises(CapacityError):
            plan_program(network, chip)
    assert misfits(on_host(network, found), chip) == {}
    plan_program(on_host(network, found), chip)


def test_a_network_on_the_host_alone_needs_no_memory_of_the_array() -> None:
    """The blocks of parameters of eight rows of cores take 4128 bytes."""
    chip = chip_named("mesh-8x8").with_overrides({"memtile_bytes": 4096})
    shape = MapShape(18, 11, 6)
    network = Network((shape, shape), (HostStep("only", (0,), (1,)),), (1,))
    plan = plan_program(network, chip)
    assert placement_faults(network, plan, chip) == []


def test_a_layer_whose_weights_are_not_known_is_asked_with_all_blocks() -> None:
    """49x49 taps of one 8x8 block are 154 kilobytes, more than a core has."""
    shape = MapShape(8, 64, 64)
    for gamma in (np.zeros((1, 1), np.bool_), np.ones((1, 1), np.bool_)):
        layer = Layer("large", Kernel.CONV, shape, MapShape(8, 16, 16), (49, 49), gamma=gamma)
        network = Network((shape, layer.output), (ArrayStep("large", ((layer, (0,)),), 1),), (1,))
        assert misfits(network, chip_named("npu1")).keys() == {0}


@pytest.mark.parametrize(("side", "left_out"), [(9, 0), (2, 1)])
def test_where_one_of_two_steps_fits_the_one_of_less_work_is_left_out(side: int, left_out: int) -> None:
    """
    41x121 pixels at once leave too little of a core for 121 taps of weights. They are 43 thousand products and bytes;
    the other layer is 631 thousand for an output of 9x9, and 32 thousand for one of 2x2.
    """
    block = np.ones((1, 1), np.bool_)
    far = Layer("far", Kernel.CONV, MapShape(8, 42, 122), MapShape(8, 2, 2), (3, 3), dilations=(20, 60), gamma=block)
    image, result = MapShape(8, side + 10, side + 10), MapShape(8, side, side)
    large = Layer("large", Kernel.CONV, image, result, (11, 11), gamma=block)
    steps = (ArrayStep("far", ((far, (0,)),), 2), ArrayStep("large", ((large, (1,)),), 3))
    network, chip = Network((far.input, image, far.output, result), steps, (2, 3)), chip_named("npu1")
    found = misfits(network, chip)
    assert found.keys() == {left_out}
    plan_program(on_host(network, found), chip)
    with pytest.raises(CapacityError):
        plan_program(network, chip)
