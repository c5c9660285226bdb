"""What conversion makes of single layers; `test_refused_graphs` has what it leaves to the host, and why."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from bsr_conversion import convert, ops_of, reasons
from onnx import TensorProto, helper
from strategies_graphs import GraphBuilder, Tensor
from xdsl.context import Context
from xdsl.dialects.builtin import NameLoc

from compiler.interpret.bsr import interpret_bsr
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


@pytest.mark.parametrize("layer", [general_scale, zero_point, position_per_channel])
def test_general_scales_and_zero_points_have_a_form(layer) -> None:
    builder = GraphBuilder(seed=8)
    module = convert(builder, layer(builder, builder.conv(builder.input((1, 3, 6, 6), 4), 4, shift=7)))
    assert not any("scale" in reason for reason in reasons(module))


def test_host_models_are_valid_onnx() -> None:
    builder = GraphBuilder(seed=7)
    x = builder.conv(builder.input((1, 4, 6, 6), 4), 8)
    module = convert(builder, builder.quantise(builder.node("Softmax", [x.name]), x.shape, 7))
    for op in ops_of(module, HostOp):
        onnx.checker.check_model(onnx.ModelProto.FromString(op.model_bytes()), full_check=True)
