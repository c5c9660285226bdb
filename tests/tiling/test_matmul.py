"""Launches of matrix products of two maps: every output once, within limits, in as few launches as cores allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_networks import matmul_layer, tight_chips

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip, chip_named
from compiler.kernels.parameters import Kernel
from compiler.scheduling.launch_checker import arena_faults
from compiler.scheduling.stripes import even_stripes
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, MapShape
from compiler.tiling.limits import launch_faults
from compiler.tiling.matmul import plan_matmul


def planned(layer: Layer, chip: Chip) -> list[Launch]:
    return plan_matmul(layer, chip, even_stripes((0, 1), chip.columns))


@given(
    chip=tight_chips(),
    heads=st.integers(1, 4),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 200)),
    transposed=st.booleans(),
    kernel=st.sampled_from((Kernel.MATMUL, Kernel.SCALED_MATMUL)),
)
def test_every_output_is_computed_once(
    chip: Chip, heads: int, sizes: tuple[int, int, int], transposed: bool, kernel: Kernel
) -> None:
    terms, outputs, pixels = 8 * sizes[0], 8 * sizes[1], sizes[2]
    right = MapShape(heads * terms, 1, outputs) if transposed else MapShape(heads * outputs, 1, terms)
    layer = matmul_layer(MapShape(heads * terms, 1, pixels), right, heads, transposed, kernel)
    try:
        launches = planned(layer, chip)
    except CapacityError:
        launches = []
    computed = np.zeros((layer.output.blocks, pixels), np.int64)
    for launch in launches:
        assert launch_faults(launch, chip) == arena_faults(launch) == []
        for work in launch.cores:
            first = launch.tile.output
            computed[slice(*work.blocks), first : first + launch.layer.output.width] += 1
    assert not launches or (computed == 1).all()


@pytest.mark.parametrize(("heads", "launches", "cores"), [(1, 1, 3), (3, 1, 3), (4, 1, 4), (6, 2, 6)])
def test_heads_and_blocks_share_the_cores_of_a_column(heads: int, launches: int, cores: int) -> None:
    tokens = MapShape(24 * heads, 1, 24)
    found = planned(matmul_layer(tokens, tokens, heads, transposed=True), chip_named("npu1"))
    assert (len(found), sum(len(launch.cores) for launch in found)) == (launches, cores)


@pytest.mark.parametrize(
    ("channels", "heads", "message"),
    [
        (20, 1, "sums over 20 channels of both operands, which are no whole blocks of 8"),
        (24, 2, "heads of 12 and 16 channels, which are no whole blocks of 8"),
        (8 * 4096, 1, r"does not fit a core: for 8 pixels of one output block it takes .* would fit"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(channels: int, heads: int, message: str) -> None:
    tokens = MapShape(channels, 1, 16)
    with pytest.raises(CapacityError, match=message):
        planned(matmul_layer(tokens, tokens, heads, transposed=True), chip_named("npu1"))
