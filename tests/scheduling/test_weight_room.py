"""Weight slots are as long as the chunks of a network ask for, where that leaves room for something better."""

from dataclasses import replace

import numpy as np

from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import ProgramPlan, Segment
from compiler.scheduling.program import plan_program
from compiler.scheduling.weight_room import with_room
from compiler.tiling.arena import weight_slot_words
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, MapShape

CHIP = chip_named("npu1")


def wide_network() -> Network:
    """A 3x3 convolution whose rows leave room for few channels at a time."""
    shape = MapShape(256, 28, 28)
    gamma = np.ones((shape.blocks, shape.blocks), np.bool_)
    layer = Layer("conv", Kernel.CONV, shape, shape, (3, 3), pads=(1, 1, 1, 1), gamma=gamma)
    return Network((shape, shape), (ArrayStep("conv", ((layer, (0,)),), 1),), (1,))


NETWORK = wide_network()


def launches_of(plan: ProgramPlan) -> list[Launch]:
    """All of them."""
    segments = [segment for segment in plan.segments if isinstance(segment, Segment)]
    return [planned.launch for segment in segments for band in segment.bands for planned in band.launches]


def slot_of(plan: ProgramPlan) -> int:
    """Words of a weight slot, the same in all launches."""
    (slot,) = {launch.arena.weight_slot for launch in launches_of(plan)}
    return slot


def test_slots_shrink_to_the_longest_chunk() -> None:
    plan = plan_program(NETWORK, CHIP)
    longest = max(launch.chunk_words for launch in launches_of(plan))
    assert longest <= slot_of(plan) < longest + 16 < weight_slot_words(CHIP)
    assert plan_faults(NETWORK, plan, CHIP) == []


def test_a_network_that_fills_its_slots_is_planned_once() -> None:
    asked: list[Chip] = []

    def again(chip: Chip) -> ProgramPlan:
        asked.append(chip)
        return plan

    plan = plan_program(NETWORK, CHIP)
    tight = replace(CHIP, core_weight_bytes=8 * slot_of(plan))
    assert with_room(plan, tight, again) is plan
    assert asked == []
    with_room(plan, CHIP, again)
    assert [chip.core_weight_bytes for chip in asked] == [8 * slot_of(plan)]


def test_a_plan_that_does_not_fit_the_smaller_slots_is_no_loss() -> None:
    plan = plan_program(NETWORK, CHIP)

    def refused(chip: Chip) -> ProgramPlan:
        return plan_program(NETWORK, replace(chip, core_memory_bytes=4096))

    assert with_room(plan, CHIP, refused) is plan
