"""Launches of one layer: what every core gets, what is refused, and how the parts of a layer are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_networks import tight_chips, window_layers

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.launch_checker import arena_faults
from compiler.scheduling.program import plan_layer
from compiler.scheduling.stripes import even_stripes, needed_rows, reachable, source_column, tallest
from compiler.tiling.arena import arena_words
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, MapShape, Range, row_pieces, split_evenly
from compiler.tiling.limits import launch_faults

KERNELS = st.sampled_from((Kernel.CONV, Kernel.MAX_POOL, Kernel.AVG_POOL))


def planned(layer: Layer, chip: Chip, rows: Sequence[Range]) -> list[Launch]:
    try:
        return plan_layer(layer, ConvPlanner(chip), rows)
    except CapacityError as error:
        refusal = str(error)
    assert f"layer '{layer.name}' does not fit a core" in refusal
    assert "would fit" in refusal
    return []


@given(st.data(), tight_chips(), st.integers(1, 64), st.integers(1, 20), st.integers(1, 20))
def test_every_output_is_computed_by_one_core_within_its_limits(
    data: st.DataObject, chip: Chip, channels: int, height: int, width: int
) -> None:
    layer = data.draw(window_layers(data.draw(KERNELS), MapShape(channels, height, width), channels))
    launches = planned(layer, chip, even_stripes((0, layer.output.height), chip.columns))
    computed = np.zeros((layer.output.height, layer.output.blocks, layer.output.width), np.int64)
    for launch in launches:
        assert launch_faults(launch, chip) == []
        assert arena_faults(launch) == []
        for work in launch.cores:
            assert work.input_rows == layer.input_rows(work.output_rows)
            first = launch.tile.output
            computed[slice(*work.output_rows), slice(*work.blocks), first : first + launch.layer.output.width] += 1
    assert not launches or (computed == 1).all()


@given(st.integers(0, 100), st.integers(1, 20))
def test_splitting_evenly_covers_everything_once(count: int, parts: int) -> None:
    ranges = split_evenly(count, parts)
    assert [thing for low, high in ranges for thing in range(low, high)] == list(range(count))
    assert len(ranges) == parts
    assert max(high - low for low, high in ranges) == -(-count // parts)


@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 10))
def test_pieces_of_rows_cover_every_column_once(height: int, columns: int, pieces: int) -> None:
    stripes = even_stripes((0, height), columns)
    rows = [row for piece in row_pieces(stripes, pieces) for low, high in piece for row in range(low, high)]
    assert sorted(rows) == list(range(height))


@given(st.data(), st.integers(1, 30), st.integers(1, 8))
def test_a_column_reaches_its_own_rows_and_its_neighbours(data: st.DataObject, height: int, columns: int) -> None:
    stripes = even_stripes((0, height), columns)
    column, row = data.draw(st.integers(0, columns - 1)), data.draw(st.integers(0, height - 1))
    owner = next(c for c, (low, high) in enumerate(stripes) if low <= row < high)
    found = source_column(stripes, column, row)
    assert found == (owner if abs(owner - column) <= 1 else None)
    assert reachable(stripes, stripes)
    assert tallest(stripes) == -(-height // columns)


def test_a_halo_of_one_row_is_next_door() -> None:
    layer = Layer("conv", Kernel.CONV, MapShape(8, 8, 8), MapShape(8, 8, 8), (3, 3), pads=(1, 1, 1, 1))
    stripes = even_stripes((0, 8), 4)
    assert needed_rows(layer, stripes) == ((0, 3), (1, 5), (3, 7), (5, 8))
    assert reachable(stripes, needed_rows(layer, stripes))
    tall = Layer("conv", Kernel.CONV, MapShape(8, 8, 8), MapShape(8, 8, 8), (7, 3), pads=(3, 1, 3, 1))
    assert not reachable(stripes, needed_rows(tall, stripes))


@pytest.mark.parametrize("kernel", [Kernel.CONV, Kernel.ADD, Kernel.REQUANTISE, Kernel.MAX_POOL])
def test_rows_wider_than_a_descriptor_are_taken_in_tiles(kernel: Kernel) -> None:
    chip, wide = chip_named("npu1"), MapShape(8, 2, 600)
    launches = plan_layer(Layer("wide", kernel, wide, wide), ConvPlanner(chip), even_stripes((0, 2), 4))
    assert len(launches) > 1
    assert [fault for launch in launches for fault in launch_faults(launch, chip)] == []


def test_windows_wider_than_a_descriptor_are_refused_with_the_limit() -> None:
    layer = Layer("wide", Kernel.CONV, MapShape(8, 2, 600), MapShape(8, 2, 1), (1, 600))
    with pytest.raises(CapacityError, match=r"layer 'wide' does not fit a core: .* at most 512 .* would fit"):
        plan_layer(layer, ConvPlanner(chip_named("npu1")), even_stripes((0, 2), 4))


def test_a_pool_with_a_window_too_large_is_refused() -> None:
    layer = Layer("pool", Kernel.MAX_POOL, MapShape(8, 65, 8), MapShape(8, 1, 8), (65, 1))
    with pytest.raises(CapacityError, match=r"layer 'pool' does not fit a core"):
        plan_layer(layer, ConvPlanner(chip_named("npu1")), even_stripes((0, 1), 4))


def test_surplus_pixels_are_loaded_from_inside_the_core_memory() -> None:
    chip = chip_named("npu1")
    layer = Layer("narrow", Kernel.CONV, MapShape(8, 24, 24), MapShape(8, 1, 1), (3, 3), (64, 64))
    (launch,) = plan_layer(layer, ConvPlanner(chip), even_stripes((0, 1), 4))
    assert launch_faults(launch, chip) == []
    # seven pixels that nobody wants lie behind the input slots
    slots = (arena_words(chip) - 7 * 2) // launch.arena.input_slot + 1
    low = replace(launch, arena=replace(launch.arena, input_slots=slots))
    assert any("loads for surplus pixels" in fault for fault in launch_faults(low, chip))


def test_a_pool_over_rows_from_afar_takes_one_window_per_core() -> None:
    """What does not lie next door is brought to the column's own MemTile: no descriptor for each MemTile it is from."""
    layer = Layer("mean", Kernel.AVG_POOL, MapShape(1000, 13, 13), MapShape(1000, 1, 1), (13, 13))
    chip = chip_named("mesh-8x8")
    stripes = even_stripes((0, 1), chip.columns)
    assert not reachable(even_stripes((0, 13), chip.columns), needed_rows(layer, stripes))
    (launch,) = plan_layer(layer, ConvPlanner(chip), stripes)
    assert [work.column for work in launch.cores] == [0] * chip.core_rows
