"""A segment is bound by what was busy the longest, or by agents that wait for each other."""

from simulate.tiny import MEMTILE_LOCKS as LOCKS
from simulate.tiny import acquire, core, fill, release, run, task, through_the_memtile, wait

from compiler.simulate import Binding


def test_by_a_stream() -> None:
    (only,) = run("", fill("a", 0, 100, "s") + wait("a")).segments
    assert only.binding == Binding("MM2S 0 of tile (0, 0) to S2MM 4 of tile (0, 1)", 100)


def test_by_a_channel_that_mostly_sets_up_descriptors() -> None:
    sequence = task("a", "%memtile, MM2S, 0", "%m, 0, 4", runs=10)
    sequence += task("b", "%core, S2MM, 0", "%arena, 0, 40", token=True) + wait("b")
    simulation = run("", sequence)
    assert simulation.array_cycles == 40 + 9 * 8 + 8
    assert simulation.segments[0].binding == Binding("MM2S 0 of tile (0, 1)", 40 + 9 * 8)


def test_by_ddr() -> None:
    (only,) = run("", fill("a", 0, 128, "s") + wait("a"), ddr_bytes_per_cycle=2).segments
    assert only.binding == Binding("DDR read, column 0", 256)


def test_by_computing() -> None:
    turns = "scf.for %i = %c0 to %c10 step %c1 {\n scf.for %j = %c0 to %c10 step %c1 {\n}\n}\n"
    sequence = task("a", "%memtile, MM2S, 0", "%m, 0, 10")
    sequence += task("b", "%core, S2MM, 0", "%arena, 0, 10 | release %input_full")
    sequence += task("c", "%core, MM2S, 0", "acquire %output_full | %arena, 0, 10")
    sequence += task("d", "%memtile, S2MM, 0", "%m, 0, 10", token=True) + wait("d")
    (only,) = run(core(acquire("input_full") + turns + release("output_full")), sequence).segments
    # a hundred inner branches, ten outer ones, a release
    assert only.binding == Binding("compute", 100 * 6 + 10 * 6 + 1)


def test_by_locks_when_nothing_is_busy_for_half_of_the_time() -> None:
    simulation = run(LOCKS, through_the_memtile(1, 2))
    # one slot is filled and emptied in turn: each stream moves 200 words and waits for the other as long
    assert simulation.array_cycles == 100 + 8 + 4 + 100 + 4 + 100 + 4 + 100 + 8
    assert simulation.segments[0].binding == Binding("locks", 428 - 200)
