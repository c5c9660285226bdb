"""What the report computes itself agrees with the simulation and with the plan."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.hardware.chip import chip_named
from compiler.report import Measured
from compiler.report.flows import Port, cycles_until, ddr_bytes, ddr_rates, state_shares, timeline_of
from compiler.report.memory_map import fullest
from compiler.report.occupancy import RING, Box
from compiler.report.words import bytes_text, resource_text, share_text, short_text
from compiler.simulate.activity import State
from compiler.simulate.timeline import Interval


def test_shares_of_a_core_add_up_to_what_the_simulation_says(measured: Measured) -> None:
    timeline = timeline_of(measured.simulation)
    edges = np.linspace(timeline.begin, timeline.end, 301)
    for core in measured.simulation.cores:
        shares = state_shares(timeline.cores[core.column, core.row], edges)
        assert np.allclose(shares.sum(axis=0), 1, rtol=0, atol=1e-9)
        cycles = (shares * np.diff(edges)).sum(axis=1)
        expected = [getattr(core.times, state.name.lower()) for state in State]
        # sums of 300 numbers below 1e6, each rounded to 53 bits
        assert np.allclose(cycles, expected, rtol=0, atol=1e-4)


def test_drawn_ddr_traffic_is_all_there_is(measured: Measured) -> None:
    timeline = timeline_of(measured.simulation)
    edges = np.linspace(timeline.begin, timeline.end + 100, 401)
    drawn = {way: float((rate * np.diff(edges)).sum()) for way, rate in ddr_rates(measured.simulation, edges).items()}
    assert drawn == pytest.approx(measured.ddr, abs=1e-3)


def test_the_ways_to_ddr_of_a_segment_add_up(measured: Measured) -> None:
    for row in measured.layers:
        assert row.ddr["fill"] > row.time.ddr_read_bytes, "with the parameters, which belong to no segment"
        assert row.ddr["spill"] == row.time.ddr_written_bytes
    assert sum(row.ddr["load"] + row.ddr["fill"] for row in measured.layers) == measured.simulation.ddr_read_bytes
    # what comes beside the weights is activations and parameters, so the pictures may call the way the weights'
    assert not any(ddr_bytes(row.time.links)["load"] for row in measured.layers)
    assert measured.ddr == {way: sum(row.ddr[way] for row in measured.layers) for way in ("fill", "load", "spill")}
    assert ddr_bytes(measured.simulation.links) == measured.ddr


def test_bounds_are_the_segments_own_time(measured: Measured) -> None:
    assert [row.time.cycles for row in measured.layers] == np.diff(measured.bounds).tolist()


def test_layers_say_what_the_network_is(measured: Measured) -> None:
    first, *_, last = measured.layers
    assert (first.operation, first.input, first.output) == ("conv 3×3 /2", "3×64×64", "64×31×31")
    assert last.operation == "avg pool"
    assert {row.operation for row in measured.layers} == {
        "conv 3×3 /2", "conv 1×1", "conv 3×3", "max pool", "avg pool", "concat",
    }  # fmt: skip
    for row in measured.layers:
        has_weights = row.operation.startswith("conv")
        assert (row.zero_share is not None, row.block_imbalance is not None, row.time.macs > 0) == (has_weights,) * 3
        assert 1 <= row.placement.cores <= measured.cores
        assert 1 <= row.compute_imbalance <= measured.cores
    assert 0 < measured.utilisation < 1
    # 64 output channels over 31 rows: the four cores take 8, 8, 8 and 7 rows of the same blocks
    assert first.block_imbalance == pytest.approx(8 / (31 / 4))


def test_buffers_lie_in_the_memtile_and_never_on_one_another(measured: Measured) -> None:
    for box in measured.boxes:
        assert 0 <= box.address < box.address + box.size <= measured.chip.memtile_bytes
        assert measured.bounds[0] <= box.first < box.last <= measured.bounds[-1]
    for one, other in combinations(measured.boxes, 2):
        together = max(one.first, other.first) < min(one.last, other.last)
        overlap = max(one.address, other.address) < min(one.address + one.size, other.address + other.size)
        assert not (together and overlap), (one, other)


def test_the_ring_of_weights_keeps_its_room_as_long_as_the_array_runs(measured: Measured) -> None:
    (ring,) = [box for box in measured.boxes if box.kind == RING and box.label == "ring"]
    assert (ring.first, ring.last) == (measured.bounds[0], measured.bounds[-1])


def test_the_fullest_moment() -> None:
    boxes = (Box("a", "map", 0, 100, 0, 10), Box("b", "map", 100, 50, 5, 20), Box("c", "map", 0, 80, 10, 30))
    assert fullest(boxes) == (5, 150)
    assert fullest(()) == (0.0, 0)


def test_parts_of_maps_are_called_after_their_segment() -> None:
    names = ("conv1", "fill3.2.0.conv1", "band3.1.conv1.a")
    assert [Box(name, "map", 0, 1, 0, 1).label for name in names] == ["conv1", "input of conv1", "conv1.a"]


def test_cycles_before_an_edge() -> None:
    intervals = [Interval("move", 10, 20, "a"), Interval("move", 30, 35, "b")]
    assert cycles_until(intervals, np.array([0.0, 10, 15, 20, 25, 35, 99])).tolist() == [0, 0, 5, 10, 10, 15, 15]
    assert cycles_until([], np.array([1.0, 2])).tolist() == [0, 0]


@given(place=st.tuples(st.integers(0, 7), st.integers(0, 9)), sends=st.booleans(), channel=st.integers(0, 9))
def test_a_port_is_known_by_its_name(place: tuple[int, int], sends: bool, channel: int) -> None:
    port = Port(place, sends, channel)
    assert Port.named(port.name) == port


def test_what_binds_a_segment_in_words() -> None:
    chip = chip_named("npu1")
    words = {
        "compute": "compute",
        "DDR read, column 0": "DDR read, column 0",
        "MM2S 1 of tile (2, 0) to S2MM 5 of tile (2, 1)": "load, column 2",
        "MM2S 0 of tile (2, 0)": "fill, column 2",
        "S2MM 5 of tile (1, 1)": "load, column 1",
        "S2MM 4 of tile (1, 1)": "fill, column 1",
        "MM2S 4 of tile (1, 1) to S2MM 1 of tile (0, 3), S2MM 1 of tile (1, 3)": "broadcast, column 1",
        "MM2S 5 of tile (1, 1)": "spill, column 1",
        "MM2S 3 of tile (1, 1)": "inputs of core (1, 3)",
        "S2MM 3 of tile (1, 1)": "outputs of core (1, 3)",
        "S2MM 1 of tile (1, 2)": "broadcast to core (1, 0)",
        "S2MM 0 of tile (1, 2)": "inputs of core (1, 0)",
        "MM2S 0 of tile (1, 2)": "outputs of core (1, 0)",
    }
    assert {name: resource_text(name, chip) for name in words} == words


def test_numbers_for_people() -> None:
    assert [bytes_text(count) for count in (12, 30_200, 5_960_000)] == ["12 B", "30 kB", "6.0 MB"]
    assert share_text(1, 3) == "33.3 %"
    assert [short_text(name) for name in ("conv1", "/layer1/layer1.0/conv1/Conv")] == ["conv1", "…yer1.0/conv1/Conv"]
    assert share_text(0, 0) == "0.0 %"
