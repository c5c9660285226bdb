"""Concatenations in place are the same network with fewer copies, and the checker knows when they are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from strategies_networks import networks

from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel, Parameter
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.in_place import concatenate_in_place
from compiler.scheduling.in_place_checker import in_place_faults
from compiler.scheduling.network import ArrayStep, HostStep, Network, Step
from compiler.scheduling.program import plan_program
from compiler.tiling.layer import Destination, Layer, MapShape

INPUT, LEFT, RIGHT, BOTH, LAST = MapShape(8, 6, 6), MapShape(8, 6, 6), MapShape(16, 6, 6), MapShape(24, 6, 6), 4
WHOLE = ((Parameter.CLAMP_LOW, -128), (Parameter.CLAMP_HIGH, 127))


def convolution(name: str, source: MapShape, output: MapShape) -> Layer:
    return Layer(name, Kernel.CONV, source, output, gamma=np.ones((output.blocks, source.blocks), np.bool_))


def copy(name: str, shape: MapShape, block: int, shift: int = 0) -> Layer:
    constants = ((Parameter.SHIFT, shift), *WHOLE)
    return Layer(name, Kernel.REQUANTISE, shape, shape, constants=constants, destination=Destination(block))


def inception(*, shift: int = 0, outputs: tuple[int, ...] = (LAST,)) -> Network:
    """Two branches of map 0, the maps 1 and 2, side by side in map 3, and a layer that reads it."""
    return Network(
        (INPUT, LEFT, RIGHT, BOTH, INPUT),
        (
            ArrayStep("left", ((convolution("left", INPUT, LEFT), (0,)),), 1),
            ArrayStep("right", ((convolution("right", INPUT, RIGHT), (0,)),), 2),
            ArrayStep("concat", ((copy("concat.0", LEFT, 0, shift), (1,)), (copy("concat.1", RIGHT, 1), (2,))), 3),
            ArrayStep("last", ((convolution("last", BOTH, INPUT), (3,)),), LAST),
        ),
        outputs,
    )


def names(network: Network) -> list[str]:
    return [step.name for step in network.steps]


def with_step(network: Network, index: int, **changes: object) -> Network:
    steps = list(network.steps)
    steps[index] = replace(steps[index], **changes)
    return replace(network, steps=tuple(steps))


def layer_of(step: Step) -> Layer:
    assert isinstance(step, ArrayStep)
    return step.parts[0][0]


def test_writers_pass_the_concatenation() -> None:
    merged = concatenate_in_place(inception())
    assert names(merged) == ["left", "right", "last"]
    assert merged.writers() == {3: (0, 1), LAST: (2,)}
    assert [layer_of(step).destination.block for step in merged.steps] == [0, 1, 0]


def test_what_is_rounded_is_copied_still() -> None:
    merged = concatenate_in_place(inception(shift=1))
    assert names(merged) == ["left", "right", "concat", "last"]
    assert merged.writers() == {1: (0,), 3: (1, 2), LAST: (3,)}


def test_what_others_read_is_copied_still() -> None:
    merged = concatenate_in_place(inception(outputs=(1, LAST)))
    assert merged.writers() == {1: (0,), 3: (1, 2), LAST: (3,)}


def test_what_the_host_makes_is_copied_still() -> None:
    given_network = inception()
    steps = (HostStep("left", (0,), (1,)), *given_network.steps[1:])
    merged = concatenate_in_place(replace(given_network, steps=steps))
    assert merged.writers() == {1: (0,), 3: (1, 2), LAST: (3,)}


def test_a_concatenation_that_must_stay_apart_stays() -> None:
    given_network = inception()
    assert concatenate_in_place(given_network, {3}) == given_network


@given(network=networks())
def test_every_network_keeps_its_numbers(network: Network) -> None:
    assert in_place_faults(network, concatenate_in_place(network)) == []


@pytest.mark.parametrize(
    ("index", "changes", "fault"),
    [
        (1, {"output": 2}, "map 3 is not made of the same parts"),
        (0, {"name": "other"}, "'left' is left out, but does more than copy"),
        (2, {"output": 3}, "reads map 3 before it is whole"),
    ],
)
def test_a_wrong_network_is_found(index: int, changes: dict[str, object], fault: str) -> None:
    given_network = inception()
    faults = in_place_faults(given_network, with_step(concatenate_in_place(given_network), index, **changes))
    assert any(fault in found for found in faults), faults


@pytest.mark.parametrize("block", [0, 2])
def test_blocks_at_the_wrong_place_are_found(block: int) -> None:
    given_network = inception()
    merged = concatenate_in_place(given_network)
    moved = replace(layer_of(merged.steps[1]), destination=Destination(block))
    changed = with_step(merged, 1, parts=((moved, (0,)),))
    assert in_place_faults(given_network, changed) == ["map 3 is not made of the same parts"]


def test_another_layer_is_found() -> None:
    given_network = inception()
    merged = concatenate_in_place(given_network)
    changed = with_step(merged, 1, parts=((replace(layer_of(merged.steps[1]), pads=(1, 0, 0, 0)), (0,)),))
    assert in_place_faults(given_network, changed) == ["step 'right' computes another layer 'right'"]


def test_a_concatenation_stays_apart_where_memory_is_scarce() -> None:
    """With less and less memory first in place, then as a step that can run in bands; the plan is right each time."""
    given_network = inception()
    in_place: list[bool] = []
    for memtile_bytes in (524288, 2048, 1536):
        chip = chip_named("mesh-1x1").with_overrides({"memtile_bytes": memtile_bytes})
        plan = plan_program(given_network, chip)
        assert plan_faults(given_network, plan, chip) == []
        in_place.append("concat" not in names(plan.network))
    assert in_place == [True, True, False]
