"""A segment is bound by what was busy the longest, or by agents that wait for each other."""

from simulate.tiny import MEMTILE_LOCKS as LOCKS
from simulate.tiny import acquire, core, fill, release, run, task, through_the_memtile, wait

from compiler.simulate import Binding
from dialects.notes import WEIGHT_STREAM


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


def weights_beside_computing(first: str) -> str:
    """2000 words of weights pass a shim while a core waits for `first`, gets 10 words, and computes for 660 cycles."""
    sequence = task("w", "%shim, MM2S, 1", "%weights, 0, 2000", segment=WEIGHT_STREAM)
    sequence += task("v", "%memtile, S2MM, 5", "%m, 100, 2000 | release %there", segment=WEIGHT_STREAM)
    sequence += task("a", "%memtile, MM2S, 0", "%m, 0, 10" if first == "input" else "acquire %there | %m, 0, 10")
    sequence += task("b", "%core, S2MM, 0", f"%arena, 0, 10 | release %{first}_full")
    sequence += task("c", "%core, MM2S, 0", "acquire %output_full | %arena, 0, 10")
    return sequence + task("d", "%memtile, S2MM, 0", "%m, 50, 10", token=True) + wait("d")


def test_what_brings_weights_binds_only_while_the_busiest_core_waits_for_them() -> None:
    there = '%there = aie.lock(%memtile, 0) {init = 0 : i32, sym_name = "there"}\n'
    turns = "scf.for %i = %c0 to %c10 step %c1 {\n scf.for %j = %c0 to %c10 step %c1 {\n}\n}\n"
    runs = {
        name: run(
            there + core(acquire(f"{name}_full") + turns + release("output_full")), weights_beside_computing(name)
        ).segments[0]
        for name in ("input", "weights")
    }
    assert runs["input"].binding == Binding("compute", 661)
    # in the other run the core begins when all are there
    link = "MM2S 1 of tile (0, 0) to S2MM 5 of tile (0, 1)"
    assert runs["weights"].binding == Binding(link, 2000)
    streams = [next(use for use in segment.links if use.name == link) for segment in runs.values()]
    assert streams[0].busy_cycles > runs["input"].binding.busy_cycles
