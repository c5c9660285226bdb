"""Additions at once: where they are possible, that time decides, and that the checker knows wrong ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from strategies_networks import networks

from compiler.errors import CapacityError
from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import LARGEST_WEIGHT_SHIFT, Kernel, Parameter, Rounding
from compiler.scheduling.additions import add_at_once
from compiler.scheduling.additions_checker import additions_apart
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.in_place_checker import in_place_faults
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import Segment
from compiler.scheduling.program import plan_program
from compiler.tiling.layer import Layer, MapShape

SHAPE = MapShape(64, 16, 16)
BEFORE = Layer("before", Kernel.REQUANTISE, SHAPE, SHAPE)
CONV = Layer("conv", Kernel.CONV, SHAPE, SHAPE, gamma=np.ones((8, 8), np.bool_))
ADD = Layer("conv.add", Kernel.ADD, SHAPE, SHAPE)


def residual(conv: Layer = CONV, add: Layer = ADD) -> Network:
    """Map 0 by a convolution into map 2, to which map 1 is added; map 1 comes from map 0, too."""
    steps = (
        ArrayStep("before", ((BEFORE, (0,)),), 1),
        ArrayStep("conv", ((conv, (0,)),), 2),
        ArrayStep("conv.add", ((add, (2, 1)),), 3),
    )
    return Network((SHAPE,) * 4, steps, (3,), frozenset({2}))


def always(layer: Layer) -> int:
    """Fewer layers are faster."""
    return 1


def names(network: Network) -> list[str]:
    return [step.name for step in network.steps]


def test_one_step_reads_both_maps() -> None:
    network = add_at_once(residual(), always)
    assert names(network) == ["before", "conv"]
    step = network.steps[1]
    assert isinstance(step, ArrayStep)
    ((layer, inputs),) = step.parts
    assert (layer.addition, inputs, step.output) == (ADD, (0, 1), 3)


def test_what_takes_longer_stays_apart() -> None:
    assert add_at_once(residual(), lambda layer: 3 if layer.addition is not None else 1) == residual()


def test_what_does_not_fit_stays_apart_and_what_does_not_fit_apart_is_made_at_once() -> None:
    def refuse(together: bool) -> Network:
        def cycles(layer: Layer) -> int:
            if (layer.addition is not None) == together:
                raise CapacityError("too large")
            return 1

        return add_at_once(residual(), cycles)

    assert refuse(together=True) == residual()
    assert names(refuse(together=False)) == ["before", "conv"]


@pytest.mark.parametrize(
    "network",
    [
        residual(conv=replace(CONV, kernel_size=(3, 1), pads=(1, 0, 1, 0))),
        residual(conv=replace(CONV, constants=((Parameter.ROUNDING, Rounding.HALF_UP),))),
        residual(add=replace(ADD, constants=((Parameter.SHIFT_B, LARGEST_WEIGHT_SHIFT + 1),))),
        replace(residual(), hidden=frozenset()),
        replace(residual(), outputs=(2, 3)),
        replace(residual(), steps=(*residual().steps, ArrayStep("again", ((ADD, (2, 3)),), 2))),
    ],
    ids=["three rows", "another rounding", "shifts too far", "a name", "an output", "another reader"],
)
def test_what_cannot_be_made_at_once_stays_apart(network: Network) -> None:
    assert add_at_once(network, always) == network


def test_the_result_takes_the_place_of_what_is_added() -> None:
    plan = plan_program(residual(), chip_named("mesh-2x2"))
    assert names(plan.network) == ["before", "conv"]
    places = {buffer.number: buffer.address for buffer in plan.buffers if buffer.stripes is not None}
    assert places[3] == places[1] != places[0]
    assert plan_faults(residual(), plan, chip_named("mesh-2x2")) == []


@given(network=networks())
def test_apart_they_are_the_given_network(network: Network) -> None:
    planned = add_at_once(network, always)
    assert in_place_faults(network, additions_apart(network, planned)) == []


def test_another_addition_is_found() -> None:
    planned = add_at_once(residual(), always)
    (before, step) = planned.steps
    assert isinstance(step, ArrayStep)
    ((layer, inputs),) = step.parts
    wrong = [
        ((replace(layer, addition=replace(ADD, constants=((Parameter.SHIFT_A, 1),))), inputs),),
        ((layer, (inputs[1], inputs[0])),),
        ((layer, (0, 0)),),
    ]
    for parts in wrong:
        changed = replace(planned, steps=(before, replace(step, parts=parts)))
        assert in_place_faults(residual(), additions_apart(residual(), changed))


def test_a_skip_row_of_another_place_is_found() -> None:
    chip = chip_named("mesh-2x2")
    plan = plan_program(residual(), chip)
    segment = plan.segments[1]
    assert isinstance(segment, Segment)
    (launch,) = segment.bands[0].launches
    # the rows to add are looked for in the convolution's input
    moved = replace(launch.inputs[1], address=launch.inputs[0].address)
    changed = replace(launch, inputs=(launch.inputs[0], moved))
    band = replace(segment.bands[0], launches=(changed,))
    faults = plan_faults(residual(), replace(plan, segments=(plan.segments[0], replace(segment, bands=(band,)))), chip)
    assert any("does not bring row" in fault for fault in faults), faults
