"""A channel works off tasks, runs and descriptors in order, and its queue has an end."""

import pytest
from simulate.tiny import run, task, wait

from compiler.simulate import SimulationError

SEND, TAKE = "%memtile, MM2S, 0", "%core, S2MM, 0"


def test_runs_repeat_the_whole_chain() -> None:
    sending = task("a", SEND, "%m, 0, 10", "%m, 64, 20", runs=3)
    taking = task("b", TAKE, "%arena, 0, 90", token=True)
    # 3 x 30 words with a set-up between any two of the six descriptors, then the way
    assert run("", sending + taking + wait("b")).array_cycles == 90 + 5 * 8 + 8


def test_padding_is_sent_like_data() -> None:
    shape = "[<size = 4, stride = 16>, <size = 8, stride = 1>], [<const_pad_before = 0, const_pad_after = 0>, "
    shape += "<const_pad_before = 1, const_pad_after = 1>]"
    sending = task("a", SEND, f"%m, 0, 40, {shape}")
    taking = task("b", TAKE, "%arena, 0, 40", token=True)
    assert run("", sending + taking + wait("b")).array_cycles == 40 + 8


def test_a_length_that_the_dimensions_do_not_make_is_refused() -> None:
    shape = "[<size = 4, stride = 16>, <size = 8, stride = 1>]"
    with pytest.raises(SimulationError, match="a length of 30 words, but its dimensions"):
        run("", task("a", SEND, f"%m, 0, 30, {shape}"))


def test_a_task_starts_again_without_being_written_again() -> None:
    again = 'aiex.dma_start_task(%a) {blockloom.segment = "s"}\n'
    sending = task("a", SEND, "%m, 0, 10") + again + again
    taking = task("b", TAKE, "%arena, 0, 30", token=True)
    simulation = run("", sending + taking + wait("b"))
    assert simulation.array_cycles == 30 + 2 * 8 + 8
    # 1 write + 3 starts, 1 write + 1 start, 1 await
    assert simulation.controller_instructions == 4 + 2 + 1


def test_four_tasks_may_wait_beside_the_running_one() -> None:
    again = 'aiex.dma_start_task(%a) {blockloom.segment = "s"}\n'
    taking = task("b", TAKE, "%arena, 0, 50", token=True)
    run("", task("a", SEND, "%m, 0, 10") + again * 4 + taking + wait("b"))
    with pytest.raises(SimulationError, match=r"MM2S 0 of tile \(0, 1\) has 4 tasks waiting in cycle 0"):
        run("", task("a", SEND, "%m, 0, 10") + again * 5 + taking + wait("b"))


def test_a_chain_without_an_end_is_refused() -> None:
    with pytest.raises(SimulationError, match="returns to itself"):
        run(
            "",
            """%a = aiex.dma_configure_task(%memtile, MM2S, 0) {
              aie.dma_bd(%m : memref<4096xi32>, 0, 10)
              aie.next_bd ^again
            ^again:
              aie.dma_bd(%m : memref<4096xi32>, 10, 10)
              aie.next_bd ^again
            }""",
        )
