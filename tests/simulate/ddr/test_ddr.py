"""The two channels of a shim share the column's way from DDR, all columns share DDR, burst by burst."""

from simulate.tiny import fill, run, task, wait

from compiler.simulate import Binding, LinkKind

BOTH = (
    task("a", "%shim, MM2S, 0", "%activations, 0, 128")
    + task("b", "%memtile, S2MM, 4", "%m, 0, 128", token=True)
    + task("c", "%shim, MM2S, 1", "%weights, 0, 128")
    + task("d", "%memtile, S2MM, 5", "%m, 128, 128", token=True)
    + wait("b")
    + wait("d")
)


def test_two_streams_of_four_bytes_fit_into_eight() -> None:
    assert run("", BOTH).array_cycles == 128 + 8


def test_half_the_bandwidth_takes_twice_as_long() -> None:
    # four bursts of 64 words at 4 B/cycle, one after the other, then the way
    assert run("", BOTH, ddr_bytes_per_cycle=4).array_cycles == 256 + 8


def test_one_stream_gets_all_that_the_other_does_not_ask_for() -> None:
    one = task("a", "%shim, MM2S, 0", "%activations, 0, 128")
    one += task("b", "%memtile, S2MM, 4", "%m, 0, 128", token=True) + wait("b")
    assert run("", one, ddr_bytes_per_cycle=4).array_cycles == 128 + 8
    assert run("", one, ddr_bytes_per_cycle=2).array_cycles == 256 + 8


def test_both_directions_are_apart() -> None:
    spill = task("c", "%memtile, MM2S, 5", "%m, 0, 128")
    spill += task("d", "%shim, S2MM, 0", "%activations, 0, 128", token=True)
    fill = task("a", "%shim, MM2S, 0", "%activations, 0, 128")
    fill += task("b", "%memtile, S2MM, 4", "%m, 0, 128", token=True)
    both = fill + spill + wait("b") + wait("d")
    assert run("", both, ddr_bytes_per_cycle=4).array_cycles == 128 + 8


def test_all_that_goes_to_and_from_ddr_shares_the_total() -> None:
    spill = task("c", "%memtile, MM2S, 5", "%m, 0, 128")
    spill += task("d", "%shim, S2MM, 0", "%activations, 0, 128", token=True)
    both = fill("b", 0, 128, "s") + spill + wait("b") + wait("d")
    assert run("", both).array_cycles == 128 + 8
    # two bursts of 64 words each way, all four one after the other
    simulation = run("", both, ddr_total_bytes_per_cycle=4)
    assert simulation.array_cycles == 256 + 8
    busy = {link.name: link.busy_cycles for link in simulation.links if link.kind is LinkKind.DDR}
    assert busy == {"DDR read, column 0": 64, "DDR write, column 0": 64, "DDR, all columns": 256}
    assert simulation.segments[0].binding == Binding("DDR, all columns", 256)


def test_a_total_that_is_wide_enough_changes_nothing() -> None:
    assert run("", BOTH, ddr_total_bytes_per_cycle=12).array_cycles == 128 + 8
