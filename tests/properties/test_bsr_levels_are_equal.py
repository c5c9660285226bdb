"""
Drawn networks, arrays and masks: every level below `bsr` computes the numbers of `bsr`.

Only chips with less of something than any real one may be refused, by an InputError or a CapacityError. Without ONNX,
so an example is cheap.
"""

from __future__ import annotations

from bsr_levels import assert_levels_are_equal
from hypothesis import event, given
from strategies_bsr import Case, cases

from compiler.errors import CapacityError, InputError


@given(cases())
def test_every_level_computes_what_bsr_does(case: Case) -> None:
    reason = "none"
    try:
        assert_levels_are_equal(case.network, case.place, (case.seed, case.seed + 1), thorough=case.thorough)
    except (InputError, CapacityError) as refusal:
        reason = str(refusal)
    event("ran" if reason == "none" else "refused")
    assert reason == "none" or (case.place.overrides and len(reason) > 40), "a refusal explains itself"
