"""The checker of matrix products finds operands that are not what a core multiplies; a right plan has no fault."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from strategies_networks import matmul_layer

from compiler.hardware.chip import chip_named
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import PlannedLaunch, ProgramPlan, Segment
from compiler.scheduling.program import plan_program
from compiler.tiling.launch import CoreWork
from compiler.tiling.layer import MapShape

CHIP = chip_named("mesh-2x2")
HEADS, TOKENS = 2, 24
FEATURES, SCORES = MapShape(32, 1, TOKENS), MapShape(HEADS * TOKENS, 1, TOKENS)


@cache
def network_of(transposed: bool) -> Network:
    """Q·Kᵀ, or P·V, of two heads; always the same one, since a plan is about the very layers it was made for."""
    layer = matmul_layer(FEATURES if transposed else SCORES, FEATURES, HEADS, transposed)
    return Network((layer.input, FEATURES, layer.output), (ArrayStep("product", ((layer, (0, 1)),), 2),), (2,))


def faults_of(transposed: bool, planned: PlannedLaunch | None = None) -> list[str]:
    """What is wrong with the plan, whose first launch may be another one."""
    network = network_of(transposed)
    plan = plan_program(network, CHIP)
    return plan_faults(network, plan if planned is None else with_first(plan, planned), CHIP)


def first_of(plan: ProgramPlan) -> PlannedLaunch:
    (segment,) = plan.segments
    assert isinstance(segment, Segment)
    return segment.bands[0].launches[0]


def with_first(plan: ProgramPlan, planned: PlannedLaunch) -> ProgramPlan:
    (segment,) = plan.segments
    assert isinstance(segment, Segment)
    first, *others = segment.bands
    changed = replace(first, launches=(planned, *first.launches[1:]))
    return replace(plan, segments=(replace(segment, bands=(changed, *others)),))


def with_core(transposed: bool, **changes: object) -> tuple[PlannedLaunch, CoreWork]:
    """The first launch with another first core."""
    planned = first_of(plan_program(network_of(transposed), CHIP))
    core, *others = planned.launch.cores
    changed = replace(core, **changes)
    return replace(planned, launch=replace(planned.launch, cores=(changed, *others))), changed


def expect(faults: list[str], expected: str) -> None:
    assert any(expected in fault for fault in faults), faults


@pytest.mark.parametrize("transposed", [False, True])
def test_the_plan_is_right_as_it_is(transposed: bool) -> None:
    assert faults_of(transposed) == []


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("operand", "fault"),
    [(0, f"the left operand is not {TOKENS} pixels of head"), (1, "the right operand of output block 0 is not that")],
)
def test_an_operand_lies_elsewhere(transposed: bool, operand: int, fault: str) -> None:
    """As many words arrive, from eight bytes further on."""
    planned = first_of(plan_program(network_of(transposed), CHIP))
    inputs = [*planned.inputs]
    inputs[operand] = replace(inputs[operand], address=inputs[operand].address + 8)
    expect(faults_of(transposed, replace(planned, inputs=tuple(inputs))), fault)


@pytest.mark.parametrize(("transposed", "per_head"), [(False, 2), (True, 3)])
def test_a_core_of_two_heads(transposed: bool, per_head: int) -> None:
    planned, _ = with_core(transposed, blocks=(per_head - 1, per_head + 1))
    expect(faults_of(transposed, planned), f"output blocks {(per_head - 1, per_head + 1)} of heads 0 to 1")


@pytest.mark.parametrize("transposed", [False, True])
def test_too_few_pixels_arrive(transposed: bool) -> None:
    planned = first_of(plan_program(network_of(transposed), CHIP))
    narrow = replace(planned.launch.fetch, columns=planned.launch.fetch.columns - 1)
    expect(faults_of(transposed, replace(planned, launch=replace(planned.launch, fetch=narrow))), "words arrive for")
