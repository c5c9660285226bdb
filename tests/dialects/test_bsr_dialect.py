"""Refusals of the bsr dialect: one wrong module per rule, and the sentence that says which rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.ir import Block, SSAValue
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from compiler.registry import full_context
from dialects.bsr import (
    AddOp,
    AvgPoolOp,
    BlocksAttr,
    ClampOp,
    ConcatOp,
    Conv2dOp,
    FixedAttr,
    GemmOp,
    MatMulOp,
    MaxOp,
    MaxPoolOp,
    MinOp,
    MulOp,
    RequantiseOp,
    ReshapeOp,
    Scaled,
    ScaledAttr,
    SubOp,
    WeightsOp,
    fixed_type,
    map_type,
    position_of,
    weights_type,
)
from dialects.bsr_attributes import Blocks
from dialects.bsr_blocks import compress, expand, pack_gamma, unpack_gamma


def a_map(*shape: int, position: int = 4) -> SSAValue:
    """A value of a map's type, from nowhere."""
    return Block(arg_types=[fixed_type(shape or (1, 8, 6, 6), position)]).args[0]


def a_row(channels: int = 8, pixels: int = 6):
    """Pixels of channels in one row, as a matrix product takes them."""
    return a_map(1, channels, 1, pixels)


def some_weights(outputs: int = 8, inputs: int = 8, size: int = 3) -> WeightsOp:
    values = np.ones((outputs, inputs, size, size), np.int8)
    return WeightsOp.from_dense(values, np.zeros(outputs, np.int32), 7, "w")


def shape_and_seed() -> st.SearchStrategy[tuple[tuple[int, int, int, int], int]]:
    sizes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3), st.integers(1, 3))
    return st.tuples(sizes, st.integers(0, 1000))


@given(shape_and_seed(), st.floats(0, 1))
def test_expand_is_the_inverse_of_compress(drawn: tuple[tuple[int, int, int, int], int], density: float) -> None:
    shape, seed = drawn
    random = np.random.default_rng(seed)
    weights = random.integers(-128, 128, shape).astype(np.int8)
    weights[random.random(shape) >= density**8] = 0
    gamma, values = compress(weights)
    np.testing.assert_array_equal(expand(gamma, values, shape), weights)
    np.testing.assert_array_equal(unpack_gamma(pack_gamma(gamma), gamma.shape), gamma)
    assert values.any(axis=(1, 2, 3, 4)).all(), "a block of zeros is stored"


def test_the_last_axis_of_a_block_is_the_output_channel() -> None:
    weights = np.zeros((16, 24, 1, 2), np.int8)
    weights[9, 19, 0, 1] = 5
    gamma, values = compress(weights)
    assert gamma.tolist() == [[False, False, False], [False, False, True]]
    assert values[0, 0, 1, 3, 1] == 5


def test_positions_and_shapes_are_read_from_types() -> None:
    assert position_of(fixed_type((1, 8), -3)) == -3
    assert position_of(weights_type((8, 8, 1, 1), 7, 1)) == 7
    with pytest.raises(VerifyException, match="has no position"):
        position_of(FixedAttr(3))


def test_attributes_are_checked() -> None:
    with pytest.raises(VerifyException, match=r"position 99 lies outside -32\.\.32"):
        FixedAttr(99)
    with pytest.raises(VerifyException, match="5 non-zero blocks of 4 cannot be"):
        BlocksAttr(Blocks(7, 5, 4))


def test_gamma_and_type_agree() -> None:
    weights = some_weights()
    wrong = WeightsOp.create(properties=weights.properties, result_types=[weights_type((8, 8, 3, 3), 7, 0)])
    with pytest.raises(VerifyException, match="gamma marks 1 blocks, the type says 0"):
        wrong.verify()
    wrong = WeightsOp.create(properties=weights.properties, result_types=[weights_type((8, 80, 3, 3), 7, 1)])
    with pytest.raises(VerifyException, match="gamma has 1 bytes, 10 blocks need 2"):
        wrong.verify()
    wrong = WeightsOp.create(properties=weights.properties, result_types=[weights_type((7, 8, 3, 3), 7, 1)])
    with pytest.raises(VerifyException, match=r"the shape of bias is \[8\]; the operands imply \[7\]"):
        wrong.verify()


def conv(**changes: object) -> Conv2dOp:
    arguments: dict = {"pads": (1, 1, 1, 1), **changes}
    return Conv2dOp(arguments.pop("input", a_map()), some_weights().result, arguments.pop("position", 4), **arguments)


def a_scaled_map(scale: float, zero_point: int = 0, size: int = 6) -> SSAValue:
    """A map with a general scale, from nowhere."""
    type = map_type((1, 8, size, size), ScaledAttr(Scaled(float(np.float32(scale)), zero_point)))
    return Block(arg_types=[type]).args[0]


def scaled_weights(scale: float) -> WeightsOp:
    values = np.ones((8, 8, 3, 3), np.int8)
    return WeightsOp.from_dense(values, np.zeros(8, np.int32), np.full(8, scale, np.float32), "w")


@given(st.floats(2.0**-126, 2.0**100, width=32), st.integers(-128, 127))
def test_scales_come_back_as_they_were_printed(scale: float, zero_point: int) -> None:
    attribute = ScaledAttr(Scaled(scale, zero_point))
    parsed = Parser(full_context(), str(attribute)).parse_attribute()
    assert parsed == attribute


