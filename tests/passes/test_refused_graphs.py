"""What has no exact form runs on the host, each with the reason that the report gives, and with the same numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bsr_conversion import convert, ops_of, reasons
from onnx import TensorProto, helper
from strategies_graphs import GraphBuilder, Tensor
from xdsl.context import Context

from compiler.onnxio.importer import import_model
from dialects.bsr import HostOp, WeightsOp
from passes.convert_onnx_to_bsr import ConvertOnnxToBsrPass

ONES = np.ones((4, 4, 1, 1), np.int8)
UNKNOWN = "before it is not quantised to int8 with a fixed-point scale"


def dequantised(
    builder: GraphBuilder, values: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, **how: object
) -> str:
    """A constant and its DequantizeLinear, as they are given."""
    inputs = [
        builder.constant(name, np.asarray(part)) for name, part in (("v", values), ("s", scale), ("z", zero_point))
    ]
    return builder.node("DequantizeLinear", inputs, **how)


def read_again(builder: GraphBuilder, x: Tensor, scale: str, zero_point: str) -> Tensor:
    """A pair of this scale and zero-point, and what reads it."""
    quantised = builder.node("QuantizeLinear", [x.name, scale, zero_point], axis=1)
    name = builder.node("Relu", [builder.node("DequantizeLinear", [quantised, scale, zero_point], axis=1)])
    return builder.quantise(name, x.shape, 4)


def conv(builder: GraphBuilder, x: Tensor, *weights: str) -> Tensor:
    """A convolution of one pixel by a weight and perhaps a bias, four channels of each."""
    return builder.quantise(builder.node("Conv", [x.name, *weights]), x.shape, 4)


def concat_images(builder: GraphBuilder, x: Tensor) -> Tensor:
    return builder.quantise(builder.node("Concat", [x.name, x.name], axis=0), (2, 4, 6, 6), 4)


def transpose(builder: GraphBuilder, x: Tensor) -> Tensor:
    return builder.quantise(builder.node("Transpose", [x.name], perm=[0, 1, 3, 2]), x.shape, 4)


def five_dimensions(builder: GraphBuilder, x: Tensor) -> Tensor:
    x = builder.conv(builder.conv(x, 16), 256)
    shape = builder.constant("shape", np.array([1, 16, 16, 6, 6]))
    return builder.quantise(builder.node("Reshape", [x.name, shape]), (1, 16, 16, 6, 6), 4)


def concat_constant(builder: GraphBuilder, x: Tensor) -> Tensor:
    constant = builder.weight(np.ones((1, 4, 6, 6), np.int8), 4)
    return builder.quantise(builder.node("Concat", [x.name, constant], axis=1), (1, 8, 6, 6), 4)


def fine_bias(builder: GraphBuilder, x: Tensor) -> Tensor:
    weights, bias = builder.weight(np.ones((4, 4, 1, 1), np.int8), 3), builder.weight(np.ones(4, np.int32), 12)
    return builder.quantise(builder.node("Conv", [x.name, weights, bias]), x.shape, 4)


def left_shift(builder: GraphBuilder, x: Tensor) -> Tensor:
    weights = builder.weight(np.ones((4, 4, 1, 1), np.int8), 0)
    return builder.quantise(builder.node("Conv", [x.name, weights]), x.shape, 6)


def finer_sum(builder: GraphBuilder, x: Tensor) -> Tensor:
    axes = builder.constant("axes", np.array([1]))
    return builder.quantise(builder.node("ReduceSum", [x.name, axes], keepdims=1), (1, 1, 6, 6), 5)


def dilated_pool(builder: GraphBuilder, x: Tensor) -> Tensor:
    name = builder.node("MaxPool", [x.name], kernel_shape=[2, 2], dilations=[2, 2])
    return builder.quantise(name, (1, 4, 4, 4), 4)


def crossed_bounds(builder: GraphBuilder, x: Tensor) -> Tensor:
    low, high = (builder.constant("bound", np.float32(bound)) for bound in (2, 1))
    name = builder.node("Conv", [x.name, builder.weight(np.ones((4, 4, 1, 1), np.int8), 3)])
    name = builder.node("Clip", [name, low, high])
    return builder.quantise(name, x.shape, 4)


def far_zero_point(builder: GraphBuilder, x: Tensor) -> Tensor:
    weights = builder.constant("w", builder.random.integers(-128, 128, (4, 4, 1, 1)).astype(np.int8))
    scale, zero = builder.constant("scale", np.float32(0.5)), builder.constant("zero", np.int8(100))
    name = builder.node("Conv", [x.name, builder.node("DequantizeLinear", [weights, scale, zero])])
    return builder.quantise(name, x.shape, 0)


def zero_point_of_a_bias(builder: GraphBuilder, x: Tensor) -> Tensor:
    bias = dequantised(builder, np.ones(4, np.int32), np.float32(2.0**-6), np.int32(5))
    return conv(builder, x, builder.weight(ONES, 3), bias)


def scale_of_a_bias(builder: GraphBuilder, x: Tensor) -> Tensor:
    bias = dequantised(builder, np.ones(4, np.int32), np.float32(0.1), np.int32(0))
    return conv(builder, x, builder.weight(ONES, 3), bias)


def fraction_in_a_bias(builder: GraphBuilder, x: Tensor) -> Tensor:
    return conv(builder, x, builder.weight(ONES, 3), builder.constant("bias", np.array([1, 2, 0.1, 3], np.float32)))


def unsigned_weight(builder: GraphBuilder, x: Tensor) -> Tensor:
    return conv(builder, x, dequantised(builder, ONES.astype(np.uint8), np.float32(0.125), np.uint8(0)))


def wide_weight(builder: GraphBuilder, x: Tensor) -> Tensor:
    return conv(builder, x, dequantised(builder, ONES.astype(np.int32), np.float32(0.125), np.int32(0)))


def scales_of_inputs(builder: GraphBuilder, x: Tensor) -> Tensor:
    scales = np.array([0.5, 0.25, 0.5, 0.5], np.float32)
    return conv(builder, x, dequantised(builder, ONES, scales, np.zeros(4, np.int8), axis=1))


def scales_of_blocks(builder: GraphBuilder, x: Tensor) -> Tensor:
    scales, zeros = np.full((4, 2, 1, 1), 0.5, np.float32), np.zeros((4, 2, 1, 1), np.int8)
    return conv(builder, x, dequantised(builder, ONES, scales, zeros, axis=1, block_size=2))


def computed_scale(builder: GraphBuilder, x: Tensor) -> Tensor:
    scale = builder.node("Identity", [builder.constant("scale", np.float32(0.5))])
    return read_again(builder, x, scale, builder.constant("zero", np.int8(0)))


def computed_zero_point(builder: GraphBuilder, x: Tensor) -> Tensor:
    zero = builder.node("Identity", [builder.constant("zero", np.int8(0))])
    return read_again(builder, x, builder.constant("scale", np.float32(0.5)), zero)


def negative_scale(builder: GraphBuilder, x: Tensor) -> Tensor:
    return read_again(builder, x, builder.constant("scale", np.float32(-0.5)), builder.constant("zero", np.int8(0)))


def far_scale(builder: GraphBuilder, x: Tensor) -> Tensor:
    return read_again(builder, x, builder.constant("scale", np.float32(3e38)), builder.constant("zero", np.int8(3)))


def scales_of_a_map(builder: GraphBuilder, x: Tensor) -> Tensor:
    scales = builder.constant("scales", np.array([0.5, 0.25, 0.5, 0.5], np.float32))
    return read_again(builder, x, scales, builder.constant("zeros", np.zeros(4, np.int8)))


def zero_points_of_a_map(builder: GraphBuilder, x: Tensor) -> Tensor:
    scales = builder.constant("scales", np.full(4, 0.5, np.float32))
    return read_again(builder, x, scales, builder.constant("zeros", np.arange(4, dtype=np.int8)))


def another_scale(builder: GraphBuilder, x: Tensor) -> Tensor:
    written, read = (builder.constant("scale", np.float32(scale)) for scale in (0.5, 0.25))
    zero = builder.constant("zero", np.int8(0))
    quantised = builder.node("QuantizeLinear", [x.name, written, zero])
    name = builder.node("Relu", [builder.node("DequantizeLinear", [quantised, read, zero])])
    return builder.quantise(name, x.shape, 4)


def computed_bound(builder: GraphBuilder, x: Tensor) -> Tensor:
    low = builder.node("Identity", [builder.constant("low", np.float32(0))])
    name = builder.node("Clip", [builder.node("Conv", [x.name, builder.weight(ONES, 3)]), low])
    return builder.quantise(name, x.shape, 4)


def bound_between_integers(builder: GraphBuilder, x: Tensor) -> Tensor:
    clipped = builder.node("Clip", [x.name, builder.constant("low", np.float32(-0.3))])
    return builder.quantise(builder.node("Conv", [clipped, builder.weight(ONES, 3)]), x.shape, 4)


def floating_point_input(builder: GraphBuilder, x: Tensor) -> Tensor:
    name = builder.fresh("input")
    builder.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(x.shape)))
    return conv(builder, Tensor(name, x.shape, 0), builder.weight(ONES, 3))


def floating_point_operand(builder: GraphBuilder, x: Tensor) -> Tensor:
    return conv(builder, Tensor(builder.node("Exp", [x.name]), x.shape, 0), builder.weight(ONES, 3))


def computed_axes(builder: GraphBuilder, x: Tensor) -> Tensor:
    axes = builder.node("Identity", [builder.constant("axes", np.array([2, 3]))])
    return builder.quantise(builder.node("ReduceMean", [x.name, axes]), (1, 4, 1, 1), 4)


REFUSALS = [
    (crossed_bounds, "the lower bound 2 of Clip lies above the upper bound 1"),
    (far_zero_point, "its weight less the zero-point of .* reaches from -[0-9]+ to [0-9]+, beyond int8"),
    (concat_images, "it concatenates axis 0 of 4, not channels, rows or columns of maps"),
    (transpose, "does not move the elements of a map in a regular way"),
    (five_dimensions, "a tensor of shape 1x16x16x6x6, and the array has maps 1xCxHxW and vectors 1xK"),
    (concat_constant, "one of its operands is a constant"),
    (fine_bias, "its bias is no int32 at position 7, where the products are"),
    (left_shift, "shifts right by 0..31"),
    (finer_sum, "shifts right by 0..31"),
    (dilated_pool, r"has dilations \[2, 2\]"),
    (zero_point_of_a_bias, "its bias has the zero-point 5"),
    (scale_of_a_bias, r"its bias has the scale 0\.1, which is not that of the products, 0\.0078125"),
    (fraction_in_a_bias, "its bias is no int32 at position 7, where the products are"),
    (unsigned_weight, "its weight is not a constant in int8 or int32 with a DequantizeLinear"),
    (wide_weight, "its weight is int32, not int8"),
    (scales_of_inputs, "has a scale for each index of axis 1, not of the outputs"),
    (scales_of_blocks, "has scales per block"),
    (computed_scale, f"QuantizeLinear .* {UNKNOWN}"),
    (computed_zero_point, f"QuantizeLinear .* {UNKNOWN}"),
    (negative_scale, f"QuantizeLinear .* {UNKNOWN}"),
    (scales_of_a_map, f"QuantizeLinear .* {UNKNOWN}"),
    (zero_points_of_a_map, f"QuantizeLinear .* {UNKNOWN}"),
    (far_scale, r"the ratio of scales is 4\.8e\+39, and a multiplier reaches 2\^31"),
    (another_scale, "has another scale than the QuantizeLinear before it"),
    (computed_bound, "the bounds of Clip .* are not constant numbers"),
    (bound_between_integers, "a bound of Clip .* is no int8 of #bsr.fixed<4>"),
    (floating_point_input, "it reads the network's input in floating point"),
    (floating_point_operand, f"Exp .* {UNKNOWN}"),
    (computed_axes, "ReduceMean gives a result in f32 that is not quantised"),
]


@pytest.mark.parametrize(("layer", "reason"), REFUSALS, ids=[layer.__name__ for layer, _ in REFUSALS])
def test_what_has_no_exact_form_runs_on_the_host_and_says_why(layer, reason: str) -> None:
    builder = GraphBuilder(seed=8)
    module = convert(builder, layer(builder, builder.conv(builder.input((1, 3, 6, 6), 4), 4, shift=7)))
    (found,) = reasons(module)
    assert re.search(reason, found), found
    # what was tried and is not there reads nothing, either
    uses = [use for op in module.walk() for result in op.results for use in result.uses]
    assert all(use.operation.parent is not None for use in uses)


def test_a_bias_in_floating_point_is_taken_if_it_is_an_integer_of_the_products() -> None:
    """Those are at position 7; 0.5 is 64 of them."""
    builder = GraphBuilder(seed=8)
    x = builder.conv(builder.input((1, 3, 6, 6), 4), 4, shift=7)
    bias = builder.constant("bias", np.array([1, -2, 0.5, 3], np.float32))
    module = convert(builder, conv(builder, x, builder.weight(ONES, 3), bias))
    assert reasons(module) == []
    assert ops_of(module, WeightsOp)[-1].bias_values().tolist() == [128, -256, 64, 384]


def test_batch_two_runs_on_the_host() -> None:
    builder = GraphBuilder(seed=9)
    x = builder.input((2, 3, 4, 4), 4)
    weights = builder.weight(np.ones((4, 3, 1, 1), np.int8), 7)
    y = builder.quantise(builder.node("Conv", [x.name, weights]), (2, 4, 4, 4), 4)
    assert any("tensor of shape 2x3x4x4" in op.reason.data for op in ops_of(convert(builder, y), HostOp))


def test_an_accumulator_that_could_overflow_stays_on_the_host() -> None:
    builder = GraphBuilder()
    x = builder.input((1, 4, 2, 2), 4)
    weights, bias = (
        builder.weight(np.ones((4, 4, 1, 1), np.int8), 7),
        builder.weight(np.full(4, 2**31 - 2, np.int32), 11),
    )
    y = builder.quantise(builder.node("Conv", [x.name, weights, bias]), x.shape, 0)
    module = import_model(builder.model(y))
    ConvertOnnxToBsrPass().apply(Context(), module)
    (host,) = ops_of(module, HostOp)
    assert f"its accumulator can reach {2**31 - 2 + 512}, and int32 holds {2**31 - 2}" in host.reason.data
