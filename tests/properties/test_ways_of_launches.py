"""Every level computes the numbers of a launch in each of the ways that the planner has, and it does take that way."""

from __future__ import annotations

import pytest
from bsr_levels import assert_levels_are_equal
from bsr_networks import Conv, Input, Mask, Network
from hypothesis import settings
from strategies_bsr import Place

from dialects import mem

SMALL = ("core_memory_bytes=16384", "core_weight_bytes=4096")
MASKS: tuple[Mask, ...] = ("half",) if settings.get_current_profile_name() == "quick" else ("full", "half")
"""A dense layer goes the ways of a sparse one, with more to send; the quick profile takes the sparse one alone."""


def checked_launches(network: Network, place: Place) -> list[mem.LaunchOp]:
    """The launches of its plan, which every level computes alike."""
    module = assert_levels_are_equal(network, place, (0, 1), thorough=True)["mem"]
    return [op for op in module.walk() if isinstance(op, mem.LaunchOp)]


@pytest.mark.parametrize(("target", "stride"), [("mesh-1x1", 3), ("mesh-2x3", 2)])
def test_tiles(target: str, stride: int) -> None:
    """Of unequal width, of strided rows, with padding at the sides of the map only."""
    place = Place(target, ("core_memory_bytes=14336", "core_weight_bytes=6144"))
    conv = Conv(0, 64, (3, 3), (1, stride), (1, 2, 1, 1))
    network = Network(1, (Input(64, 5, 61 * stride),), (conv,))
    widths = {op.common_parameters["width"] for op in checked_launches(network, place)}
    assert len(widths) > 1


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("target", "side"), [("mesh-1x1", (7, 5)), ("mesh-3x2", (21, 9))])
def test_input_that_stays(target: str, side: tuple[int, int], kernel: int, mask: Mask) -> None:
    """Over several output chunks, and input chunks too where partial sums are kept; stripes are uneven."""
    pad = kernel // 2
    conv = Conv(0, 200, (kernel, kernel), (1, 1), (pad, pad, pad, pad), mask=mask)
    network, place = Network(1, (Input(64, *side),), (conv,)), Place(target, SMALL)
    assert any(op.common_parameters["stays"] for op in checked_launches(network, place))


@pytest.mark.parametrize("stride", [2, 3, 5])
def test_strided_rows_are_taken_apart(stride: int) -> None:
    conv = Conv(0, 16, (3, 4), (stride, stride), (1, 2, 1, 1), (1, 2))
    network = Network(1, (Input(24, 11, 37),), (conv,))
    assert {op.common_parameters["column_stride"] for op in checked_launches(network, Place("npu1"))} == {stride}


def test_rows_wider_than_a_descriptor() -> None:
    network = Network(1, (Input(8, 3, 600),), (Conv(0, 8, (3, 3), pads=(1, 1, 1, 1)),))
    assert_levels_are_equal(network, Place("npu1"), (0, 1), thorough=True)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    ("target", "side", "width"), [("mesh-1x1", (14, 14), 28), ("mesh-2x2", (12, 7), 14), ("npu1", (14, 14), 28)]
)
def test_several_rows_as_one(target: str, side: tuple[int, int], width: int, mask: Mask) -> None:
    """With a skip that is added and without, in columns of unequal height, over several chunks of weights."""
    convs = Conv(0, 64, mask=mask), Conv(1, 192, mask=mask, skip=0), Conv(2, 16, clamp=(0, 127), rounding="half_up")
    network, place = Network(1, (Input(192, *side),), convs), Place(target)
    seen = [op.common_parameters for op in checked_launches(network, place)]
    assert any(parameters["width"] == width for parameters in seen)
    assert any(parameters["width"] == width and parameters.get("skip", 0) for parameters in seen)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    ("place", "side", "outputs"),
    [
        (Place("npu1"), (14, 14), 512),
        (Place("mesh-2x2", SMALL), (12, 7), 256),
        (Place("mesh-2x2", SMALL), (3, 28), 256),
    ],
)
def test_skip_rows_alone(place: Place, side: tuple[int, int], outputs: int, mask: Mask) -> None:
    """After the first output chunk; of maps in columns of unequal height, row by row and with several rows as one."""
    convs = Conv(0, outputs), Conv(0, outputs, mask=mask, skip=1, clamp=(0, 127), shift=6)
    network = Network(1, (Input(64, *side),), convs)
    assert any(op.common_parameters.get("skips_alone", 0) for op in checked_launches(network, place))
