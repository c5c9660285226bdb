"""The controller's instructions are counted, and take time only in the total."""

import pytest
from simulate.tiny import fill, run, task, wait

from compiler.simulate import ControllerTotal, SimulationError

FILL = task("a", "%shim, MM2S, 0", "%activations, 0, 100") + task("b", "%memtile, S2MM, 4", "%m, 0, 100", token=True)


def test_instructions_of_one_fill() -> None:
    simulation = run("", FILL + wait("b"))
    # shim: block write, address patch, push; MemTile: block write, push; sync
    assert simulation.controller_instructions == 3 + 2 + 1
    assert simulation.launches == 1


def test_they_cost_nothing_in_the_array_and_all_of_their_time_in_the_total() -> None:
    simulation = run("", FILL + wait("b"))
    assert simulation.array_cycles == 108
    # the launch, 3 + 2 instructions; the set-up of 8, in which the first words come near; 100 words; all this while
    # the sync is under way
    assert simulation.total_cycles == 80000 + 5 * 400 + max(400, 8 + 100)
    quick = run("", FILL + wait("b"), controller_cycles=50)
    assert quick.array_cycles == 108
    assert quick.total_cycles == 80000 + 5 * 50 + 8 + 100


TWO_LAYERS = fill("a", 0, 100, "first") + wait("a", "first") + fill("b", 100, 50, "second") + wait("b", "second")


def test_time_that_the_array_waits_for_the_controller_is_exposed() -> None:
    simulation = run("", TWO_LAYERS, controller_cycles=50)
    first, second = simulation.segments
    # of a controller without cost: 100 words and their way; then a set-up, in which the way is, 50 words, the way
    assert (first.cycles, second.cycles) == (108, 8 + 50 + 8)
    # the array begins when the last instruction before its first word is over. Behind the first token five more
    # instructions come; the set-up of the sink is no longer beside that of the source, but the way is beside it
    assert (first.exposed_cycles, second.exposed_cycles) == (0, 5 * 50 + 50 + 8 - (8 + 50 + 8))
    assert simulation.total_cycles == 80000 + 5 * 50 + 108 + 5 * 50 + 58


def test_totals_for_what_an_instruction_may_take() -> None:
    simulation = run("", TWO_LAYERS, controller_cycles=40)
    assert simulation.controller_totals == (
        ControllerTotal(40, 80000 + 200 + 108 + 200 + 58),
        ControllerTotal(50, 80000 + 250 + 108 + 250 + 58),
        # here the last sync takes longer than the words it waits for
        ControllerTotal(100, 80000 + 500 + 108 + 500 + 100),
        # and here both do
        ControllerTotal(400, 80000 + 2000 + 400 + 2000 + 400),
    )
    assert simulation.total_cycles == simulation.controller_totals[0].total_cycles


def test_the_totals_are_of_microseconds_at_any_clock() -> None:
    totals = run("", TWO_LAYERS, clock_hz=2_000_000_000).controller_totals
    assert [total.instruction_cycles for total in totals] == [100, 200, 400, 800]


def test_freeing_a_task_is_no_instruction() -> None:
    freed = FILL + wait("b") + "aiex.dma_free_task(%a)\n"
    assert run("", freed).controller_instructions == 6


def test_awaiting_a_task_without_a_token_is_refused() -> None:
    with pytest.raises(SimulationError, match="is awaited, but issues no token"):
        run("", FILL + wait("a"))


def test_an_await_orders_what_comes_after_it() -> None:
    second = task("c", "%memtile, MM2S, 5", "%m, 0, 100") + task(
        "d", "%shim, S2MM, 0", "%activations, 0, 100", token=True
    )
    together = run("", FILL + second + wait("b") + wait("d")).array_cycles
    apart = run("", FILL + wait("b") + second + wait("d")).array_cycles
    assert together == 108
    assert apart == 108 + 8 + 108


def test_other_operations_are_refused() -> None:
    with pytest.raises(SimulationError, match=r"holds 'aiex.npu.sync'"):
        run(
            "",
            "aiex.npu.sync {column = 0 : i32, row = 0 : i32, direction = 0 : i32, channel = 0 : i32, "
            "column_num = 1 : i32, row_num = 1 : i32}",
        )
