"""Operands of smaller shapes, Expand and the Resize of one pixel: repeated on the array, with the numbers of ONNX."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from strategies_graphs import GraphBuilder
from strategies_scaled import Pair, ScaledBuilder

from compiler.checking import check_levels
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.placement import place_nodes
from dialects.bsr import HostOp, MaxPoolOp
from passes.repeated_maps import repetition_fault


def operators_on_host(model: onnx.ModelProto, inputs: dict[str, np.ndarray], until: str = "bsr") -> list[str]:
    """Operators on the host but for the boundary, after checking that every level gives the numbers of ONNX Runtime."""
    modules = Pipeline.default(target="mesh-2x2", until=until).run(import_model(model))
    for comparison in check_levels(modules, inputs, 0):
        assert comparison.holds, str(comparison)
    segments = [op.operator.data for op in modules["bsr"].walk() if isinstance(op, HostOp)]
    return [operator for operator in segments if operator not in ("QuantizeLinear", "DequantizeLinear")]


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast to one of as many dimensions: a map, or any other tensor."""
    whole = draw(st.one_of(st.tuples(st.just(1), *[st.integers(1, 12)] * 3), st.tuples(*[st.integers(1, 4)] * 3)))
    left, right = (tuple(draw(st.sampled_from((1, size))) for size in whole) for _ in range(2))
    return left, right


@given(shapes(), st.sampled_from(("Add", "Sub", "Mul", "Max", "Min")))
def test_operands_of_any_two_shapes(shapes: tuple[tuple[int, ...], tuple[int, ...]], operator: str) -> None:
    builder = GraphBuilder()
    a, b = (builder.input(shape, position) for shape, position in zip(shapes, (5, 4), strict=True))
    model = builder.model(builder.combine(operator, [a, b], 3))
    assert operators_on_host(model, builder.feed()) == []


GATES = {
    "by channel": ((1, 17, 1, 1), (1, 17, 9, 11)),
    "by pixel": ((1, 1, 9, 11), (1, 17, 9, 11)),
    "by row": ((1, 17, 9, 1), (1, 17, 9, 11)),
    "of fewer dimensions": ((17, 1, 1), (1, 17, 4, 4)),
    "to more rows than a window has": ((1, 3, 1, 1), (1, 3, 113, 2)),
    "to more columns": ((1, 3, 1, 1), (1, 3, 2, 113)),
    "of a tensor": ((5, 1, 3), (5, 7, 3)),
}


@pytest.mark.parametrize(("gate", "shape"), GATES.values(), ids=GATES)
def test_all_levels(gate: tuple[int, ...], shape: tuple[int, ...]) -> None:
    builder = GraphBuilder()
    g, x = builder.input(gate, 6), builder.input(shape, 4)
    assert operators_on_host(builder.model(builder.combine("Mul", [g, x], 3)), builder.feed(), "aie") == []


def test_general_scales_and_zero_points() -> None:
    builder = ScaledBuilder()
    gate, x = (builder.input(shape, 4) for shape in ((1, 9, 1, 1), (1, 9, 5, 6)))
    gate, _ = builder.pair(gate.name, gate.shape, Pair(0.0123, -128))
    x, _ = builder.pair(x.name, x.shape, Pair(0.071, 3))
    y, _ = builder.pair(builder.node("Mul", [gate.name, x.name]), x.shape, Pair(0.05, -7))
    modules = Pipeline.default(target="mesh-2x2").run(import_model(builder.model(y)))
    assert all(comparison.holds for comparison in check_levels(modules, builder.feed(), 0))
    assert any(isinstance(op, MaxPoolOp) for op in modules["bsr"].walk())


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
def test_a_resize_of_one_pixel_repeats_it(mode: str, coordinates: str) -> None:
    builder = GraphBuilder()
    x = builder.input((1, 10, 1, 1), 5)
    sizes = builder.constant("sizes", np.array([1, 10, 7, 9]))
    name = builder.node("Resize", [x.name, "", "", sizes], mode=mode, coordinate_transformation_mode=coordinates)
    assert operators_on_host(builder.model(builder.quantise(name, (1, 10, 7, 9), 5)), builder.feed()) == []


