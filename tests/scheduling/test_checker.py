"""The checker finds what it is there for: one right plan, made wrong in one place at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import ArrayStep, HostStep, Network
from compiler.scheduling.plan import Band, HostSegment, MapBuffer, PlannedLaunch, ProgramPlan, Segment, Transfer
from compiler.scheduling.program import plan_program
from compiler.tiling.arena import Arena
from compiler.tiling.fetch import Fetch
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, MapShape

CHIP = chip_named("mesh-2x2")
SHAPE = MapShape(16, 8, 8)
CONV = Layer("conv", Kernel.CONV, SHAPE, SHAPE, (3, 3), pads=(1, 1, 1, 1), gamma=np.ones((2, 2), np.bool_))
RESIDUAL = Network(
    (SHAPE,) * 5,
    (
        ArrayStep("first", ((CONV, (0,)),), 1),
        ArrayStep("second", ((CONV, (1,)),), 2),
        ArrayStep("add", ((Layer("add", Kernel.ADD, SHAPE, SHAPE), (1, 2)),), 3),
        HostStep("host", (3,), (4,)),
    ),
    (4,),
)
FIRST, SECOND, ADD, HOST = range(4)


@cache
def the_plan() -> ProgramPlan:
    """Two convolutions, an addition that writes over one of its operands, host."""
    return plan_program(RESIDUAL, CHIP)


def segment(plan: ProgramPlan, index: int) -> Segment:
    found = plan.segments[index]
    assert isinstance(found, Segment)
    return found


def with_segment(plan: ProgramPlan, index: int, changed: Segment | HostSegment) -> ProgramPlan:
    segments = [*plan.segments]
    segments[index] = changed
    return replace(plan, segments=tuple(segments))


def with_band(plan: ProgramPlan, index: int, band: Band) -> ProgramPlan:
    return with_segment(plan, index, replace(segment(plan, index), bands=(band,)))


def with_launch(plan: ProgramPlan, index: int, **changes: object) -> ProgramPlan:
    """The first launch of a segment with some fields replaced."""
    band = segment(plan, index).bands[0]
    planned = band.launches[0]
    changed = replace(planned, launch=replace(planned.launch, **changes))
    return with_band(plan, index, replace(band, launches=(changed, *band.launches[1:])))


def launch_of(plan: ProgramPlan, index: int) -> Launch:
    return segment(plan, index).bands[0].launches[0].launch


def moved(plan: ProgramPlan, old: MapBuffer, new: MapBuffer) -> ProgramPlan:
    """The plan with one buffer replaced wherever it appears."""

    def buffer(one: MapBuffer) -> MapBuffer:
        return new if one == old else one

    def transfers(several: tuple[Transfer, ...]) -> tuple[Transfer, ...]:
        return tuple(replace(one, ddr=buffer(one.ddr), memtile=buffer(one.memtile)) for one in several)

    def launches(several: tuple[PlannedLaunch, ...]) -> tuple[PlannedLaunch, ...]:
        return tuple(PlannedLaunch(p.launch, tuple(map(buffer, p.inputs)), buffer(p.output)) for p in several)

    segments: list[Segment | HostSegment] = []
    for one in plan.segments:
        if isinstance(one, Segment):
            bands = (Band(transfers(b.fills), launches(b.launches), transfers(b.spills)) for b in one.bands)
            segments.append(replace(one, bands=tuple(bands)))
        else:
            segments.append(
                replace(one, inputs=tuple(map(buffer, one.inputs)), outputs=tuple(map(buffer, one.outputs)))
            )
    return replace(
        plan,
        buffers=tuple(map(buffer, plan.buffers)),
        segments=tuple(segments),
        ddr_maps={number: buffer(one) for number, one in plan.ddr_maps.items()},
    )


def check(plan: ProgramPlan, expected: str) -> None:
    faults = plan_faults(RESIDUAL, plan, CHIP)
    assert any(expected in fault for fault in faults), faults


def test_the_plan_is_right_as_it_is() -> None:
    assert plan_faults(RESIDUAL, the_plan(), CHIP) == []


def test_the_addition_writes_over_an_operand() -> None:
    plan = the_plan()
    planned = segment(plan, ADD).bands[0].launches[0]
    assert planned.output.address in {buffer.address for buffer in planned.inputs}


def test_a_segment_is_missing() -> None:
    plan = the_plan()
    check(replace(plan, segments=plan.segments[:-1]), "3 segments for 4 steps")


def test_segments_are_exchanged() -> None:
    plan = the_plan()
    check(replace(plan, segments=plan.segments[::-1]), "another kind of segment")


@pytest.mark.parametrize(
    ("address", "fault"),
    [(1 << 20, "lies at"), (32, "lies at"), (0, "meet in MemTiles")],
)
def test_a_buffer_lies_where_it_may_not(address: int, fault: str) -> None:
    plan = the_plan()
    output = segment(plan, FIRST).bands[0].launches[0].output
    # address 0 belongs to the largest buffer, another one takes its place
    victim = output if output.address != 0 else segment(plan, FIRST).bands[0].launches[0].inputs[0]
    check(moved(plan, victim, replace(victim, address=address)), fault)


def test_two_buffers_share_a_place_without_leave() -> None:
    plan = the_plan()
    band = segment(plan, FIRST).bands[0].launches[0]
    check(moved(plan, band.output, replace(band.output, address=band.inputs[0].address)), "meet in MemTiles")


def test_an_output_over_its_input_is_read_while_it_is_written() -> None:
    plan = the_plan()
    band = segment(plan, FIRST).bands[0].launches[0]
    changed = moved(plan, band.output, replace(band.output, address=band.inputs[0].address))
    check(changed, "reads what another core of the launch writes")
    check(changed, "writes over its own input")


def test_an_overlap_destroys_what_is_read_later() -> None:
    plan = the_plan()
    kept, lost = segment(plan, ADD).bands[0].launches[0].inputs
    check(moved(plan, lost, replace(lost, address=kept.address)), "is not input row")


def test_a_buffer_is_too_small_for_its_rows() -> None:
    plan = the_plan()
    output = segment(plan, FIRST).bands[0].launches[0].output
    check(moved(plan, output, replace(output, size=output.size // 2)), "bytes for 4 rows")


def test_a_buffer_is_used_after_its_life() -> None:
    plan = the_plan()
    ddr = plan.ddr_maps[3]
    check(moved(plan, ddr, replace(ddr, live=(2, 3))), "is used in band 3, it lives in (2, 3)")


def test_the_memtiles_are_smaller_than_the_plan() -> None:
    plan = the_plan()
    small = CHIP.with_overrides({"memtile_bytes": plan.memtile_height - 64})
    assert any("in use" in fault for fault in plan_faults(RESIDUAL, plan, small))


def test_a_fill_is_forgotten() -> None:
    plan = the_plan()
    band = segment(plan, FIRST).bands[0]
    check(with_band(plan, FIRST, replace(band, fills=band.fills[1:])), "is not input row")


def test_a_fill_takes_another_stripe() -> None:
    plan = the_plan()
    band = segment(plan, FIRST).bands[0]
    first = replace(band.fills[0], rows=(6, 8))
    check(with_band(plan, FIRST, replace(band, fills=(first, *band.fills[1:]))), "not in that stripe")


def test_a_spill_is_forgotten() -> None:
    plan = the_plan()
    band = segment(plan, ADD).bands[0]
    check(with_band(plan, ADD, replace(band, spills=band.spills[:1])), "map 3 is not whole in DDR")


def test_spills_come_before_the_work() -> None:
    plan = the_plan()
    band = segment(plan, ADD).bands[0]
    early = replace(band, launches=(), spills=band.spills)
    late = replace(band, fills=(), spills=())
    changed = with_segment(plan, ADD, replace(segment(plan, ADD), bands=(early, late)))
    check(changed, "are moved to DDR, but do not lie there")


def test_an_operand_is_another_map() -> None:
    plan = the_plan()
    band = segment(plan, ADD).bands[0]
    planned = replace(band.launches[0], inputs=band.launches[0].inputs[::-1])
    check(with_band(plan, ADD, replace(band, launches=(planned,))), "a launch reads maps [2, 1]")


def test_a_core_is_left_out() -> None:
    plan = the_plan()
    check(with_launch(plan, FIRST, cores=launch_of(plan, FIRST).cores[1:]), "is computed 0 times")


def test_a_core_works_twice() -> None:
    plan = the_plan()
    cores = launch_of(plan, FIRST).cores
    changed = with_launch(plan, FIRST, cores=(*cores, cores[0]))
    check(changed, "has two shares")
    check(changed, "is computed 2 times")
    check(changed, "written twice in one launch")


def test_pixels_are_computed_more_often_than_a_byte_counts() -> None:
    plan = the_plan()
    band = segment(plan, FIRST).bands[0]
    check(with_band(plan, FIRST, replace(band, launches=257 * band.launches)), "is computed 257 times")


def test_a_core_gets_too_few_rows() -> None:
    plan = the_plan()
    cores = launch_of(plan, FIRST).cores
    low, high = cores[0].input_rows
    changed = replace(cores[0], input_rows=(low, high - 1))
    check(with_launch(plan, FIRST, cores=(changed, *cores[1:])), "is missing from the stream")


def test_a_core_gets_rows_from_one_too_far() -> None:
    plan = the_plan()
    cores = launch_of(plan, FIRST).cores
    low, high = cores[0].input_rows
    changed = replace(cores[0], input_rows=(low + 1, high + 1))
    faults = plan_faults(RESIDUAL, with_launch(plan, FIRST, cores=(changed, *cores[1:])), CHIP)
    assert faults


@pytest.mark.parametrize(
    ("share", "fault"),
    [
        ({"output_rows": (6, 9)}, "computes rows (6, 9), its map has 8"),
        ({"blocks": (-1, 1)}, "computes output blocks (-1, 1), its map has 2"),
    ],
)
def test_a_core_computes_what_is_not_there(share: dict[str, object], fault: str) -> None:
    plan = the_plan()
    cores = launch_of(plan, FIRST).cores
    check(with_launch(plan, FIRST, cores=(replace(cores[0], **share), *cores[1:])), fault)


def test_a_border_is_not_sent() -> None:
    plan = the_plan()
    check(with_launch(plan, FIRST, fetch=Fetch(0, 8, 2)), "is not input row")


def test_a_core_hears_the_weights_of_others() -> None:
    pixel = MapShape(256, 1, 1)
    layer = Layer("conv", Kernel.CONV, pixel, pixel, gamma=np.ones((32, 32), np.bool_))
    network = Network((pixel, pixel), (ArrayStep("conv", ((layer, (0,)),), 1),), (1,))
    plan = plan_program(network, CHIP)
    launch = launch_of(plan, 0)
    assert len(launch.slices) == 4, "every core computes channels of its own"
    swapped = tuple(replace(work, row=1 - work.row) for work in launch.cores)
    faults = plan_faults(network, with_launch(plan, 0, cores=swapped), CHIP)
    assert any("with the weights of others" in fault for fault in faults)


def test_there_is_no_such_core() -> None:
    plan = the_plan()
    launch = launch_of(plan, FIRST)
    check(
        with_launch(plan, FIRST, cores=(replace(launch.cores[0], row=2), *launch.cores[1:])), "there is no core (0, 2)"
    )


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("input_slot", "words of an input slot"),
        ("input_slots", "input slots"),
        ("weight_slot", "words of a weight slot"),
        ("output_slot", "words of an output slot"),
    ],
)
def test_a_slot_is_too_small(part: str, fault: str) -> None:
    plan = the_plan()
    arena: Arena = launch_of(plan, FIRST).arena
    check(with_launch(plan, FIRST, arena=replace(arena, **{part: 1})), fault)


def test_core_memory_is_too_small() -> None:
    plan = the_plan()
    check(with_launch(plan, FIRST, arena=replace(launch_of(plan, FIRST).arena, input_slots=70)), "70 input slots")


def test_weights_need_a_ring_that_descriptors_and_locks_can_count() -> None:
    plan = the_plan()
    ring = plan.ring
    assert ring is not None
    check(replace(plan, ring=None), "weights without a ring")
    check(replace(plan, ring=replace(ring, live=(1, 2))), "the ring is used in band 0")
    check(replace(plan, ring=replace(ring, pages=64)), "a ring of 64 pages, descriptors, locks and tasks count 63")
    check(replace(plan, ring=replace(ring, address=0)), "meet in MemTiles")


def test_weight_slots_never_move_and_hold_every_chunk() -> None:
    plan = the_plan()
    launch = launch_of(plan, SECOND)
    smaller = replace(launch.arena, weight_slot=launch.arena.weight_slot - 16)
    check(with_launch(plan, SECOND, arena=smaller), "words, other launches have")
    check(with_launch(plan, SECOND, chunk_words=launch.arena.weight_slot + 8), "a weight slot has")
    check(with_launch(plan, FIRST, chunk_words=8), "8 words of a chunk of weights")


def test_the_host_reads_another_map() -> None:
    plan = the_plan()
    host = plan.segments[HOST]
    assert isinstance(host, HostSegment)
    check(with_segment(plan, HOST, replace(host, inputs=(plan.ddr_maps[0],))), "the host reads or writes other maps")
