"""A map as one row: every tap of every pixel finds there what the layer's definition wants."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compiler.hardware.chip import chip_named
from compiler.kernels.parameters import Kernel
from compiler.tiling.flat import flattened
from compiler.tiling.layer import Layer, MapShape

CHIP = chip_named("npu1")
BLOCKS = 3
"""Channel blocks of a chunk."""


def random_layer(random: Random) -> Layer:
    """A convolution of a small map, with any strides, pads and dilations that leave a result."""
    height, width = random.randint(1, 15), random.randint(1, 15)
    kernel = random.randint(1, 4), random.randint(1, 4)
    strides = random.choice((1, 2, 2, 3)), random.choice((1, 2, 2, 3))
    dilations = random.choice((1, 1, 2)), random.choice((1, 1, 2))
    pads = (random.randint(0, 3), random.randint(0, 3), random.randint(0, 3), random.randint(0, 3))
    spans = [(size - 1) * apart + 1 for size, apart in zip(kernel, dilations, strict=True)]
    rows = (height + pads[0] + pads[2] - spans[0]) // strides[0] + 1
    columns = (width + pads[1] + pads[3] - spans[1]) // strides[1] + 1
    shape, result = MapShape(8 * BLOCKS, height, width), MapShape(8, max(rows, 0), max(columns, 0))
    return Layer("conv", Kernel.CONV, shape, result, kernel, strides, pads, dilations)


@given(st.integers(0, 1 << 32))
def test_every_tap_of_every_pixel_is_where_it_should_be(seed: int) -> None:
    layer = random_layer(Random(seed))
    assume(layer.output.height > 0 and layer.output.width > 0)
    flat = flattened(layer, CHIP)
    assume(flat is not None)
    assert flat is not None
    height, width = layer.input.height, layer.input.width
    pixels = 1 + np.arange(BLOCKS * height * width).reshape(BLOCKS, height, width)
    parts = []
    for plane in flat.planes:
        here = pixels[:, plane.first_row :: layer.strides[0], plane.first_column :: layer.strides[1]]
        here = here[:, : plane.rows, : plane.columns]
        assert here.shape[1:] == (plane.rows, plane.columns)
        padded = np.pad(here, ((0, 0), (plane.above, plane.below), (flat.left, plane.right)))
        parts.append(padded.reshape(-1))
    row = np.concatenate(parts)
    assert row.size == BLOCKS * flat.fetch.width
    places = flat.places(np.arange(BLOCKS), BLOCKS)
    around = np.pad(pixels, ((0, 0), (40, 40), (40, 40)))
    down, across = np.divmod(np.arange(len(flat.taps)), layer.kernel_size[1])
    for y in range(layer.output.height):
        for x in range(layer.output.width):
            rows = 40 + y * layer.strides[0] - layer.pads[0] + down * layer.dilations[0]
            columns = 40 + x * layer.strides[1] - layer.pads[1] + across * layer.dilations[1]
            assert np.array_equal(row[places + y * flat.pitch + x], around[:, rows, columns])
    # what the kernel computes between the rows is of no pixel, but it must find something there
    assert places.max() + flat.seen.output.width <= row.size


@pytest.mark.parametrize(("kernel", "planes"), [((1, 1), 1), ((3, 3), 4), ((1, 3), 2)])
def test_only_planes_that_a_tap_looks_at_are_sent(kernel: tuple[int, int], planes: int) -> None:
    shape, result = MapShape(8, 14, 14), MapShape(8, 7, 7)
    pads = (kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2)
    flat = flattened(Layer("conv", Kernel.CONV, shape, result, kernel, (2, 2), pads), CHIP)
    assert flat is not None
    assert len(flat.planes) == planes
