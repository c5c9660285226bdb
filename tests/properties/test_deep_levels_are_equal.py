"""
Drawn chains of convolutions with many channels on small maps, where cost chooses DEEP launches.

Every level computes the same numbers, the checker finds no fault in the plan, and the estimate agrees with the
simulation.
"""

from __future__ import annotations

from random import Random

import pytest
from bsr_levels import assert_levels_are_equal
from bsr_networks import Add, AvgPool, Conv, Gemm, Input, Layer, MaxPool, Network
from hypothesis import event, given, settings
from hypothesis import strategies as st
from strategies_bsr import Place

from compiler.estimate import estimate
from compiler.simulate import simulate
from dialects import mem

TARGETS = ("mesh-2x2", "mesh-1x1", "mesh-1x2", "mesh-2x1", "mesh-2x2", "mesh-3x2", "mesh-2x3", "mesh-3x1")


def random_chain(random: Random) -> Network:
    """
    One to three convolutions, some with strides or pads, perhaps a sum and a convolution of it, perhaps a pool and a
    vector in the end.
    """
    height, width, channels = *(random.choice((1, 2, 3, 5, 7)) for _ in range(2)), random.choice((64, 88, 128, 256))
    sides = [height, width]
    layers: list[Layer] = []
    for number in range(random.randint(1, 3)):
        outputs = random.choice((64, 120, 128, 192, 256))
        kernel, pads = random.choice((((1, 1), (0, 0, 0, 0)), ((3, 3), (1, 1, 1, 1)), ((1, 3), (0, 0, 0, 2))))
        stride = random.choice((1, 1, 1, 2)) if min(sides) > 2 else 1
        mask = random.choice(("full", "full", "half", "diagonal"))
        layers.append(Conv(number, outputs, kernel, (stride, stride), pads, mask=mask))
        sides = [(side - 1) // stride + 1 for side in sides]
    last = layers[-1]
    assert isinstance(last, Conv)
    if random.random() < 0.5:
        layers.append(Conv(len(layers), last.outputs))
        layers.append(Add(len(layers) - 1, len(layers)))
        if random.random() < 0.5:
            layers.append(Conv(len(layers), random.choice((128, 256))))
    if random.random() < 0.3:
        kernel = random.choice((1, 2, 3, *sides)), random.choice((1, 2, *sides))
        kernel = min(kernel[0], sides[0]), min(kernel[1], sides[1])
        layers.append(random.choice((MaxPool, AvgPool))(len(layers), kernel))
    if random.random() < 0.3:
        layers.append(Gemm(len(layers), random.choice((64, 100))))
    return Network(random.randint(0, 1 << 20), (Input(channels, height, width),), tuple(layers))


@settings(max_examples=max(2, settings.default.max_examples // 6))
@given(st.integers(0, 1 << 32), st.sampled_from(TARGETS))
def test_every_level_computes_what_bsr_does(seed: int, target: str) -> None:
    network, place = random_chain(Random(seed)), Place(target)
    modules = assert_levels_are_equal(network, place, (seed % 1000, seed % 1000 + 1), thorough=True)
    launches = [op for op in modules["mem"].walk() if isinstance(op, mem.LaunchOp)]
    event(f"{sum(op.deep for op in launches)} DEEP launches of {len(launches)}")
    simulated, estimated = simulate(modules["aie"]), estimate(modules["mem"])
    assert estimated.array_cycles == pytest.approx(simulated.array_cycles, rel=0.03)
    assert [one.instructions for one in estimated.segments] == [one.instructions for one in simulated.segments]


@pytest.mark.parametrize(("target", "strides"), [("npu1", (1, 1)), ("mesh-2x2", (2, 2)), ("mesh-2x2", (1, 2))])
def test_a_map_is_gathered_from_rows_and_from_slices(target: str, strides: tuple[int, int]) -> None:
    layers = (Conv(0, 512), Conv(1, 512, strides=strides), Conv(2, 512, (3, 3), pads=(1, 1, 1, 1), mask="half"))
    network, place = Network(7, (Input(16, 8, 6),), layers), Place(target)
    modules = assert_levels_are_equal(network, place, (3, 4))
    segments = [op.segment_name.data for op in modules["mem"].walk() if isinstance(op, mem.SegmentOp)]
    assert sum(name.endswith("gather") for name in segments) == 2
    assert estimate(modules["mem"]).array_cycles == pytest.approx(simulate(modules["aie"]).array_cycles, rel=0.03)
