"""What is left fits the program memory, and nothing less would do."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from compiler.hardware.chip import chip_named
from compiler.kernels.code_size import bytes_for_kernels, kernels_bytes
from compiler.kernels.parameters import Kernel
from compiler.scheduling.program_memory import Use, crowded_out

CHIP = chip_named("npu1")
USES = st.builds(Use, st.frozensets(st.sampled_from(list(Kernel)), max_size=2), st.integers(1, 99))


def taken(uses: list[Use]) -> int:
    return kernels_bytes(frozenset[Kernel]().union(*(use.kernels for use in uses)))


@given(st.lists(USES, max_size=8), st.integers(3000, 20000))
def test_what_is_left_fits_and_each_that_goes_had_to(uses: list[Use], program_memory_bytes: int) -> None:
    chip = CHIP.with_overrides({"program_memory_bytes": program_memory_bytes})
    gone = crowded_out(uses, chip)
    left = [use for index, use in enumerate(uses) if index not in gone]
    event(f"{len(gone)} of {len(uses)} go")
    assert taken(left) <= bytes_for_kernels(chip)
    assert bool(gone) == (taken(uses) > bytes_for_kernels(chip))
    assert all(taken([*left, uses[index]]) > bytes_for_kernels(chip) for index in gone)


@given(st.lists(USES, min_size=1, max_size=8))
def test_no_kernel_that_would_do_alone_has_cheaper_layers(uses: list[Use]) -> None:
    chip = CHIP.with_overrides({"program_memory_bytes": max(taken(uses) * 3 // 2 - 2, 0)})
    gone = crowded_out(uses, chip)
    assert all(reason.endswith("the others fit") for reason in gone.values())
    for kernel in Kernel:
        those = [use for use in uses if kernel in use.kernels]
        if taken([use for use in uses if kernel not in use.kernels]) <= bytes_for_kernels(chip):
            assert sum(uses[index].work for index in gone) <= sum(use.work for use in those)
