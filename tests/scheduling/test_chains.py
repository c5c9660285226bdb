"""Chains are found where DDR is slow, are right, and the checker sees what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_networks import networks, tight_chips, window_layers

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.chains import band_rows, chain_of, chains_apart, with_chains
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import ArrayStep, HostStep, Network, inputs_of
from compiler.scheduling.plan import Band, MapBuffer, PlannedLaunch, ProgramPlan, Segment
from compiler.scheduling.program import plan_program
from compiler.scheduling.stripes import even_stripes
from compiler.tiling.layer import Layer, MapShape

SHAPE, SMALL = MapShape(16, 128, 24), MapShape(16, 64, 12)


def conv(name: str) -> Layer:
    return Layer(name, Kernel.CONV, SHAPE, SHAPE, (3, 3), pads=(1, 1, 1, 1), gamma=np.ones((2, 2), np.bool_))


POOL = Layer("pool", Kernel.MAX_POOL, SHAPE, SMALL, (2, 2), (2, 2))
NETWORK = Network(
    (SHAPE, SHAPE, SHAPE, SMALL, SMALL),
    (
        ArrayStep("first", ((conv("first"), (0,)),), 1),
        ArrayStep("second", ((conv("second"), (1,)),), 2),
        ArrayStep("pool", ((POOL, (2,)),), 3),
        HostStep("host", (3,), (4,)),
    ),
    (4,),
)
CHIP = chip_named("mesh-4x2").with_overrides({"memtile_bytes": 24576, "ddr_bytes_per_cycle": 1})


@cache
def the_plan() -> ProgramPlan:
    return plan_program(NETWORK, CHIP)


def chain_in(plan: ProgramPlan) -> Segment:
    segment = plan.segments[0]
    assert isinstance(segment, Segment)
    return segment


def with_bands(change: Callable[[Band], Band], plan: ProgramPlan | None = None) -> ProgramPlan:
    """The plan with all bands of its chain changed."""
    plan = plan or the_plan()
    segment = chain_in(plan)
    return replace(plan, segments=(replace(segment, bands=tuple(map(change, segment.bands))), *plan.segments[1:]))


def with_launches(change: Callable[[PlannedLaunch], PlannedLaunch]) -> ProgramPlan:
    return with_bands(lambda band: replace(band, launches=tuple(map(change, band.launches))))


def with_buffer(old: MapBuffer, new: MapBuffer) -> ProgramPlan:
    """The plan with another place or life of a buffer inside the chain."""

    def of(one: MapBuffer) -> MapBuffer:
        return new if one == old else one

    changed = with_launches(lambda each: replace(each, inputs=tuple(map(of, each.inputs)), output=of(each.output)))
    return replace(changed, buffers=tuple(map(of, changed.buffers)))


def inner(band: Band, number: int) -> MapBuffer:
    return next(made for made in band.outputs if made.number == number)


def check(plan: ProgramPlan, expected: str, chip: Chip = CHIP) -> None:
    faults = plan_faults(NETWORK, plan, chip)
    assert any(expected in fault for fault in faults), faults


def test_steps_run_together_where_ddr_is_slow() -> None:
    segment = chain_in(the_plan())
    assert segment.name == "first+second+pool"
    assert len(segment.bands) > 2
    assert {made.number for band in segment.bands for made in band.outputs} == {1, 2, 3}
    assert {1, 2}.isdisjoint(the_plan().ddr_maps)
    assert plan_faults(NETWORK, the_plan(), CHIP) == []


def test_halos_are_computed_again() -> None:
    """Two rows of the first map are made in both of two bands, and in both of two columns."""
    bands = chain_in(the_plan()).bands
    first, second, last = (inner(band, 1).stripes or () for band in (bands[0], bands[1], bands[-1]))
    assert second[0][0] == first[0][1] - 2
    assert first[1][0] == last[0][1] - 2


def test_a_step_reads_rows_that_were_not_made_in_this_band() -> None:
    """Even where the band before left them: nothing says that it has."""
    bands = chain_in(the_plan()).bands
    earlier = {inner(after, 2): inner(before, 2) for before, after in pairwise(bands)}
    plan = with_launches(lambda each: replace(each, inputs=tuple(earlier.get(one, one) for one in each.inputs)))
    check(plan, "is used in band 1, it lives in (0, 1)")
    check(plan, "has row")


def test_a_step_of_the_chain_is_left_out_of_its_bands() -> None:
    plan = with_bands(lambda band: replace(band, launches=tuple(p for p in band.launches if p.output.number != 2)))
    check(plan, "is not input row")


def test_a_step_comes_before_the_one_whose_rows_it_reads() -> None:
    plan = with_bands(lambda band: replace(band, launches=band.launches[::-1]))
    check(plan, "is not input row")


def test_rows_inside_lie_where_others_are_filled() -> None:
    band = chain_in(the_plan()).bands[1]
    made, filled = inner(band, 1), band.fills[0].memtile
    changed = with_buffer(made, replace(made, address=filled.address))
    check(changed, "meet in MemTiles")
    check(changed, "reads what another core of the launch writes")


def test_rows_inside_live_in_their_band() -> None:
    made = inner(chain_in(the_plan()).bands[1], 1)
    check(with_buffer(made, replace(made, live=(2, 3))), "is used in band 1, it lives in (2, 3)")


def test_a_launch_writes_another_map_of_the_chain() -> None:
    bands = chain_in(the_plan()).bands
    other = {inner(band, 1): inner(band, 2) for band in bands}
    check(with_launches(lambda each: replace(each, output=other.get(each.output, each.output))), "computes no part")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (lambda network: replace(network, outputs=(1, 4)), "map 1 is inside, but an output of the network"),
        (
            lambda network: replace(network, steps=(*network.steps, HostStep("late", (2,), (4,)))),
            "map 2 is inside, but step 'late' reads it",
        ),
        (
            lambda network: replace(network, steps=(HostStep("early", (0,), (2,)), *network.steps)),
            "map 2 is inside, but several steps write it",
        ),
        (
            lambda network: replace(
                network, steps=(replace(network.steps[0], before=network.steps[0].before[::-1]), *network.steps[1:])
            ),
            "does not read map 2 of the step before it",
        ),
    ],
)
def test_a_network_that_looks_into_a_chain(changed: Callable[[Network], Network], expected: str) -> None:
    check(replace(the_plan(), network=changed(the_plan().network)), expected)


def test_a_chain_that_lacks_a_step() -> None:
    network = the_plan().network
    step = network.steps[0]
    assert isinstance(step, ArrayStep)
    shorter = replace(network, steps=(replace(step, before=step.before[1:]), *network.steps[1:]))
    check(replace(the_plan(), network=shorter), "step 'first' is left out")


def test_a_map_that_somebody_asks_for_stays_out_of_chains() -> None:
    asked = replace(NETWORK, outputs=(1, 4))
    plan = plan_program(asked, CHIP)
    assert [segment.name for segment in plan.segments if isinstance(segment, Segment)] == ["first", "second+pool"]
    assert plan_faults(asked, plan, CHIP) == []


def test_a_sum_may_read_a_map_inside_its_own_chain_and_one_from_outside() -> None:
    """The skip goes around the second convolution, or around both."""
    for skipped in (1, 0):
        add = ArrayStep("add", ((Layer("add", Kernel.ADD, SHAPE, SHAPE), (skipped, 2)),), 3)
        network = Network((SHAPE,) * 4, (*NETWORK.steps[:2], add), (3,))
        plan = plan_program(network, CHIP)
        assert [segment.name for segment in plan.segments if isinstance(segment, Segment)] == ["first+second+add"]
        assert plan_faults(network, plan, CHIP) == []


def test_chains_can_be_taken_apart() -> None:
    chained = with_chains(replace(NETWORK, configurations=(0, 0, 0, 1)), [(0, 3)])
    assert chained.configurations == (0, 1)
    assert chains_apart(chained) == replace(NETWORK, configurations=(0, 0, 0, 1))
    assert inputs_of(chained.steps[0]) == (0,)
    again = with_chains(with_chains(NETWORK, [(1, 3)]), [(0, 2)])
    assert again == with_chains(NETWORK, [(0, 3)])


@given(data=st.data(), columns=st.integers(1, 5))
def test_rows_of_a_band_are_those_that_its_pixels_depend_on(data: st.DataObject, columns: int) -> None:
    """Held against a walk from output rows to the rows of their windows."""
    shape = MapShape(8, data.draw(st.integers(1, 30)), 4)
    layers: list[Layer] = []
    for number in range(data.draw(st.integers(1, 3))):
        layers.append(data.draw(window_layers(Kernel.CONV, shape, 8, f"layer{number}")))
        shape = layers[-1].output
    steps = [ArrayStep(layer.name, ((layer, (n,)),), n + 1) for n, layer in enumerate(layers)]
    rows = band_rows(chain_of(steps), even_stripes((0, shape.height), columns))
    for column, (first, last) in enumerate(rows[len(layers)]):
        wanted = set(range(first, last))
        for number, layer in reversed(list(enumerate(layers))):
            window = range(-layer.pads[0], (layer.kernel_size[0] - 1) * layer.dilations[0] + 1 - layer.pads[0])
            seen = {row * layer.strides[0] + below for row in wanted for below in window}
            wanted = {row for row in seen if 0 <= row < layer.input.height}
            low, high = rows[number][column]
            assert wanted <= set(range(low, high))
            if wanted:
                assert (low, high) == (min(wanted), max(wanted) + 1)
                wanted = set(range(low, high))


@given(network=networks(steps=5, channels=20, side=40), chip=tight_chips())
def test_any_plan_with_chains_is_right(network: Network, chip: Chip) -> None:
    slow = chip.with_overrides({"ddr_bytes_per_cycle": 1, "memtile_bytes": min(chip.memtile_bytes, 8192)})
    try:
        plan = plan_program(network, slow)
    except CapacityError:
        return
    assert plan_faults(network, plan, slow) == []
