"""
Drawn chains of convolutions, pools and sums on maps that small MemTiles do not hold, which run together band by band
where cost says so. Planning takes DDR for far slower than it is, so that it says so often.

Every level computes the same numbers, the checker finds no fault in the plan, and the estimate agrees with the
simulation.
"""

from __future__ import annotations

from random import Random

import pytest
from bsr_levels import assert_levels_are_equal, lowered
from bsr_networks import Add, AvgPool, Conv, Input, Layer, MaxPool, Network, Requantise
from hypothesis import event, given, settings
from hypothesis import strategies as st
from strategies_bsr import Place
from xdsl.dialects.builtin import ModuleOp

from compiler.estimate import estimate
from compiler.hardware.chip import Chip
from compiler.scheduling import program, residency
from compiler.simulate import simulate
from dialects import mem

MESHES = ("1x2", "2x1", "3x1", "4x1", "2x2", "4x2", "1x3", "2x3")
WINDOWS = (((1, 1), (0, 0, 0, 0)), ((3, 3), (1, 1, 1, 1)), ((3, 3), (0, 0, 0, 0)), ((5, 1), (2, 0, 2, 0)))
"""Kernels and pads of convolutions."""
POOLS = (((2, 2), (0, 0, 0, 0)), ((3, 3), (1, 1, 1, 1)), ((3, 2), (0, 0, 2, 0)))


def random_chain(random: Random) -> Network:
    """Two to four layers, each on the map before it: convolutions, block-diagonal too, pools, sums, requantisations."""
    height, width, channels = random.randint(24, 96), random.choice((16, 24, 40)), random.choice((3, 8, 16))
    shapes, layers = [(channels, height, width)], list[Layer]()
    for number in range(random.randint(2, 4)):
        channels, height, width = shapes[-1]
        kind = random.choice(("conv", "conv", "conv", "pool", "requantise", "sum"))
        equals = [index for index, shape in enumerate(shapes[:-1]) if shape == shapes[-1]]
        if kind == "sum" and equals:
            layers.append(Add(random.choice(equals), number))
        elif kind == "conv" or min(height, width) < 3 or kind == "sum":
            kernel, pads = random.choice(WINDOWS[:2] if min(height, width) < 3 else WINDOWS)
            stride, outputs = random.choice((1, 1, 1, 2)), random.choice((channels, 8, 16, 24))
            mask = random.choice(("full", "full", "half", "diagonal"))
            layers.append(Conv(number, outputs, kernel, (stride, stride), pads, mask=mask))
            channels, height, width = outputs, *_sides((height, width), kernel, (stride, stride), pads)
        elif kind == "pool":
            kernel, pads = random.choice(POOLS)
            strides = random.choice(((2, 2), (2, 2), (1, 1), (3, 1)))
            layers.append(random.choice((MaxPool, AvgPool))(number, kernel, strides, pads))
            height, width = _sides((height, width), kernel, strides, pads)
        else:
            layers.append(Requantise(number))
        shapes.append((channels, height, width))
    return Network(random.randint(0, 1 << 20), (Input(*shapes[0]),), tuple(layers), (len(layers),))


def _sides(
    sides: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int]
) -> tuple[int, int]:
    height, width = (
        (side + before + after - taps) // stride + 1
        for side, before, after, taps, stride in zip(sides, pads[:2], pads[2:], kernel, strides, strict=True)
    )
    return height, width


def random_place(random: Random) -> Place:
    """Small meshes whose MemTiles hold few rows."""
    overrides = f"memtile_bytes={random.choice((8, 12, 16)) * 1024}", "core_weight_bytes=4096"
    return Place(f"mesh-{random.choice(MESHES)}", overrides)


def slow(_: Chip, words: int, __: int) -> int:
    """Cycles of words between DDR and a column, as planning sees them."""
    return 100 * words


def chains_of(module: ModuleOp) -> list[str]:
    """Names of the segments that run several steps together."""
    names = [op.segment_name.data for op in module.walk() if isinstance(op, mem.SegmentOp)]
    return [name for name in names if "+" in name]


def assert_agree(modules: dict[str, ModuleOp]) -> None:
    """Estimated and simulated cycles are nearly equal, and instructions are."""
    simulated, estimated = simulate(modules["aie"]), estimate(modules["mem"])
    assert estimated.array_cycles == pytest.approx(simulated.array_cycles, rel=0.03)
    assert [one.name for one in estimated.segments] == [one.name for one in simulated.segments]
    assert [one.instructions for one in estimated.segments] == [one.instructions for one in simulated.segments]


@settings(max_examples=max(2, settings.default.max_examples // 6))
@given(st.integers(0, 1 << 32))
def test_every_level_computes_what_bsr_does(seed: int) -> None:
    random = Random(seed)
    network, place = random_chain(random), random_place(random)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(residency, "loaded", slow)
        modules = assert_levels_are_equal(network, place, (seed % 1000, seed % 1000 + 1), thorough=True)
    event(f"chains of {sorted(name.count('+') + 1 for name in chains_of(modules['mem']))} steps")
    assert_agree(modules)


@pytest.mark.parametrize(
    ("last", "mesh"), [(MaxPool(2, (2, 2), (2, 2)), "4x1"), (Add(2, 0), "4x1"), (MaxPool(2, (2, 2), (2, 2)), "4x2")]
)
def test_a_chain_takes_less_time_than_its_steps(last: Layer, mesh: str) -> None:
    first, second = (Conv(number, 16, (3, 3), pads=(1, 1, 1, 1)) for number in (0, 1))
    network = Network(5, (Input(16, 64 * int(mesh[-1]), 24),), (first, second, last), (3,))
    place = Place(f"mesh-{mesh}", ("memtile_bytes=24576", "ddr_bytes_per_cycle=2"))
    together = dict(lowered(network, place))["mem"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(program, "in_chains", lambda residency, found: (residency.drafts, found))
        alone = dict(lowered(network, place))["mem"]
    assert chains_of(together)
    assert not chains_of(alone)
    assert estimate(together).array_cycles < estimate(alone).array_cycles
