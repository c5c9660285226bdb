"""Models as people have them: what is odd about each, and that it runs with equal numbers at the bsr level."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.api import compile_model
from compiler.frontend.load import load_model
from compiler.onnxio.importer import import_model
from compiler.placement import placements
from dialects.onnx import UNCONVERTED

SHAPE = (1, 8, 6, 6)
RANDOM = np.random.default_rng(0)


def constant(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(RANDOM.standard_normal(shape).astype(np.float32), name)


def integers(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def model_of(
    nodes: list[onnx.NodeProto],
    tensors: list[onnx.TensorProto],
    *,
    opset: int = 13,
    inputs: tuple[str, ...] = ("x",),
    outputs: tuple[str, ...] = ("y",),
    shape: tuple[int | str, ...] = SHAPE,
) -> onnx.ModelProto:
    sources = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in inputs]
    sinks = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "trap", sources, sinks, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def weights_as_nodes() -> onnx.ModelProto:
    value = numpy_helper.from_array(np.array([0.25], np.float32))
    nodes = [
        helper.make_node("Constant", [], ["b"], value=constant("", 8)),
        helper.make_node("ConstantOfShape", ["shape"], ["w"], value=value),
        helper.make_node("Conv", ["x", "w", "b"], ["y"]),
    ]
    return model_of(nodes, [integers("shape", 8, 8, 3, 3)])


def initialisers_as_inputs() -> onnx.ModelProto:
    model = model_of([helper.make_node("Conv", ["x", "w"], ["y"])], [constant("w", 8, 8, 1, 1)])
    model.graph.input.insert(0, helper.make_tensor_value_info("w", TensorProto.FLOAT, [8, 8, 1, 1]))
    return model


def sum_of_three() -> onnx.ModelProto:
    return model_of([helper.make_node("Sum", ["x", "x", "x"], ["y"])], [], opset=8)


def dropout_with_two_outputs() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Dropout", ["c"], ["d", "mask"], ratio=0.5),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    return model_of(nodes, [constant("w", 8, 8, 1, 1)], opset=10)


def gemm_weight_through_reshape() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Reshape", ["w4", "matrix"], ["w"]),
        helper.make_node("Reshape", ["x", "row"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"]),
    ]
    tensors = [constant("w4", 288, 1, 1, 5), integers("matrix", 288, 5), integers("row", 1, -1), constant("b", 5)]
    return model_of(nodes, tensors, opset=9)


def pool_larger_than_its_map() -> onnx.ModelProto:
    return model_of([helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[7, 7], pads=[0, 0, 1, 1])], [])


def norm_after_concat() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Concat", ["x", "x"], ["c"], axis=1),
        helper.make_node("BatchNormalization", ["c", "g", "b", "m", "v"], ["y"]),
    ]
    positive = numpy_helper.from_array(RANDOM.random(16).astype(np.float32) + 0.5, "v")
    return model_of(nodes, [*(constant(name, 16) for name in "gbm"), positive], opset=9)


def several_inputs_and_outputs() -> onnx.ModelProto:
    nodes = [helper.make_node("Add", ["x", "z"], ["y"]), helper.make_node("MaxPool", ["y"], ["p"], kernel_shape=[2, 2])]
    return model_of(nodes, [], inputs=("x", "z"), outputs=("p", "y"))


def functions() -> onnx.ModelProto:
    """Function in function, as dynamo exports of PyTorch have them."""
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("pkg", 1)]
    relu = helper.make_function("pkg", "Act", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], sets)
    inner = [helper.make_node("Conv", ["a", "w"], ["c"]), helper.make_node("Act", ["c"], ["b"], domain="pkg")]
    block = helper.make_function("pkg", "Block", ["a", "w"], ["b"], inner, sets)
    model = model_of([helper.make_node("Block", ["x", "w"], ["y"], domain="pkg")], [constant("w", 8, 8, 1, 1)])
    del model.opset_import[:]
    model.opset_import.extend(sets)
    model.functions.extend([relu, block])
    return model


def dynamo_style() -> onnx.ModelProto:
    """Shape arithmetic instead of Flatten, MatMul and Add instead of Gemm, Constant nodes for everything."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="node_conv2d", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="node_relu"),
        helper.make_node("ReduceMean", ["r", "axes"], ["m"], name="node_mean", keepdims=1),
        helper.make_node("Shape", ["m"], ["size"], start=0, end=1),
        helper.make_node("Constant", [], ["rest"], value=integers("", -1)),
        helper.make_node("Concat", ["size", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["m", "target"], ["f"], name="node_view", allowzero=1),
        helper.make_node("MatMul", ["f", "k"], ["p"], name="node_linear"),
        helper.make_node("Add", ["p", "b"], ["y"], name="node_bias"),
    ]
    tensors = [constant("w", 8, 8, 3, 3), integers("axes", -1, -2), constant("k", 8, 5), constant("b", 5)]
    return model_of(nodes, tensors, opset=18)


def padded_convolution() -> onnx.ModelProto:
    """TensorFlow's way of padding a strided convolution."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Pad", ["r", "pads"], ["p"], mode="constant"),
        helper.make_node("Conv", ["p", "w"], ["y"], strides=[2, 2]),
    ]
    return model_of(nodes, [integers("pads", 0, 0, 0, 0, 0, 0, 1, 1), constant("w", 8, 8, 3, 3)])


TRAPS = (
    padded_convolution,
    weights_as_nodes,
    initialisers_as_inputs,
    sum_of_three,
    dropout_with_two_outputs,
    gemm_weight_through_reshape,
    pool_larger_than_its_map,
    norm_after_concat,
    several_inputs_and_outputs,
    functions,
    dynamo_style,
)


@pytest.mark.parametrize("trap", TRAPS, ids=[trap.__name__ for trap in TRAPS])
def test_trap_runs_on_the_array(trap: Callable[[], onnx.ModelProto]) -> None:
    compilation = compile_model(trap(), until="bsr", strict=True)
    assert all(comparison.holds for comparison in compilation.check())


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21, 23, 25])
def test_every_opset(opset: int, tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    path = tmp_path / "model.onnx"
    onnx.save(model_of(nodes, [constant("w", 8, 8, 3, 3)], opset=opset), path)
    assert [node.place for node in placements(str(path))] == ["array", "array"]


def test_what_cannot_be_converted_runs_on_the_host_as_it_is(tmp_path: Path) -> None:
    """A Dropout that trains has had no such form since operator set 7."""
    nodes = [
        helper.make_node("Dropout", ["x"], ["d"], is_test=0, ratio=0.0),
        helper.make_node("Conv", ["d", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    model = model_of(nodes, [constant("w", 8, 8, 3, 3)], opset=6)
    assert UNCONVERTED in import_model(load_model(model)).attributes
    (segment,) = compile_model(model, until="bsr").host
    assert "is at operator set 6 and cannot be converted to 21: " in segment.reason
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    places = [(node.op, node.place, node.reason == segment.reason) for node in placements(str(path))]
    assert places == [("Dropout", "host", True), ("Conv", "host", True), ("Relu", "host", True)]


def test_a_larger_batch_runs_on_the_host_with_the_reason() -> None:
    model = model_of([helper.make_node("GlobalAveragePool", ["x"], ["y"])], [], shape=("batch", 8, 6, 6))
    compilation = compile_model(model, until="bsr", batch=3)
    (segment,) = compilation.host
    assert "GlobalAveragePool" in segment.reason
    assert compilation.run(level="bsr").outputs["y"].shape == (3, 8, 1, 1)
