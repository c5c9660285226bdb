"""Programs of the cores: as few changes as possible, nothing stays in the MemTiles over one, and the checker knows."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, groupby

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies_networks import networks

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.code_size import kernels_bytes, unfit
from compiler.kernels.parameters import Kernel
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.configurations import in_configurations, kernels_of, torn_maps
from compiler.scheduling.configurations_checker import configuration_faults
from compiler.scheduling.network import ArrayStep, HostStep, Network, inputs_of, outputs_of
from compiler.scheduling.program import plan_program
from compiler.tiling.layer import Layer, MapShape

SHAPE = MapShape(8, 6, 6)
CHIP = chip_named("mesh-2x2")
MEMORIES = st.integers(3000, 16000)


def with_memory(program_memory_bytes: int) -> Chip:
    return CHIP.with_overrides({"program_memory_bytes": program_memory_bytes})


def with_room_for(*kernels: Kernel) -> Chip:
    """What these kernels take together, and nothing more."""
    return with_memory(-(-4 * kernels_bytes(kernels) // 3))


def chain_of(*kernels: Kernel | None) -> Network:
    """A map after the other; where there is no kernel, the host works."""
    gamma = np.ones((1, 1), np.bool_)
    steps = [
        HostStep(f"step{n}", (n,), (n + 1,))
        if kernel is None
        else ArrayStep(f"step{n}", ((Layer(f"step{n}", kernel, SHAPE, SHAPE, gamma=gamma), (n,)),), n + 1)
        for n, kernel in enumerate(kernels)
    ]
    return Network((SHAPE,) * (len(kernels) + 1), tuple(steps), (len(kernels),))


def cost(network: Network, cuts: tuple[int, ...]) -> tuple[int, int, int]:
    """Cuts, those between two steps of the array, and bytes of maps that are made before and wanted behind each."""
    alone = crossing = 0
    for cut in cuts:
        before, behind = network.steps[:cut], network.steps[cut:]
        alone += isinstance(before[-1], ArrayStep) and isinstance(behind[0], ArrayStep)
        made = {number for step in before if isinstance(step, ArrayStep) for number in outputs_of(step)}
        wanted = {number for step in behind for number in (*inputs_of(step), *outputs_of(step))}
        crossing += sum(network.maps[number].bytes for number in made & wanted)
    return len(cuts), alone, crossing


def cuts_of(network: Network) -> tuple[int, ...]:
    numbers = network.configurations
    return tuple(index for index in range(1, len(numbers)) if numbers[index] != numbers[index - 1])


@given(networks(steps=4), MEMORIES)
def test_no_other_cuts_cost_less(network: Network, program_memory_bytes: int) -> None:
    chip = with_memory(program_memory_bytes)
    kernels = [kernels_of(step) for step in network.steps]
    if any(unfit(called, chip) for called in kernels):
        with pytest.raises(CapacityError, match=r"layer '\w+' fits no core: its kernels take"):
            in_configurations(network, chip)
        return
    found = in_configurations(network, chip)
    assert configuration_faults(found, chip) == []
    event(f"{len(cuts_of(found))} cuts")
    # more cuts than these cost more whatever they cut
    for cuts in (c for n in range(len(cuts_of(found)) + 1) for c in combinations(range(1, len(kernels)), n)):
        runs = zip((0, *cuts), (*cuts, len(kernels)), strict=True)
        if not any(unfit(frozenset[Kernel]().union(*kernels[first:last]), chip) for first, last in runs):
            assert cost(network, cuts) >= cost(network, cuts_of(found))


@given(networks(steps=4, channels=24, side=8), MEMORIES)
def test_plans_of_several_programs_are_right(network: Network, program_memory_bytes: int) -> None:
    chip = with_memory(program_memory_bytes)
    try:
        plan = plan_program(network, chip)
    except CapacityError:
        event("refused")
        return
    event(f"{len(set(plan.network.configurations)) or 1} programs")
    assert plan_faults(network, plan, chip) == []
    assert not torn_maps(plan.network)


def test_the_array_is_loaded_anew_where_it_stops_for_the_host_anyway() -> None:
    network = chain_of(Kernel.CONV, Kernel.ADD, None, Kernel.ADD, Kernel.MAX_POOL)
    network = in_configurations(network, with_room_for(Kernel.CONV, Kernel.ADD))
    assert [len(list(group)) for _, group in groupby(network.configurations)] in ([2, 3], [3, 2])


def test_runs_apart_share_a_program() -> None:
    network = chain_of(Kernel.CONV, Kernel.AVG_POOL, Kernel.MAX_POOL, Kernel.CONV, Kernel.MAXIMUM)
    chip = with_room_for(Kernel.CONV, Kernel.MAXIMUM)
    assert in_configurations(network, chip).configurations == (0, 1, 1, 0, 0)


@pytest.fixture(name="chain")
def two_programs() -> tuple[Network, Chip]:
    """A network of two layers that fit one program, and a chip."""
    kernels = (Kernel.CONV, Kernel.REQUANTISE)
    return chain_of(*kernels), with_room_for(*kernels)


def test_a_program_that_is_too_large(chain: tuple[Network, Chip]) -> None:
    network, _ = chain
    chip, taken = with_room_for(Kernel.CONV), kernels_bytes((Kernel.CONV, Kernel.REQUANTISE))
    assert configuration_faults(replace(network, configurations=(0, 0)), chip) == [
        f"the kernels of program 0 take {taken} bytes, {kernels_bytes((Kernel.CONV,))} are set aside for them"
    ]


def test_a_change_too_many(chain: tuple[Network, Chip]) -> None:
    network, chip = chain
    assert configuration_faults(replace(network, configurations=(0, 1)), chip) == [
        "the program changes 1 times, 0 would do"
    ]
    assert configuration_faults(replace(network, configurations=(0,)), chip) == ["1 steps have a program, of 2"]


def test_what_stays_in_the_memtiles_over_a_change(chain: tuple[Network, Chip]) -> None:
    network, chip = chain
    plan = plan_program(network, chip)
    assert plan_faults(network, plan, chip) == []
    torn = replace(plan, network=replace(plan.network, configurations=(0, 1)))
    assert any("step 'step1': core (0, 0)" in fault for fault in plan_faults(network, torn, chip))
