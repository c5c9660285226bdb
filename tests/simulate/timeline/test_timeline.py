"""What everything did when, and the same as a Chrome trace."""

import json

import pytest
from simulate.tiny import MEMTILE_LOCKS as LOCKS
from simulate.tiny import acquire, core, fill, release, run, task, through_the_memtile, wait

from compiler.errors import InputError
from compiler.simulate import Interval, Simulation, Timeline, chrome_trace

INPUT = task("a", "%memtile, MM2S, 0", "%m, 0, 100")
INPUT += task("b", "%core, S2MM, 0", "%arena, 0, 100 | release %input_full")
OUTPUT = task("c", "%core, MM2S, 0", "acquire %output_full | %arena, 0, 10")
OUTPUT += task("d", "%memtile, S2MM, 0", "%m, 0, 10", token=True) + wait("d")
TEN_TURNS = "scf.for %i = %c0 to %c10 step %c1 {\n}\n"


def of_the_core() -> Simulation:
    """100 words come to the core, ten turns of a loop, 10 words go."""
    return run(core(acquire("input_full") + TEN_TURNS + release("output_full")), INPUT + OUTPUT, timeline=True)


def kept(simulation: Simulation) -> Timeline:
    """The timeline of a simulation that kept one."""
    assert simulation.timeline is not None
    return simulation.timeline


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    simulation = run("", fill("a", 0, 100, "s") + wait("a"))
    assert simulation.timeline is None
    with pytest.raises(InputError, match="kept no timeline"):
        chrome_trace(simulation)


def test_channels_set_up_and_move() -> None:
    timeline = kept(run("", fill("a", 0, 100, "s") + wait("a"), timeline=True))
    assert timeline.channels["MM2S 0 of tile (0, 0)"] == (Interval("setup", 0, 8, "s"), Interval("move", 8, 108, "s"))
    assert timeline.channels["S2MM 4 of tile (0, 1)"] == (Interval("setup", 0, 8, "s"), Interval("move", 16, 116, "s"))
    assert timeline.controller == (Interval("wait", 0, 116, "s"),)
    assert timeline.segments == (Interval("s", 8, 116, "s"),)


def test_channels_wait_for_locks() -> None:
    timeline = kept(run(LOCKS, through_the_memtile(1, 1), timeline=True))
    # filled in [8, 108), there at 116, seen at 120
    assert timeline.channels["MM2S 0 of tile (0, 1)"] == (
        Interval("setup", 0, 8, "s"),
        Interval("lock", 8, 120, "s"),
        Interval("move", 120, 220, "s"),
    )


def test_cores_are_never_without_a_state() -> None:
    assert kept(of_the_core()).cores == {
        (0, 2): (
            Interval("compute", 0, 1, ""),
            Interval("input", 1, 120, ""),
            Interval("compute", 120, 181, ""),
            Interval("idle", 181, 203, ""),
        )
    }


def test_traffic_with_ddr_in_bins() -> None:
    timeline = kept(run("", fill("a", 0, 100, "s") + wait("a"), timeline=True))
    traffic = timeline.ddr(4)
    # 108 cycles; the last 8 are the way of the last word
    assert (traffic.begin, traffic.bin_cycles) == (8, 27)
    assert traffic.read == (108, 108, 108, 400 - 3 * 108)
    assert traffic.written == (0, 0, 0, 0)


def test_the_trace_has_a_row_for_everything_and_loses_no_cycle() -> None:
    simulation = of_the_core()
    trace = json.loads(json.dumps(chrome_trace(simulation)))
    rows = {event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
    assert {"segments", "core (0, 2)", "MM2S 0 of tile (0, 1)", "S2MM 0 of tile (0, 2)", "controller"} <= rows
    groups = {event["args"]["name"]: event["pid"] for event in trace["traceEvents"] if event["name"] == "process_name"}
    cycles = [
        (event["name"], event["args"]["start"], event["args"]["cycles"])
        for event in trace["traceEvents"]
        if event["ph"] == "X" and event["pid"] == groups["cores"]
    ]
    assert cycles == [("compute", 0, 1), ("input", 1, 119), ("compute", 120, 61), ("idle", 181, 22)]
    # 22 cycles at 1 GHz, 173 after the array's first
    (idle,) = (event for event in trace["traceEvents"] if event["ph"] == "X" and event["name"] == "idle")
    assert (idle["ts"], idle["dur"]) == (pytest.approx(0.173), pytest.approx(0.022))  # floats of microseconds


def test_counters_of_the_trace_are_bytes_per_cycle() -> None:
    trace = chrome_trace(run("", fill("a", 0, 100, "s") + wait("a"), timeline=True))
    counters = [event["args"] for event in trace["traceEvents"] if event["ph"] == "C"]
    assert counters[0] == {"read": 4.0, "written": 0.0}
    assert sum(counter["read"] for counter in counters) == 400
