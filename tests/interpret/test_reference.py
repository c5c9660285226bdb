"""The integer reference against ONNX Runtime, against the ONNX reference evaluator, and against itself by hand."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.reference
import pytest
from hypothesis import given
from onnx import TensorProto, helper
from strategies_graphs import OPSET, Graph, GraphBuilder, quantised_graphs
from strategies_scaled import ScaledGraph, scaled_graphs

from compiler.errors import CapacityError, InputError
from compiler.interpret.onnxruntime_check import run_onnxruntime, run_operators_alone
from compiler.interpret.reference import run_reference
from compiler.onnxio.importer import import_model
from compiler.onnxio.runtime import open_session, run_session


@given(quantised_graphs())
def test_every_int8_tensor_equals_onnx_runtime(graph: Graph) -> None:
    module = import_model(graph.model)
    reference, other = run_reference(module, graph.inputs), run_onnxruntime(module, graph.inputs)
    assert list(reference.tensors) == list(other.tensors)
    for name, values in reference.tensors.items():
        np.testing.assert_array_equal(values, other.tensors[name], err_msg=name)
    for name, values in reference.outputs.items():
        np.testing.assert_array_equal(values, other.outputs[name], err_msg=name)


@given(quantised_graphs(maximum_layers=3))
def test_outputs_equal_the_onnx_reference_evaluator(graph: Graph) -> None:
    found = run_reference(import_model(graph.model), graph.inputs)
    expected = onnx.reference.ReferenceEvaluator(graph.model).run(None, graph.inputs)
    for values, wanted in zip(found.outputs.values(), expected, strict=True):
        np.testing.assert_array_equal(values, wanted)


@given(scaled_graphs())
def test_with_general_scales_each_operator_is_at_most_one_step_from_onnx_runtime(graph: ScaledGraph) -> None:
    module = import_model(graph.model)
    reference = run_reference(module, graph.inputs)
    other = run_operators_alone(module, graph.inputs, reference.tensors)
    assert list(reference.tensors) == list(other.tensors)
    for name, values in reference.tensors.items():
        difference = np.abs(values.astype(int) - other.tensors[name].astype(int))
        assert difference.max(initial=0) <= 1, name


def quantised_conv(builder: GraphBuilder) -> onnx.ModelProto:
    """One convolution as QLinearConv, with the very constants that `builder` gave to its Conv."""
    constants = {tensor.name: tensor for tensor in builder.constants}
    linear = {node.output[0]: node for node in builder.nodes if node.op_type == "DequantizeLinear"}
    (conv,) = (node for node in builder.nodes if node.op_type == "Conv")
    x, w, b = (linear[name] for name in conv.input)
    (last,) = (node for node in builder.nodes if node.op_type == "QuantizeLinear" and node.input[0] == conv.output[0])
    node = helper.make_node(
        "QLinearConv", ["x", x.input[1], x.input[2], *w.input, last.input[1], last.input[2], b.input[0]], ["y"]
    )
    node.attribute.extend(conv.attribute)
    graph = helper.make_graph(
        [node],
        "integer",
        [helper.make_tensor_value_info("x", TensorProto.INT8, None)],
        [helper.make_tensor_value_info("y", TensorProto.INT8, None)],
        list(constants.values()),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


@pytest.mark.parametrize("group", [1, 2, 12])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_conv_equals_the_integer_operator_of_onnx_runtime(group: int, strides: tuple[int, int]) -> None:
    builder = GraphBuilder(seed=group)
    x = builder.input((1, 12, 9, 10), 5)
    y = builder.conv(x, 24, group=group, strides=strides, shift=9)
    found = run_reference(import_model(builder.model(y)), builder.feed())
    source, result = found.tensors.values()
    session = open_session(quantised_conv(builder))
    np.testing.assert_array_equal(result, run_session(session, {"x": source})["y"])


@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("count_include_pad", [0, 1])
def test_average_pool_equals_onnx_runtime_at_borders(ceil_mode: int, count_include_pad: int) -> None:
    builder = GraphBuilder(seed=3)
    x = builder.input((1, 5, 8, 7), 4)
    y = builder.pool(x, "AveragePool", position=6, ceil_mode=ceil_mode, count_include_pad=count_include_pad)
    module, inputs = import_model(builder.model(y)), builder.feed()
    expected = run_onnxruntime(module, inputs)
    for name, values in run_reference(module, inputs).tensors.items():
        np.testing.assert_array_equal(values, expected.tensors[name], err_msg=name)


def test_half_up_changes_ties_only() -> None:
    builder = GraphBuilder(seed=1)
    x = builder.input((1, 8, 6, 6), 4)
    y = builder.add(x, x, 3)
    module = import_model(builder.model(y))
    inputs = {"input_1": (np.arange(288).reshape(1, 8, 6, 6) % 61 / 16 - 2).astype(np.float32)}
    even = list(run_reference(module, inputs).tensors.values())[-1]
    up = list(run_reference(module, inputs, rounding="half_up").tensors.values())[-1]
    np.testing.assert_array_equal(even, up)  # x + x at position 3 is x at position 4: nothing to round
    y = builder.add(x, x, 2)
    module = import_model(builder.model(y))
    even = list(run_reference(module, inputs).tensors.values())[-1]
    up = list(run_reference(module, inputs, rounding="half_up").tensors.values())[-1]
    source = next(iter(run_reference(module, inputs).tensors.values()))
    np.testing.assert_array_equal(up - even, (source % 4 == 1).astype(np.int8))


@pytest.mark.parametrize(
    ("operator", "shape", "weights"),
    [
        ("Conv", (1, 4, 3, 3), (4, 4, 1, 1)),
        ("ConvTranspose", (1, 4, 3, 3), (4, 4, 1, 1)),
        ("Gemm", (4, 4), (4, 4)),
        ("MatMul", (4, 4), (4, 4)),
        ("MatMul", (2, 4, 4), (1, 4, 4)),
        ("MatMul", (2, 3, 4), (1, 4, 1)),
        ("MatMul", (2, 3, 4), (2, 4, 2)),
    ],
)
@pytest.mark.parametrize("axis", range(4))
def test_weights_with_scales_along_any_axis(
    operator: str, shape: tuple[int, ...], weights: tuple[int, ...], axis: int
) -> None:
    """
    Only of the output's channels they are scales of the products. ONNX Runtime, which makes one operator of a Conv and
    its DequantizeLinear, takes those of other axes for them; so the ONNX reference evaluator is the judge.
    """
    axis = min(axis, len(weights) - 1)
    builder = GraphBuilder(seed=axis)
    x = builder.input(shape, 4)
    integers = builder.constant("weights", builder.random.integers(-128, 128, weights).astype(np.int8))
    scales = builder.constant("scales", (2.0 ** -(3 + np.arange(weights[axis]))).astype(np.float32))
    zeros = builder.constant("zeros", np.zeros(weights[axis], np.int8))
    weight = builder.node("DequantizeLinear", [integers, scales, zeros], axis=axis)
    result = (*shape[:-1], weights[-1]) if operator in ("Gemm", "MatMul") else shape
    model = builder.model(builder.quantise(builder.node(operator, [x.name, weight]), result, 1))
    inputs = builder.feed()
    (found,) = run_reference(import_model(model), inputs).outputs.values()
    np.testing.assert_array_equal(found, onnx.reference.ReferenceEvaluator(model).run(None, inputs)[0])


def test_an_accumulator_that_could_overflow_is_refused_with_its_bound() -> None:
    builder = GraphBuilder()
    x = builder.input((1, 8, 2, 2), 4)
    weights = np.full((1, 8, 1, 1), 1, np.int8)
    bias = builder.weight(np.array([2**31 - 8], np.int32), 11)
    name = builder.node("Conv", [x.name, builder.weight(weights, 7), bias])
    module = import_model(builder.model(builder.quantise(name, (1, 1, 2, 2), 3)))
    with pytest.raises(CapacityError, match=f"can reach {2**31 - 8 + 1024}, and int32 holds {2**31 - 2}"):
        run_reference(module, builder.feed())


def test_general_scales_and_zero_points_are_left_to_onnx_runtime() -> None:
    builder = GraphBuilder(seed=5)
    x = builder.input((1, 4, 5, 5), 4)
    scale, zero = builder.constant("scale", np.float32(0.3)), builder.constant("zero", np.uint8(7))
    quantised = builder.node("QuantizeLinear", [builder.node("Relu", [x.name]), scale, zero])
    name = builder.node("DequantizeLinear", [quantised, scale, zero])
    module, inputs = import_model(builder.model(builder.quantise(name, x.shape, 4))), builder.feed()
    found, expected = run_reference(module, inputs), run_onnxruntime(module, inputs)
    for name, values in found.tensors.items():
        np.testing.assert_array_equal(values, expected.tensors[name], err_msg=name)


def test_inputs_are_named_and_shaped_as_the_network_says() -> None:
    builder = GraphBuilder()
    module = import_model(builder.model(builder.input((1, 2, 3, 3), 4)))
    with pytest.raises(InputError, match="inputs are input_1; missing: input_1, unknown: image"):
        run_reference(module, {"image": np.zeros((1, 2, 3, 3), np.float32)})
    with pytest.raises(InputError, match=r"has shape \[1, 2, 3\], expected \[1, 2, 3, 3\]"):
        run_reference(module, {"input_1": np.zeros((1, 2, 3), np.float32)})
