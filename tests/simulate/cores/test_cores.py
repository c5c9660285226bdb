"""A core computes and waits, and the two add up to the whole time."""

import pytest
from simulate.tiny import acquire, core, release, run, task, wait

from compiler.errors import InputError
from compiler.simulate import SimulationError, Times

TEN_TURNS = """
scf.for %i = %c0 to %c10 step %c1 {
}
"""
INPUT = task("a", "%memtile, MM2S, 0", "%m, 0, 100") + task(
    "b", "%core, S2MM, 0", "%arena, 0, 100 | release %input_full"
)
OUTPUT = task("c", "%core, MM2S, 0", "acquire %output_full | %arena, 0, 10")
OUTPUT += task("d", "%memtile, S2MM, 0", "%m, 0, 10", token=True)


def test_waiting_has_a_name_and_everything_adds_up() -> None:
    program = core(acquire("input_full") + TEN_TURNS + release("output_full"))
    simulation = run(program, INPUT + OUTPUT + wait("d"))
    # words in [8, 108), there at 116, seen at 120; ten branches and a release; seen at 185; words in [185, 195); 203
    assert simulation.array_cycles == 203 - 8
    (only,) = simulation.cores
    assert only.times == Times(compute=61, input=120 - 8, idle=203 - 181)
    assert only.times.total == simulation.array_cycles


def test_the_lock_says_what_a_core_waits_for() -> None:
    for lock, name in (("weights_full", "weights"), ("output_empty", "output"), ("parameters_full", "idle")):
        taking = task("b", "%core, S2MM, 0", f"%arena, 0, 100 | release %{lock}")
        program = core((acquire(lock) if lock.endswith("empty") else "") + acquire(lock) + release("output_full"))
        (only,) = run(program, task("a", "%memtile, MM2S, 0", "%m, 0, 100") + taking + OUTPUT + wait("d")).cores
        # after its end, from 121 to 143, a core is idle
        assert getattr(only.times, name) == 120 - 8 + (143 - 121 if name == "idle" else 0)


def test_a_lock_without_such_a_name_is_refused() -> None:
    program = core(acquire("strange")).replace("%program", '%strange = aie.lock(%core, 9) {sym_name = "x"}\n%program')
    with pytest.raises(InputError, match="lock 'x' of a core does not say what is waited for"):
        run(program, INPUT + wait("b"))


def test_scalar_code_takes_a_cycle_per_operation_and_more_for_a_division() -> None:
    scalar = """
    %turns = arith.addi %c3, %c4 : index
    %rest = arith.remui %turns, %c5 : index
    %found = scf.for %i = %c0 to %rest step %c1 iter_args(%sum = %c0) -> (index) {
      %next = arith.addi %sum, %c2 : index
      scf.yield %next : index
    }
    %is_four = arith.cmpi eq, %found, %c4 : index
    scf.if %is_four {
      %unused = arith.muli %c2, %c2 : index
    }
    """
    (only,) = run(core(acquire("input_full") + scalar), INPUT.replace("runs = 1", "") + OUTPUT_FREE).cores
    # an addition, a division of 40, two turns of 6 + 1, a comparison, a branch and a multiplication
    assert only.times.compute == 1 + 40 + 2 * 7 + 1 + 6 + 1


OUTPUT_FREE = task("c", "%core, MM2S, 0", "%arena, 0, 1000") + task("d", "%memtile, S2MM, 0", "%m, 0, 1000", token=True)
OUTPUT_FREE += wait("d")


def test_a_negative_index_is_a_large_unsigned_one() -> None:
    scalar = """
    %minus = arith.subi %c0, %c1 : index
    %small = arith.cmpi ult, %minus, %c10 : index
    scf.if %small {
      %unused = arith.remui %c2, %c2 : index
    }
    """
    (only,) = run(core(acquire("input_full") + scalar), INPUT + OUTPUT_FREE).cores
    assert only.times.compute == 1 + 1 + 6


def test_a_core_that_waits_for_ever_is_named() -> None:
    with pytest.raises(SimulationError, match=r"core \(0, 2\) waits for 1 of lock 'input_full_0_2'"):
        run(core(acquire("input_full")), OUTPUT + wait("d"))


def test_a_program_with_other_operations_is_refused() -> None:
    with pytest.raises(SimulationError, match=r"holds 'arith.ceildivsi', which is not simulated"):
        run(core("%x = arith.ceildivsi %c4, %c2 : index"), "")