REFUSALS = [
    (lambda: ScaledAttr(Scaled(0.1, 0)), "the scale 0.1 is no positive float32"),
    (lambda: ScaledAttr(Scaled(0.5, 128)), "the zero-point 128 is no int8"),
    (
        lambda: Conv2dOp(a_map(), scaled_weights(2.0**40).result, 4),
        r"the ratio of scales is .*, and a multiplier reaches 2\^31",
    ),
    (
        lambda: Conv2dOp(a_scaled_map(0.1), scaled_weights(0.01).result, 4, skip=a_map(1, 8, 4, 4), inner_position=4),
        "a skip is added in fixed point; with general scales, add apart",
    ),
    (
        lambda: AvgPoolOp(a_scaled_map(0.1, size=300), 4, (300, 300)),
        r"a mean with general scales has at most 65536 cells; \(300, 300\) given",
    ),
    (lambda: RequantiseOp(a_scaled_map(2.0**40), 0), "the ratio of scales is"),
    (lambda: AddOp(a_scaled_map(2.0**40), a_map(), 0), "the ratio of scales is"),
    (lambda: conv(input=a_map(1, 9, 6, 6)), "the map has 9 channels, the weights 8"),
    (lambda: conv(position=12), r"p\(x\) \+ p\(w\) - p\(y\) is -1; an int32 accumulator shifts right by 0..31"),
    (lambda: conv(clamp=(3, 2)), r"clamp is \[3, 2\]; expected \[low, high\] with -128 <= low <= high <= 127"),
    (lambda: conv(skip=a_map()), "inner_position belongs to a skip operand: give both or neither"),
    (lambda: conv(inner_position=3), "inner_position belongs to a skip operand: give both or neither"),
    (lambda: conv(inner_clamp=(0, 9)), "inner_clamp belongs to a skip operand: without one, use clamp"),
    (lambda: conv(skip=a_map(1, 8, 5, 6), inner_position=4), r"the shape of skip is \[1, 8, 5, 6\]"),
    (lambda: conv(skip=a_map(position=30), inner_position=4), "positions 4 and 30 lie further apart than 22"),
    (lambda: conv(pads=(1, 1, 1, -1)), "pads is .*; expected 4 integers >= 0"),
    (lambda: conv(input=a_map(2, 8, 6, 6)), "expected batch 1"),
    (lambda: GemmOp(a_map(1, 8, 2, 3), some_weights().result, 4), r"the shape of the weights is \[8, 3, 3\]"),
    (lambda: AddOp(a_map(), a_map(1, 8, 6, 5), 4), "the shape of the second operand"),
    (lambda: SubOp(a_map(position=-1), a_map(position=30), 4), "positions -1 and 30 lie further apart than 22"),
    (lambda: MulOp(a_map(), a_map(1, 8, 6, 5), 4), "the shape of the second operand"),
    (lambda: MatMulOp(a_map(), a_map(), 4), "matrices are maps of one row, these have 6 and 6"),
    (lambda: MatMulOp(a_row(), a_row(), 4), "8 channels for each head of the first map meet 6 pixels of the second"),
    (
        lambda: MatMulOp(a_row(16), a_row(8), 4, heads=2, transposed=True),
        "8 channels for each head of the first map meet 4 channels for each head of the second",
    ),
    (lambda: MatMulOp(a_row(), a_row(), 4, heads=3, transposed=True), "3 heads do not share 8 and 8 channels evenly"),
    (lambda: MatMulOp(a_row(), a_row(), 9, transposed=True), r"p\(x\) \+ p\(w\) - p\(y\) is -1"),
    (
        lambda: MatMulOp(a_row(1 << 17), a_row(1 << 17), 0, transposed=True),
        "131072 products of values up to 128 and 128 sum up to 2147483648, and int32 holds 2147483646",
    ),
    (lambda: MulOp(a_scaled_map(2.0**30), a_scaled_map(2.0**10), 0), "the ratio of scales is"),
    (lambda: MaxOp(a_map(), a_map(1, 8, 6, 5)), "the shape of the second operand"),
    (lambda: MinOp(a_map(position=3), a_map(position=4)), "min keeps positions, but goes from 4 to 3"),
    (lambda: AddOp(a_map(position=-1), a_map(position=30), 4), "positions -1 and 30 lie further apart than 22"),
    (lambda: MaxPoolOp(a_map(), (2, 2), pads=(0, 2, 0, 0)), "hold a whole 2x2 window, which pools nothing"),
    (lambda: AvgPoolOp(a_map(), 4, (2, 2), strides=(1, 1), pads=(2, 0, 0, 0)), "which pools nothing"),
    (lambda: ConcatOp([a_map(), a_map(1, 8, 5, 6)], 4), "the shape of operand 1"),
    (lambda: ClampOp(a_map(), (-200, 0)), r"clamp is \[-200, 0\]"),
    (lambda: ReshapeOp(a_map(), (1, 287)), r"\[1, 8, 6, 6\] has 288 elements, \[1, 287\] has 287"),
]


@pytest.mark.parametrize(("make", "message"), REFUSALS, ids=[message[:40] for _, message in REFUSALS])
def test_wrong_ops_are_refused(make, message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        make().verify()


def test_a_window_larger_than_the_map_is_refused() -> None:
    with pytest.raises(VerifyException, match=r"a 3x3 window .* does not fit a 2x2 map with pads \[0, 0, 0, 0\]"):
        Conv2dOp(a_map(1, 8, 2, 2), some_weights().result, 4)
