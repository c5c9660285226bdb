"""What conversion makes of single layers, and what it leaves to the host with which reason."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from strategies_graphs import GraphBuilder, Tensor
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, NameLoc

from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.reference import run_reference
from compiler.onnxio.importer import import_model
from dialects.bsr import (
    AvgPoolOp,
    ClampOp,
    Conv2dOp,
    GemmOp,
    HostOp,
    MaxPoolOp,
    PadOp,
    RequantiseOp,
    ReshapeOp,
    WeightsOp,
    shape_of,
)
from passes.convert_onnx_to_bsr import ConvertOnnxToBsrPass


def convert(builder: GraphBuilder, *outputs: Tensor) -> ModuleOp:
    """The bsr module of what `builder` has built, checked against the reference on random inputs."""
    module, inputs = import_model(builder.model(*outputs)), builder.feed()
    expected = run_reference(module, inputs)
    ConvertOnnxToBsrPass().apply(Context(), module)
    module.verify()
    found = interpret_bsr(module, inputs)
    for name, values in found.tensors.items():
        np.testing.assert_array_equal(values, expected.tensors[name], err_msg=name)
    for name, values in found.outputs.items():
        np.testing.assert_array_equal(values, expected.outputs[name], err_msg=name)
    return module


def ops_of(module: ModuleOp, kind: type) -> list:
    return [op for op in module.walk() if isinstance(op, kind)]


def reasons(module: ModuleOp) -> list[str]:
    """Why host segments are there, except for the boundary of the network."""
    boundary = ("the network's input arrives", "the network's output leaves")
    return [op.reason.data for op in ops_of(module, HostOp) if not op.reason.data.startswith(boundary)]


def test_zero_blocks_are_found() -> None:
    builder = GraphBuilder(seed=1)
    x = builder.input((1, 16, 4, 4), 4)
    weights = np.ones((20, 16, 1, 1), np.int8)
    weights[:8, 8:] = 0
    weights[16:] = 0
    name = builder.node("Conv", [x.name, builder.weight(weights, 7)])
    (found,) = ops_of(convert(builder, builder.quantise(name, (1, 20, 4, 4), 3)), WeightsOp)
    assert found.gamma_mask().tolist() == [[True, False], [True, True], [False, False]]
    assert found.block_values().shape == (3, 1, 1, 8, 8)
    np.testing.assert_array_equal(found.dense(), weights)


@pytest.mark.parametrize(("channels", "group"), [(16, 2), (24, 24), (20, 5)])
def test_groups_become_zero_blocks(channels: int, group: int) -> None:
    builder = GraphBuilder(seed=2)
    x = builder.input((1, channels, 6, 6), 4)
    (found,) = ops_of(convert(builder, builder.conv(x, channels, group=group)), WeightsOp)
    assert found.shape == (channels, channels, 3, 3)
    blocks = -(-channels // 8)
    touched = {
        (output // 8, entry // 8)
        for output in range(channels)
        for entry in range(channels)
        if output // (channels // group) == entry // (channels // group)
    }
    assert {(r, c) for r in range(blocks) for c in range(blocks) if found.gamma_mask()[r, c]} == touched


def test_relu_and_clip_become_a_clamp() -> None:
    builder = GraphBuilder(seed=3)
    x = builder.input((1, 8, 4, 4), 4)
    weights = builder.weight(builder.random.integers(-128, 128, (8, 8, 1, 1)).astype(np.int8), 7)
    name = builder.node("Conv", [x.name, weights])
    low, high = builder.constant("low", np.float32(-0.3)), builder.constant("high", np.float32(6))
    name = builder.node("Relu", [builder.node("Clip", [name, low, high])])
    (conv,) = ops_of(convert(builder, builder.quantise(name, (1, 8, 4, 4), 4)), Conv2dOp)
    assert conv.clamp == (0, 96)


def test_ops_are_located_and_named() -> None:
    builder = GraphBuilder()
    (conv,) = ops_of(convert(builder, builder.conv(builder.input((1, 8, 4, 4), 4), 8)), Conv2dOp)
    assert isinstance(conv.location, NameLoc)
    assert conv.location.desc.data.startswith("conv")
    assert conv.tensor_name.startswith("quantizelinear")


def test_flatten_before_gemm_contracts_the_map() -> None:
    builder = GraphBuilder(seed=4)
    module = convert(builder, builder.gemm(builder.input((1, 12, 3, 2), 4), 10, transposed=False))
    (gemm,) = ops_of(module, GemmOp)
    assert shape_of(gemm.weights.type) == (10, 12, 3, 2)
    assert ops_of(module, ReshapeOp) == []


def test_flatten_with_its_own_pair_before_gemm_contracts_the_map_too() -> None:
    builder = GraphBuilder(seed=4)
    x = builder.input((1, 12, 3, 2), 4)
    flat = builder.quantise(builder.node("Flatten", [x.name]), (1, 72), 4)
    (gemm,) = ops_of(convert(builder, builder.gemm(flat, 10)), GemmOp)
    assert shape_of(gemm.weights.type) == (10, 12, 3, 2)


def test_mean_over_height_and_width_is_a_pool() -> None:
    builder = GraphBuilder(seed=5)
    x = builder.input((1, 12, 3, 5), 4)
    axes = builder.constant("axes", np.array([-1, 2]))
    name = builder.node("ReduceMean", [x.name, axes], keepdims=0)
    (pool,) = ops_of(convert(builder, builder.quantise(name, (1, 12), 5)), AvgPoolOp)
    assert pool.kernel == (3, 5)


def test_ceil_mode_becomes_larger_pads() -> None:
    builder = GraphBuilder(seed=6)
    x = builder.input((1, 3, 6, 6), 4)
    (pool,) = ops_of(convert(builder, builder.pool(x, "MaxPool", pads=(0, 0, 0, 0), ceil_mode=1)), MaxPoolOp)
    assert pool.pads == (0, 0, 1, 1)


def test_pad_with_zeros() -> None:
    builder = GraphBuilder(seed=6)
    x = builder.input((1, 3, 6, 6), 4)
    pads = builder.constant("pads", np.array([0, 0, 1, 2, 0, 0, 3, 0]))
    y = builder.quantise(builder.node("Pad", [x.name, pads]), (1, 3, 10, 8), 4)
    (pad,) = ops_of(convert(builder, y), PadOp)
    assert pad.pads == (1, 2, 3, 0)


def test_a_chain_of_host_operators_is_one_segment() -> None:
    builder = GraphBuilder(seed=7)
    x = builder.conv(builder.input((1, 4, 6, 6), 4), 8)
    y = builder.quantise(builder.node("Softmax", [x.name]), x.shape, 7)
    z = builder.quantise(builder.node("LogSoftmax", [y.name]), x.shape, 7)
    module = convert(builder, builder.conv(z, 8))
    assert reasons(module) == ["Softmax has no int8 form on the array; LogSoftmax has no int8 form on the array"]


def test_what_only_moves_between_host_operators_stays_there() -> None:
    """Softmax, Relu, Flatten, LogSoftmax: the array could clamp and reshape, at the price of two crossings."""
    builder = GraphBuilder(seed=7)
    x = builder.conv(builder.input((1, 4, 6, 6), 4), 8)
    y = builder.quantise(builder.node("Softmax", [x.name]), x.shape, 7)
    z = builder.quantise(builder.node("Relu", [y.name]), x.shape, 6)
    flat = builder.quantise(builder.node("Flatten", [z.name]), (1, 288), 6)
    module = convert(builder, builder.gemm(builder.quantise(builder.node("LogSoftmax", [flat.name]), (1, 288), 7), 5))
    assert ops_of(module, ReshapeOp) == []
    (segment,) = (op for op in ops_of(module, HostOp) if "LogSoftmax" in op.operator.data)
    assert "Softmax" in segment.operator.data
    assert "Relu" in segment.operator.data


def test_channels_that_the_host_computes_and_reads_are_taken_there() -> None:
    builder = GraphBuilder(seed=7)
    x = builder.conv(builder.input((1, 4, 6, 6), 4), 8)
    y = builder.quantise(builder.node("Softmax", [x.name]), x.shape, 7)
    z = builder.slice(y, 2, 6, 1)
    module = convert(builder, builder.conv(builder.quantise(builder.node("LogSoftmax", [z.name]), z.shape, 7), 8))
    (segment,) = (op for op in ops_of(module, HostOp) if "LogSoftmax" in op.operator.data)
    assert "Slice" in segment.operator.data
    assert len(ops_of(module, Conv2dOp)) == 2


def test_what_the_array_reads_too_stays_on_it() -> None:
    builder = GraphBuilder(seed=7)
    x = builder.conv(builder.input((1, 4, 6, 6), 4), 8)
    y = builder.quantise(builder.node("Softmax", [x.name]), x.shape, 7)
    z = builder.quantise(builder.node("Relu", [y.name]), x.shape, 6)
    module = convert(builder, builder.quantise(builder.node("LogSoftmax", [z.name]), x.shape, 7), builder.conv(z, 8))
    assert len(ops_of(module, ClampOp)) + len(ops_of(module, RequantiseOp)) == 1


def test_an_int8_input_and_output_stay_on_the_array() -> None:
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.125])
    zero = helper.make_tensor("zero", TensorProto.INT8, [], [0])
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["real"]),
        helper.make_node("MaxPool", ["real"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["pooled", "scale", "zero"], ["y"]),
    ]
    infos = [helper.make_tensor_value_info(n, TensorProto.INT8, [1, 3, s, s]) for n, s in (("x", 4), ("y", 2))]
    graph = helper.make_graph(nodes, "int8", infos[:1], infos[1:], [scale, zero])
    module = import_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    ConvertOnnxToBsrPass().apply(Context(), module)
    module.verify()
    assert ops_of(module, HostOp) == []
    values = np.arange(48, dtype=np.int8).reshape(1, 3, 4, 4)
    np.testing.assert_array_equal(interpret_bsr(module, {"x": values}).outputs["y"], values[:, :, 1::2, 1::2])


def general_scale(builder: GraphBuilder, x: Tensor) -> Tensor:
    scale, zero = builder.constant("scale", np.float32(0.1)), builder.constant("zero", np.int8(0))
    quantised = builder.node("QuantizeLinear", [x.name, scale, zero])
    name = builder.node("Relu", [builder.node("DequantizeLinear", [quantised, scale, zero])])
    return builder.quantise(name, x.shape, 4)


def zero_point(builder: GraphBuilder, x: Tensor) -> Tensor:
    scale, zero = builder.constant("scale", np.float32(0.25)), builder.constant("zero", np.int8(3))
    quantised = builder.node("QuantizeLinear", [x.name, scale, zero])
    name = builder.node("Relu", [builder.node("DequantizeLinear", [quantised, scale, zero])])
    return builder.quantise(name, x.shape, 4)


def position_per_channel(builder: GraphBuilder, x: Tensor) -> Tensor:
    weights = builder.constant("w", builder.random.integers(-128, 128, (4, 4, 1, 1)).astype(np.int8))
    scales = builder.constant("scales", np.array([0.5, 0.25, 0.5, 0.5], np.float32))
    zeros = builder.constant("zeros", np.zeros(4, np.int8))
    weight = builder.node("DequantizeLinear", [weights, scales, zeros], axis=0)
    return builder.quantise(builder.node("Conv", [x.name, weight]), x.shape, 0)


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


REFUSALS = [
    (crossed_bounds, "the lower bound 2 of Clip lies above the upper bound 1"),
    (far_zero_point, "its weight less the zero-point of .* reaches from -[0-9]+ to [0-9]+, beyond int8"),
    (concat_images, "it concatenates axis 0 of 4, not channels, rows or columns of maps"),
    (transpose, "does not move the elements of a map in a regular way"),
    (five_dimensions, "a tensor of shape 1x16x16x6x6, and the array has maps 1xCxHxW and vectors 1xK"),
    (concat_constant, "one of its operands is a constant"),
    (fine_bias, "its bias is no int32 at position 7, where the products are"),
    (left_shift, "shifts right by 0..31"),
    (dilated_pool, r"has dilations \[2, 2\]"),
]


@pytest.mark.parametrize("layer", [general_scale, zero_point, position_per_channel])
def test_general_scales_and_zero_points_have_a_form(layer) -> None:
    builder = GraphBuilder(seed=8)
    module = convert(builder, layer(builder, builder.conv(builder.input((1, 3, 6, 6), 4), 4, shift=7)))
    assert not any("scale" in reason for reason in reasons(module))


@pytest.mark.parametrize(("layer", "reason"), REFUSALS, ids=[layer.__name__ for layer, _ in REFUSALS])
def test_what_has_no_exact_form_runs_on_the_host_and_says_why(layer, reason: str) -> None:
    builder = GraphBuilder(seed=8)
    module = convert(builder, layer(builder, builder.conv(builder.input((1, 3, 6, 6), 4), 4, shift=7)))
    assert len(reasons(module)) == 1
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(reasons(module)[0])


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


def test_host_models_are_valid_onnx() -> None:
    builder = GraphBuilder(seed=7)
    x = builder.conv(builder.input((1, 4, 6, 6), 4), 8)
    module = convert(builder, builder.quantise(builder.node("Softmax", [x.name]), x.shape, 7))
    for op in ops_of(module, HostOp):
        onnx.checker.check_model(onnx.ModelProto.FromString(op.model_bytes()), full_check=True)
