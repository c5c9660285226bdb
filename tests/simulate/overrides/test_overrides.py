"""A simulation may replace numbers of the chip, but only such as time alone depends on."""

import pytest
from simulate.tiny import CHIP, fill, module, wait

from compiler.errors import InputError
from compiler.hardware.timing import RATES, TIMING
from compiler.simulate import simulate
from dialects.chip import CHIP as CHIP_ATTRIBUTE
from dialects.chip import chip_attr

TWO_FILLS = fill("a", 0, 100, "s") + fill("b", 100, 100, "s") + wait("b")


def cycles(**overrides: int) -> int:
    """Of two fills behind each other."""
    parsed = module("", TWO_FILLS)
    parsed.attributes[CHIP_ATTRIBUTE] = chip_attr(CHIP)
    return simulate(parsed, overrides=overrides).array_cycles


def test_a_number_is_replaced() -> None:
    # 200 words, a set-up between them at the end of the way, and the way
    assert cycles() == 100 + 8 + 100 + 8
    assert cycles(descriptor_cycles=20) == 100 + 20 + 100 + 8
    assert cycles(hop_cycles=1, descriptor_cycles=20) == 100 + 20 + 100 + 2


def test_numbers_that_decided_the_mapping_are_refused() -> None:
    with pytest.raises(InputError, match="core_rows, memtile_bytes decided how the program was made"):
        cycles(core_rows=2, memtile_bytes=1024)


def test_unknown_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="'descriptor_cycle' is not a number of the chip; close ones: descriptor_"):
        cycles(descriptor_cycle=1)


@pytest.mark.parametrize("name", sorted(RATES))
def test_a_rate_of_0_is_refused(name: str) -> None:
    assert name in TIMING
    with pytest.raises(InputError, match=f"{name} cannot be 0: nothing would ever move"):
        cycles(**{name: 0})
