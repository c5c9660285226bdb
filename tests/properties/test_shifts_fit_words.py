"""The shifts that a core is given: sums never leave 32 bits, and the result is that of unbounded arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import numpy.typing as npt
from bsr_modules import module_of
from bsr_networks import AvgPool, Input, Network
from hypothesis import given
from hypothesis import strategies as st

from compiler.kernels.parameters import Parameter
from compiler.quantization.arithmetic import Rounding, add_int8, average, requantise
from compiler.tiling.layer import Layer, MapShape
from dialects.bsr import AvgPoolOp
from dialects.bsr_base import WIDEST_ALIGNMENT
from passes.array_layers import pool_layer
from passes.pair_layers import sum_layer

LEFT, RIGHT = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128), indexing="ij")
roundings: st.SearchStrategy[Rounding] = st.sampled_from(("half_even", "half_up"))
FULL = (-128, 127)


def parameter(layer: Layer, name: Parameter) -> int:
    return dict(layer.constants)[name]


def fits(values: npt.NDArray[np.int64]) -> bool:
    return int(np.abs(values).max()) < 1 << 31


@given(st.integers(-32, 32), st.integers(-WIDEST_ALIGNMENT, WIDEST_ALIGNMENT), st.integers(-32, 32), roundings)
def test_any_sum_fits_32_bits(first: int, apart: int, position: int, rounding: Rounding) -> None:
    positions = (first, max(-32, min(first + apart, 32)))
    layer = sum_layer("sum", MapShape(8, 1, 1), positions, position, rounding, FULL)
    total = (LEFT << parameter(layer, Parameter.SHIFT_A)) + (RIGHT << parameter(layer, Parameter.SHIFT_B))
    assert fits(total)
    found = requantise(total, parameter(layer, Parameter.SHIFT), rounding)
    wanted = add_int8(LEFT, positions[0], RIGHT, positions[1], position, rounding)
    np.testing.assert_array_equal(found, wanted)


def exact_mean(total: npt.NDArray[np.int64], cells: int, apart: int, rounding: Rounding) -> npt.NDArray[np.int8]:
    """The same fraction in Python's integers and fractions."""
    means = [Fraction(int(value), cells) * Fraction(2) ** apart for value in total]
    rounded = [round(mean) if rounding == "half_even" else floor(mean + Fraction(1, 2)) for mean in means]
    return np.array([max(-128, min(value, 127)) for value in rounded], np.int8)


@given(st.integers(1, 50), st.integers(1, 5), st.integers(-64, 64), roundings)
def test_a_mean_at_any_position_is_exact(height: int, width: int, apart: int, rounding: Rounding) -> None:
    source = min(32, 32 - apart) if apart > 0 else max(-32, -32 - apart)
    network = Network(
        0,
        (Input(8, height, width, source),),
        (AvgPool(0, (height, width), position=source + apart, rounding=rounding),),
    )
    op = next(op for op in module_of(network).walk() if isinstance(op, AvgPoolOp))
    layer = pool_layer(op, "mean")
    cells = height * width
    near = np.arange(-300, 300)
    total = np.clip(np.concatenate([near, near * -(-cells // 2)]), -128 * cells, 127 * cells)
    up, down = parameter(layer, Parameter.NUMERATOR_SHIFT), parameter(layer, Parameter.DENOMINATOR_SHIFT)
    assert fits(total << up)
    np.testing.assert_array_equal(average(total, cells, down - up, rounding), exact_mean(total, cells, apart, rounding))
