"""How many instructions of the controller wait for a launch to end before the next one gets its activations."""

from __future__ import annotations

import pytest
from bsr_levels import lowered
from bsr_networks import Conv, Input, Network
from strategies_bsr import Place

from compiler.estimate import estimate
from dialects import mem


@pytest.mark.parametrize(("target", "each"), [("mesh-1x1", 1), ("mesh-1x2", 2), ("mesh-2x1", 1)])
def test_activations_are_written_before_and_pushed_between_launches(target: str, each: int) -> None:
    layers = (Conv(0, 8), Conv(1, 8), Conv(2, 8))
    found = estimate(dict(lowered(Network(3, (Input(8, 12, 12),), layers), Place(target)))["mem"])
    # a push to neighbouring channels of each MemTile
    assert found.between_launches == (each, each)
    assert found.as_json()["between_launches"] == [each, each]


def test_before_the_first_launch_there_is_none() -> None:
    found = estimate(dict(lowered(Network(3, (Input(8, 12, 12),), (Conv(0, 8),)), Place("mesh-1x1")))["mem"])
    assert found.between_launches == ()


def test_pages_of_weights_for_a_later_launch_come_behind_the_activations_of_the_next_one() -> None:
    layers = (Conv(0, 512), Conv(1, 512), Conv(2, 512, (3, 3), pads=(1, 1, 1, 1), mask="half"))
    modules = dict(lowered(Network(7, (Input(16, 8, 6),), layers), Place("npu1")))
    names = [op.segment_name.data for op in modules["mem"].walk() if isinstance(op, mem.SegmentOp)]
    assert names == ["layer0", "layer0.gather", "layer1", "layer1.gather", "layer2"]
    found = estimate(modules["mem"])
    assert found.weights_instructions > 0
    # a push to the input of each core, which a DEEP launch cannot have before, and to the broadcast of each MemTile
    assert found.between_launches == (16 + 4,) * 4
