"""The cycles of the core program: the table is what the program itself counts, and once by hand."""

from costs.program_counting import counted_cycles
from hypothesis import given
from hypothesis import strategies as st

from compiler.costs.program import program_cycles
from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel

CHIP = chip_named("npu1")
"""A branch takes 6 cycles, a division 40."""


@given(st.sets(st.sampled_from(Kernel), min_size=1), st.integers(0, 20), st.integers(0, 200), st.data())
def test_the_table_is_what_is_counted_in_the_program(
    kernels: set[Kernel], branch: int, division: int, data: st.DataObject
) -> None:
    chip = CHIP.with_overrides({"branch_cycles": branch, "division_cycles": division})
    kernel = data.draw(st.sampled_from(sorted(kernels)))
    assert program_cycles(chip, kernels, kernel) == counted_cycles(chip, kernels, kernel)


def test_pieces_by_hand() -> None:
    cycles = program_cycles(CHIP, [Kernel.CONV], Kernel.CONV)
    assert cycles.lock == 6 + 1  # a branch and the lock
    # a comparison, a choice and the store; the next row; a sum that wraps by comparison, difference and choice
    assert cycles.tap == 6 + 3 + 1 + (1 + 3)
    # the loop's branch; difference and minimum give the rows, product and sum where the next ones begin, then a sum,
    # two limits and a difference the input rows that these need
    assert cycles.row == 6 + 2 + 2 + 1 + 2 + 1
    # one load per parameter that the program itself uses; two rings; a maximum; three distances; turn, first window and
    # first output
    assert cycles.begin == 27 + 2 * 2 + 1 + (1 + 2 + 1) + (40 + 1) + (1 + 1 + 3) + 2


def test_every_kernel_before_another_costs_it_a_branch() -> None:
    alone = program_cycles(CHIP, [Kernel.CONV], Kernel.CONV)
    first = program_cycles(CHIP, Kernel, Kernel.CONV)
    last = program_cycles(CHIP, Kernel, max(Kernel))
    others = len(Kernel) - 1
    # a comparison and a branch each, before the call of the last kernel
    assert (first.call, first.after) == (alone.call, alone.after)
    assert (last.call, last.after) == (alone.call + 7 * others, alone.after)


def test_slower_branches_and_divisions_are_seen() -> None:
    slow = CHIP.with_overrides({"branch_cycles": 16, "division_cycles": 100})
    before, after = (program_cycles(chip, [Kernel.CONV], Kernel.CONV) for chip in (CHIP, slow))
    assert after.lock - before.lock == 10
    assert after.tap - before.tap == 10
    assert after.each_pass - before.each_pass == 2 * 10
    assert after.begin - before.begin == 60
