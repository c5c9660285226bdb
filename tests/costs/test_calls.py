"""Calls that differ in nothing that a call looks at take as long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compiler.costs.calls import AROUND_CALLS, Calls
from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel, Parameter

CHIP = chip_named("npu1")
LOOKED_AT = sorted(set(Parameter) - AROUND_CALLS - {Parameter.KERNEL})


@given(
    kernel=st.sampled_from(sorted(Kernel)),
    looked_at=st.fixed_dictionaries({parameter: st.integers(1, 9) for parameter in LOOKED_AT}),
    around=st.fixed_dictionaries({parameter: st.integers(0, 99) for parameter in sorted(AROUND_CALLS)}),
    skip=st.integers(0, 99),
    call=st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(0, 1), st.integers(0, 1)),
)
def test_where_things_lie_does_not_matter(
    kernel: Kernel,
    looked_at: dict[Parameter, int],
    around: dict[Parameter, int],
    skip: int,
    call: tuple[int, int, int, int],
) -> None:
    there = {**looked_at, Parameter.SKIP: min(skip, 1)}
    assert Calls(CHIP, kernel, there).of(*call) == Calls(CHIP, kernel, {**there, **around, Parameter.SKIP: skip}).of(
        *call
    )
