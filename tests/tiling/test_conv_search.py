"""The mapping of a convolution that is chosen is the fastest of all, by the recurrence and without looking at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies_networks import tight_chips, window_layers

from compiler.costs.planned import launch_cycles
from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.rescaling import EDGE_WORDS, HEAD_WORDS
from compiler.scheduling.launch_checker import arena_faults
from compiler.scheduling.stripes import even_stripes
from compiler.tiling.balance import balanced_runs
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.conv_search import ConvSearch
from compiler.tiling.conv_ways import Part
from compiler.tiling.deep_planner import DeepPlanner
from compiler.tiling.layer import Layer, MapShape, row_pieces, split_evenly
from compiler.tiling.limits import launch_faults
from compiler.tiling.mapping import splits


@st.composite
def convolutions(draw: st.DrawFn, shape: MapShape, channels: int) -> Layer:
    """A convolution by itself, one whose result is added to a map, or one whose sums are multiplied."""
    layer = draw(window_layers(Kernel.CONV, shape, channels))
    kind = draw(st.sampled_from(("plain", "added", "scaled")))
    if kind == "added":
        return replace(layer, addition=Layer("add", Kernel.ADD, layer.output, layer.output))
    if kind == "scaled":
        zero = draw(st.integers(0, 1))
        words = HEAD_WORDS + zero * layer.kernel_size[0] * EDGE_WORDS
        constants = ((Parameter.RESCALING_WORDS, words), (Parameter.ZERO_A, zero))
        return replace(layer, kernel=Kernel.SCALED_CONV, dilations=(1, 1), constants=constants)
    return layer


@given(st.data(), tight_chips(), st.integers(1, 64), st.integers(1, 64), st.integers(1, 12), st.integers(1, 12))
def test_no_other_mapping_is_faster_and_none_beats_its_floor(
    data: st.DataObject, chip: Chip, inputs: int, outputs: int, height: int, width: int
) -> None:
    layer = data.draw(convolutions(MapShape(inputs, height, width), outputs))
    chip = chip.with_overrides({"ddr_total_bytes_per_cycle": data.draw(st.sampled_from((0, 4)))})
    search, rows = ConvSearch(chip), even_stripes((0, layer.output.height), chip.columns)
    blocks = (0, layer.output.blocks)
    times: list[int] = []
    part = Part(layer, rows, blocks)
    for candidate in search.ways.candidates(part):
        if candidate.launch is not None:
            cycles = launch_cycles(candidate.launch, chip, search.programs[layer.kernel])
            assert candidate.floor <= cycles
            assert search.alone(candidate.launch) <= cycles
            if not launch_faults(candidate.launch, chip):
                times.append(cycles)
    best = search.best(part)
    assert (best is None) == (not times)
    if best is not None:
        assert best.cycles == launch_cycles(best.launch, chip, search.programs[layer.kernel]) <= min(times)
        assert launch_faults(best.launch, chip) == []
        assert arena_faults(best.launch) == []


@given(st.data(), tight_chips(), st.integers(1, 64), st.integers(1, 512), st.integers(1, 6), st.integers(1, 6))
def test_no_deep_launch_beats_its_floors(
    data: st.DataObject, chip: Chip, inputs: int, outputs: int, height: int, width: int
) -> None:
    layer = data.draw(window_layers(Kernel.CONV, MapShape(inputs, height, width), outputs))
    chip = chip.with_overrides({"ddr_total_bytes_per_cycle": data.draw(st.sampled_from((0, 4)))})
    planner = ConvPlanner(chip)
    for floor, launch in DeepPlanner(planner).ways(layer, (0, layer.output.blocks)):
        assert max(floor, planner.search.alone(launch)) <= planner.search.cycles(launch)


@given(st.data(), st.integers(1, 24), st.integers(1, 16), st.integers(2, 4), st.booleans())
def test_parts_that_are_alike_are_planned_as_each_by_itself(
    data: st.DataObject, channels: int, height: int, pieces: int, enough: bool
) -> None:
    layer = data.draw(window_layers(Kernel.CONV, MapShape(channels, height, 9), channels))
    chip = chip_named("mesh-2x2")
    rows = even_stripes((0, layer.output.height), chip.columns)
    parts = [Part(layer, some, (0, layer.output.blocks)) for some in row_pieces(rows, pieces)]
    alone = [ConvSearch(chip).best(part) for part in parts]
    times = [best.cycles for best in alone if best is not None]
    together = ConvSearch(chip).best_of_all(parts)
    assert len(times) == len(parts), "small layers fit"
    assert together is not None
    assert [best.cycles for best in together] == times
    for part, best in zip(parts, together, strict=True):
        assert launch_faults(best.launch, chip) == []
        for column, (first, last) in enumerate(part.column_rows):
            mine = [best.launch.map_rows(work) for work in best.launch.cores if work.column == column]
            assert {row for low, high in mine for row in range(low, high)} == set(range(first, last))
    bounded = ConvSearch(chip).best_of_all(parts, sum(times) * (2 if enough else 1))
    assert (bounded is not None) == enough


def test_a_layer_wholly_on_the_border_may_be_planned_with_input_that_stays() -> None:
    """No rows of input stay, and a ring of no slots is none: there was a division by its length."""
    layer = Layer(
        "border",
        Kernel.CONV,
        MapShape(14, 1, 1),
        MapShape(64, 2, 2),
        (1, 7),
        (255, 255),
        (255, 255, 255, 255),
        gamma=np.ones((8, 2), np.bool_),
    )
    search = ConvSearch(chip_named("mesh-1x1"))
    found = [each.launch for each in search.ways.candidates(Part(layer, ((0, 1),), (0, 8))) if each.launch]
    assert found
    for launch in found:
        assert launch.arena.input_slots >= 1
        assert any("padding" in fault for fault in launch_faults(launch, chip_named("mesh-1x1")))


def test_chunks_that_three_dimensions_cannot_count_are_left_out() -> None:
    """The search for a chunk that they count went on for ever: 16 * 16 * 16 words are fewer than any chunk here has."""
    chip = chip_named("mesh-1x1").with_overrides({"core_wrap_limit": 16})
    layer = Layer(
        "gemm",
        Kernel.CONV,
        MapShape(16, 112, 1),
        MapShape(16, 1, 1),
        kernel_size=(112, 1),
        gamma=np.ones((2, 2), np.bool_),
    )
    assert ConvSearch(chip).best(Part(layer, even_stripes((0, 1), 1), (0, 2))) is None


@given(st.lists(st.integers(0, 20), min_size=1, max_size=7), st.integers(1, 4))
def test_no_other_runs_are_lighter(weights: list[int], parts: int) -> None:
    def heaviest(start: int, left: int) -> int:
        """Of the best way to cut what begins at `start` into `left` runs."""
        if left == 1:
            return sum(weights[start:])
        ends = range(start, len(weights) + 1)
        return min(max(sum(weights[start:end]), heaviest(end, left - 1)) for end in ends)

    runs = balanced_runs(weights, parts)
    assert len(runs) == parts
    assert [index for first, last in runs for index in range(first, last)] == list(range(len(weights)))
    assert max(sum(weights[first:last]) for first, last in runs) == heaviest(0, parts)


@given(st.integers(1, 40), st.integers(1, 8))
def test_equal_weights_are_split_evenly(count: int, parts: int) -> None:
    runs = balanced_runs([1] * count, parts)
    assert max(last - first for first, last in runs) == -(-count // parts)


def test_some_ways_to_split_follow_the_non_zero_blocks() -> None:
    """The first 8 of 32 output blocks have all the weights: they go to all four streams."""
    gamma = np.zeros((32, 32), np.bool_)
    gamma[:8] = True
    layer = Layer(
        "uneven", Kernel.CONV, MapShape(256, 14, 14), MapShape(256, 14, 14), (3, 3), pads=(1, 1, 1, 1), gamma=gamma
    )
    assert [int(gamma[slice(*blocks)].sum()) for blocks in split_evenly(32, 4)] == [256, 0, 0, 0]
    ways = [split.slices for split in splits(layer, chip_named("npu1"), even_stripes((0, 14), 4), (0, 32))]
    fullest = [max(int(gamma[slice(*blocks)].sum()) for blocks in way) for way in ways if len(way) == 4]
    assert min(fullest) < 128


def test_a_deep_layer_streams_its_input_once() -> None:
    """From 1024 to 256 channels on 14x14 pixels: partial sums of input chunks stay in the core."""
    layer = Layer(
        "deep", Kernel.CONV, MapShape(1024, 14, 14), MapShape(256, 14, 14), gamma=np.ones((32, 128), np.bool_)
    )
    (launch,) = ConvPlanner(chip_named("npu1")).plan(layer, even_stripes((0, 14), 4))
    assert launch.input_chunks > 1


def test_fewer_rows_where_the_partial_sums_of_all_leave_no_room() -> None:
    """A strided 3x3 kernel, 64 to 64 channels, on one core: two launches take less than one with small chunks."""
    shape, strided = MapShape(64, 56, 28), MapShape(64, 28, 14)
    layer = Layer("tall", Kernel.CONV, shape, strided, (3, 3), (2, 2), (1, 1, 1, 1), gamma=np.ones((8, 8), np.bool_))
    planner, rows = ConvPlanner(chip_named("mesh-1x1").with_overrides({"core_weight_bytes": 16384})), ((0, 28),)
    whole = planner.search.best(Part(layer, rows, (0, 8)))
    launches = planner.plan(layer, rows)
    assert whole is not None
    assert len(launches) > 1
    assert sum(planner.search.cycles(launch) for launch in launches) < whole.cycles
