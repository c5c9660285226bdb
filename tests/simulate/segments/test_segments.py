"""Segments share the array's time without gap or overlap."""

from itertools import pairwise

import numpy as np
from simulate.tiny import fill, run, task, wait

from compiler.simulate import Times
from compiler.simulate.activity import CoreTime, State
from compiler.simulate.result import times_between


def test_cycles_of_segments_add_up_to_those_of_the_array() -> None:
    sequence = fill("a", 0, 100, "first") + fill("b", 100, 50, "second") + wait("a", "first") + wait("b", "second")
    simulation = run("", sequence)
    first, second = simulation.segments
    assert (first.name, first.kind, first.start, first.end, first.cycles) == ("first", "copy", 8, 116, 108)
    # both channels set up again 8 cycles after the last word of the first
    assert (second.start, second.end, second.cycles) == (116, 174, 58)
    assert first.cycles + second.cycles == simulation.array_cycles


def test_a_segment_that_ran_beside_another_has_no_cycles_of_its_own() -> None:
    spill = task("c", "%memtile, MM2S, 5", "%m, 0, 50", segment="second")
    spill += task("d", "%shim, S2MM, 0", "%activations, 0, 50", token=True, segment="second")
    first, second = run("", fill("a", 0, 100, "first") + spill + wait("a", "first") + wait("d", "second")).segments
    assert (first.cycles, second.cycles) == (108, 0)
    assert (second.start, second.end) == (8, 66)


def test_instructions_belong_to_segments() -> None:
    simulation = run(
        "", fill("a", 0, 9, "first") + wait("a", "first") + fill("b", 9, 9, "second") + wait("b", "second")
    )
    assert [segment.instructions for segment in simulation.segments] == [6, 6]


def test_a_cores_time_is_cut_exactly_at_the_bounds() -> None:
    core = CoreTime()
    for state, until in ((State.IDLE, 10), (State.COMPUTE, 30), (State.COMPUTE, 35), (State.INPUT, 50)):
        core.spend(state, until)
    assert times_between(core, [0, 5, 20, 20, 50]) == [
        Times(idle=5),
        Times(idle=5, compute=10),
        Times(),
        Times(compute=15, input=15),
    ]


def test_any_bounds_keep_the_whole() -> None:
    drawn = np.random.default_rng(3)
    core = CoreTime()
    for until in np.cumsum(drawn.integers(0, 9, 200)).tolist():
        core.spend(State(int(drawn.integers(5))), until)
    bounds = [0, *sorted(drawn.integers(0, core.ends[-1], 20).tolist()), core.ends[-1]]
    for (first, last), times in zip(pairwise(bounds), times_between(core, bounds), strict=True):
        assert times.total == last - first


def test_the_result_as_json_has_the_agreed_keys() -> None:
    answer = run("", fill("a", 0, 100, "first") + wait("a", "first")).as_json()
    assert {"array_cycles", "total_cycles", "segments"} <= set(answer)
    assert answer["segments"][0]["name"] == "first"
    assert answer["segments"][0]["kind"] == "copy"
    assert answer["segments"][0]["cycles"] == 108
    assert {"binding", "macs", "ddr_read_bytes", "ddr_written_bytes", "barrier_cycles", "exposed_cycles"} <= set(
        answer["segments"][0]
    )
    assert {"controller_totals", "links", "cores", "clock_hz"} <= set(answer)
