"""
Drawn networks, arrays and masks: every level below `bsr` computes the numbers of `bsr`, or the compiler refuses.

A refusal is an InputError or a CapacityError, never another exception. Without ONNX, so an example is cheap.
"""

from __future__ import annotations

from bsr_levels import assert_levels_are_equal
from bsr_networks import Network
from hypothesis import event, given
from hypothesis import strategies as st
from strategies_bsr import Place, networks, places

from compiler.errors import CapacityError, InputError


@given(networks(), places(), st.integers(0, 2**16), st.sampled_from((False, False, False, True)))
def test_every_level_computes_what_bsr_does(network: Network, place: Place, seed: int, thorough: bool) -> None:
    reason = "none"
    try:
        assert_levels_are_equal(network, place, (seed, seed + 1), thorough=thorough)
    except (InputError, CapacityError) as refusal:
        reason = str(refusal)
    event("ran" if reason == "none" else "refused")
    assert reason == "none" or len(reason) > 40, "a refusal explains itself"
