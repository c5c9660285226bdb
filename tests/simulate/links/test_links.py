"""What streams, channels and the ways to DDR carry, and how long they are busy."""

from simulate.tiny import fill, run, task, wait

from compiler.simulate import LinkKind, LinkUse, Simulation
from compiler.simulate.links import Pieces

FILLING = "MM2S 0 of tile (0, 0) to S2MM 4 of tile (0, 1)"


def used(simulation: Simulation, segment: int | None = None) -> dict[str, tuple[int, int]]:
    """Busy cycles and words by name, of one segment or of all, without links that did nothing."""
    links = simulation.links if segment is None else simulation.segments[segment].links
    return {link.name: (link.busy_cycles, link.words) for link in links if link.busy_cycles or link.words}


def test_a_fill_uses_a_way_to_ddr_a_stream_and_two_channels() -> None:
    simulation = run("", fill("a", 0, 100, "s") + wait("a"))
    assert LinkUse(FILLING, LinkKind.STREAM, 100, 100) in simulation.links
    # 400 bytes at 8 per cycle; the set-ups are over when the array's time begins
    assert used(simulation) == {
        "DDR read, column 0": (50, 100),
        FILLING: (100, 100),
        "MM2S 0 of tile (0, 0)": (100, 100),
        "S2MM 4 of tile (0, 1)": (100, 100),
    }
    (only,) = simulation.segments
    assert (only.ddr_read_bytes, only.ddr_written_bytes, only.macs) == (400, 0, 0)


def test_a_channel_is_busy_with_set_ups_too() -> None:
    sending = task("a", "%memtile, MM2S, 0", "%m, 0, 10", "%m, 64, 20", runs=3)
    found = used(run("", sending + task("b", "%core, S2MM, 0", "%arena, 0, 90", token=True) + wait("b")))
    assert found["MM2S 0 of tile (0, 1)"] == (90 + 5 * 8, 90)
    assert found["S2MM 0 of tile (0, 2)"] == (90, 90)


def test_busy_cycles_are_cut_at_the_ends_of_segments() -> None:
    sequence = fill("a", 0, 100, "first") + fill("b", 100, 50, "second") + wait("a", "first") + wait("b", "second")
    simulation = run("", sequence)
    # the source's set-up for the second lies in [108, 116), the first's own time, the sink's in [116, 124)
    assert used(simulation, 0) == {
        "DDR read, column 0": (50, 100),
        FILLING: (100, 100),
        "MM2S 0 of tile (0, 0)": (100 + 8, 100),
        "S2MM 4 of tile (0, 1)": (100, 100),
    }
    assert used(simulation, 1) == {
        "DDR read, column 0": (25, 50),
        FILLING: (50, 50),
        "MM2S 0 of tile (0, 0)": (50, 50),
        "S2MM 4 of tile (0, 1)": (50 + 8, 50),
    }


def test_words_belong_to_the_segment_that_they_are_moved_for() -> None:
    spill = task("c", "%memtile, MM2S, 5", "%m, 0, 50", segment="second")
    spill += task("d", "%shim, S2MM, 0", "%activations, 0, 50", token=True, segment="second")
    simulation = run("", fill("a", 0, 100, "first") + spill + wait("a", "first") + wait("d", "second"))
    # the spill lies within the first segment's time
    assert used(simulation, 0)["DDR write, column 0"] == (25, 0)
    assert used(simulation, 1)["DDR write, column 0"] == (0, 50)
    assert [segment.ddr_written_bytes for segment in simulation.segments] == [0, 200]


def test_a_broadcast_is_one_stream() -> None:
    sequence = task("a", "%memtile, MM2S, 4", "%m, 0, 10") + task("b", "%core, S2MM, 1", "%arena, 0, 10")
    sequence += task("c", "%core1, S2MM, 1", "%arena1, 0, 10", token=True) + wait("c")
    found = used(run("", sequence))
    assert found["MM2S 4 of tile (0, 1) to S2MM 1 of tile (0, 2), S2MM 1 of tile (1, 2)"] == (10, 10)


def test_a_piece_on_its_way_counts_by_its_share() -> None:
    pieces = Pieces()
    pieces.add(10, 20, 5, "s")
    assert pieces.words_until([0, 10, 13, 20, 30]).tolist() == [0, 0, 1, 5, 5]
    assert pieces.cycles_until([0, 10, 13, 20, 30]).tolist() == [0, 0, 3, 10, 10]
    assert pieces.cycles_until([13, 30], late=4).tolist() == [0, 10]
