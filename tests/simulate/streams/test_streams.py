"""Words take a cycle each and hops on top; a broadcast moves when everybody is ready."""

import pytest
from simulate.tiny import run, task, wait

from compiler.simulate import SimulationError

FILL = "%shim, MM2S, 0", "%memtile, S2MM, 4"


def test_a_word_per_cycle_and_the_way_once() -> None:
    sequence = task("a", FILL[0], "%activations, 0, 100") + task("b", FILL[1], "%m, 0, 100", token=True) + wait("b")
    # both are set up at 8; 100 words leave in [8, 108), the last arrives 2 switches x 4 later
    assert run("", sequence).array_cycles == 108
    assert run("", sequence, hop_cycles=10).array_cycles == 120
    assert run("", sequence, stream_bytes_per_cycle=8).array_cycles == 58


def test_a_receiver_of_many_descriptors_pays_their_set_up_but_not_the_way_again() -> None:
    sequence = task("a", FILL[0], "%activations, 0, 100")
    sequence += task("b", FILL[1], "%m, 0, 50", "%m, 50, 50", token=True) + wait("b")
    # the second 50 words follow 8 cycles of set-up after the first
    assert run("", sequence).array_cycles == 108 + 8


def test_a_broadcast_waits_for_its_slowest_receiver() -> None:
    sending = task("a", "%memtile, MM2S, 4", "%m, 0, 100")
    near = task("b", "%core, S2MM, 1", "%arena, 0, 100", token=True)
    far = task("c", "%core1, S2MM, 1", *(f"%arena1, {start}, 25" for start in (0, 25, 50, 75)), token=True)
    simulation = run("", sending + near + far + wait("b") + wait("c"))
    # three more set-ups at the far core, and its way of 3 switches
    assert simulation.array_cycles == 100 + 3 * 8 + 3 * 4


def test_a_broadcast_with_one_receiver_missing_stands_still() -> None:
    sending = task("a", "%memtile, MM2S, 4", "%m, 0, 100")
    near = task("b", "%core, S2MM, 1", "%arena, 0, 100", token=True)
    with pytest.raises(SimulationError, match=r"S2MM 1 of tile \(0, 2\) has 100 words to move and nobody at the other"):
        run("", sending + near + wait("b"))


def test_a_channel_without_a_flow_is_refused() -> None:
    with pytest.raises(SimulationError, match="MM2S 3 of a tile where no flow begins or ends"):
        run("", task("a", "%memtile, MM2S, 3", "%m, 0, 100"))


def test_two_streams_do_not_disturb_each_other() -> None:
    two = task("a", FILL[0], "%activations, 0, 100") + task("b", FILL[1], "%m, 0, 100", token=True)
    two += task("c", "%memtile, MM2S, 0", "%m, 0, 90") + task("d", "%core, S2MM, 0", "%arena, 0, 90", token=True)
    assert run("", two + wait("b") + wait("d")).array_cycles == 108


@pytest.mark.parametrize("words", [512, 1024, 2048])
def test_a_core_receives_and_sends_four_bytes_a_cycle(words: int) -> None:
    """
    Measured (mlir-aie, section-4c): 1024 numbers of 16 bits, 512 words, pass either channel of a core in 512 cycles.

    Set-up and way are the same for twice as many, so that they are not in the difference.
    """

    def cycles(count: int, sender: str, source: str, receiver: str, sink: str) -> int:
        sequence = task("a", sender, f"{source}, 0, {count}")
        return run("", sequence + task("b", receiver, f"{sink}, 0, {count}", token=True) + wait("b")).array_cycles

    ways = (
        ("%memtile, MM2S, 0", "%m", "%core, S2MM, 0", "%arena"),
        ("%core, MM2S, 0", "%arena", "%memtile, S2MM, 0", "%m"),
    )
    for way in ways:
        assert cycles(2 * words, *way) - cycles(words, *way) == words
