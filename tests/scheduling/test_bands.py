"""Bands overlap where that takes less time, and the checker sees what may not meet."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import MapBuffer, ProgramPlan, Segment
from compiler.scheduling.program import plan_program
from compiler.scheduling.ways import BandCycles, Way, candidates, cycles_of
from compiler.tiling.layer import Layer, MapShape

SHAPE, SMALL = MapShape(16, 64, 24), MapShape(16, 32, 12)
CONV = Layer("conv", Kernel.CONV, SHAPE, SHAPE, (3, 3), pads=(1, 1, 1, 1), gamma=np.ones((2, 2), np.bool_))
POOL = Layer("pool", Kernel.MAX_POOL, SHAPE, SMALL, (2, 2), (2, 2))
NETWORK = Network(
    (SHAPE, SHAPE, SMALL),
    (ArrayStep("conv", ((CONV, (0,)),), 1), ArrayStep("pool", ((POOL, (1,)),), 2)),
    (1, 2),
)
"""Both maps are outputs: no chain has the convolution inside."""


def chip(memtile_bytes: int = 12288) -> Chip:
    return chip_named("mesh-2x2").with_overrides({"memtile_bytes": memtile_bytes})


@cache
def the_plan() -> ProgramPlan:
    return plan_program(NETWORK, chip())


def conv_of(plan: ProgramPlan) -> Segment:
    segment = plan.segments[0]
    assert isinstance(segment, Segment)
    return segment


def with_conv(plan: ProgramPlan, segment: Segment) -> ProgramPlan:
    return replace(plan, segments=(segment, *plan.segments[1:]))


def with_buffer(plan: ProgramPlan, old: MapBuffer, new: MapBuffer) -> ProgramPlan:
    """The plan with another place or life of what the convolution's bands make or what is filled for them."""

    def of(one: MapBuffer) -> MapBuffer:
        return new if one == old else one

    bands = tuple(
        replace(
            band,
            fills=tuple(replace(fill, memtile=of(fill.memtile)) for fill in band.fills),
            launches=tuple(
                replace(each, inputs=tuple(map(of, each.inputs)), output=of(each.output)) for each in band.launches
            ),
            spills=tuple(replace(spill, memtile=of(spill.memtile)) for spill in band.spills),
        )
        for band in conv_of(plan).bands
    )
    changed = with_conv(plan, replace(conv_of(plan), bands=bands))
    return replace(changed, buffers=tuple(map(of, plan.buffers)))


def check(plan: ProgramPlan, expected: str) -> None:
    faults = plan_faults(NETWORK, plan, chip())
    assert any(expected in fault for fault in faults), faults


def test_bands_of_a_map_that_does_not_fit_overlap() -> None:
    segment = conv_of(the_plan())
    assert segment.overlaps
    assert len(segment.bands) > 2
    assert plan_faults(NETWORK, the_plan(), chip()) == []


def test_bands_that_may_overlap_may_also_follow_each_other() -> None:
    plan = the_plan()
    assert plan_faults(NETWORK, with_conv(plan, replace(conv_of(plan), overlaps=False)), chip()) == []


def test_a_fill_comes_where_the_band_before_still_reads() -> None:
    first, second = (band.launches[0].inputs[0] for band in conv_of(the_plan()).bands[:2])
    changed = with_buffer(the_plan(), second, replace(second, address=first.address))
    check(changed, "meet in MemTiles")
    check(changed, "is not input row")


def test_a_band_is_made_where_the_one_before_is_still_spilled() -> None:
    first, second = (band.launches[0].output for band in conv_of(the_plan()).bands[:2])
    changed = with_buffer(the_plan(), second, replace(second, address=first.address))
    check(changed, "meet in MemTiles")
    check(changed, "are moved to DDR, but do not lie there")


def test_lives_know_that_bands_overlap() -> None:
    band = conv_of(the_plan()).bands[1].launches[0]
    filled, made = band.inputs[0], band.output
    check(with_buffer(the_plan(), filled, replace(filled, live=(1, 2))), "is used in band 0, it lives in (1, 2)")
    check(with_buffer(the_plan(), made, replace(made, live=(1, 2))), "is used in band 2, it lives in (1, 2)")


def test_a_map_that_is_made_in_bands_may_stay() -> None:
    plan = plan_program(NETWORK, chip(24576))
    segments = [segment for segment in plan.segments if isinstance(segment, Segment)]
    outputs = [{planned.output for band in segment.bands for planned in band.launches} for segment in segments]
    assert any(len(segment.bands) > 1 and len(made) == 1 for segment, made in zip(segments, outputs, strict=True))
    assert plan_faults(NETWORK, plan, chip(24576)) == []


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
@pytest.mark.parametrize("memtile_bytes", [8192, 12288, 16384, 49152, 65536])
def test_the_plan_is_right_in_any_memory(columns: int, memtile_bytes: int) -> None:
    small = chip_named(f"mesh-2x{columns}").with_overrides({"memtile_bytes": memtile_bytes})
    assert plan_faults(NETWORK, plan_program(NETWORK, small), small) == []


bands = st.lists(st.builds(BandCycles, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), min_size=1)


@given(several=bands)
def test_overlapping_bands_never_take_longer_and_never_less_than_their_parts(several: list[BandCycles]) -> None:
    apart, overlapping = cycles_of(several, False), cycles_of(several, True)
    assert overlapping <= apart
    for part in ("fill", "spill", "compute"):
        assert overlapping >= sum(getattr(band, part) for band in several)


@given(rows=st.integers(1, 60), fewest=st.integers(1, 60))
def test_ways_have_the_largest_bands_that_fit(rows: int, fewest: int) -> None:
    """As if so many bands were the fewest that fit, and twice as many while they overlap."""
    ways = candidates(rows, lambda way: way.bands >= fewest * (1 + way.overlaps))
    apart = [way for way in ways if not way.overlaps]
    assert all(way.bands >= fewest * (1 + way.overlaps) for way in ways)
    assert apart == [Way(min(count for count in counts(rows) if count >= fewest))] if fewest <= rows else not apart
    overlapping = [way.bands for way in ways if way.overlaps]
    assert overlapping == [count for count in counts(rows) if count > 1 and count >= 2 * fewest][: len(overlapping)]


def counts(rows: int) -> list[int]:
    """Numbers of bands, none of them empty, in which so many rows can be divided, fewest first."""
    return sorted({-(-rows // each) for each in range(1, rows + 1)})