def test_an_expand_needs_no_pair_of_its_own() -> None:
    builder = GraphBuilder()
    x, gate = builder.input((1, 10, 7, 9), 5), builder.input((1, 10, 1, 1), 6)
    wide = builder.node("Expand", [gate.name, builder.constant("shape", np.array([1, 1, 7, 9]))])
    y = builder.quantise(builder.node("Mul", [wide, x.name]), x.shape, 4)
    assert operators_on_host(builder.model(y), builder.feed()) == []


def test_a_plain_constant_is_no_repetition() -> None:
    """It has no inputs to look at; a campaign of float graphs met a traceback."""
    builder = GraphBuilder()
    x = builder.input((1, 10, 7, 9), 5)
    constant = builder.constant("floats", np.linspace(-1, 1, 10, dtype=np.float32).reshape(1, 10, 1, 1))
    y = builder.quantise(builder.node("Max", [x.name, constant]), x.shape, 4)
    (segment,) = operators_on_host(builder.model(y), builder.feed())
    assert segment.endswith("Max")


def squeeze_and_excite(channels: int, side: int) -> onnx.ModelProto:
    """A float convolution whose channels are weighted by what a small network makes of their means."""
    random, fewer = np.random.default_rng(0), max(channels // 4, 1)

    def weights(name: str, outputs: int, inputs: int) -> onnx.TensorProto:
        values = random.normal(0, inputs**-0.5, (outputs, inputs, 1, 1)).astype(np.float32)
        return numpy_helper.from_array(values, name)

    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Conv", ["mean", "w1"], ["fewer"]),
        helper.make_node("Relu", ["fewer"], ["positive"]),
        helper.make_node("Conv", ["positive", "w2"], ["more"]),
        helper.make_node("HardSigmoid", ["more"], ["gate"]),
        helper.make_node("Mul", ["map", "gate"], ["y"], name="gating"),
    ]
    shape = [1, channels, side, side]
    given, result = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    constants = [weights("w0", channels, channels), weights("w1", fewer, channels), weights("w2", channels, fewer)]
    graph = helper.make_graph(nodes, "se", [given], [result], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_squeeze_and_excite_of_a_float_model_stays_on_the_array() -> None:
    model = squeeze_and_excite(24, 14)
    inputs = {"x": np.random.default_rng(1).normal(0, 1, (1, 24, 14, 14)).astype(np.float32)}
    assert operators_on_host(model, inputs, "aie") == []


@pytest.mark.parametrize(
    ("own", "shape", "words"),
    [
        ((9, 11), (1, 17, 9, 11), "a tensor of shape 9x11 lies in memory as one pixel, not as a map 1x1x9x11"),
        ((1, 3, 1, 1), (1, 3, 897, 1), "it repeats a row or column 897 times, 896 is the most"),
        ((64, 1), (64, 8192), "repeating 64x1 to 64x8192 takes a matrix of 33554432 numbers"),
        ((2, 1), (3, 4), "shape 2x1 does not broadcast to 3x4"),
    ],
)
def test_what_stays_on_the_host(own: tuple[int, ...], shape: tuple[int, ...], words: str) -> None:
    assert repetition_fault(own, shape) == words


def test_the_reason_is_given() -> None:
    builder = GraphBuilder()
    a, b = builder.input((9, 11), 5), builder.input((1, 17, 9, 11), 4)
    given = import_model(builder.model(builder.combine("Mul", [a, b], 3)))
    modules = Pipeline.default(until="bsr").run(given.clone())
    placed = {node.op: node for node in place_nodes(given, modules)}
    assert placed["Mul"].place == "host"
    assert "lies in memory as one pixel" in placed["Mul"].reason
