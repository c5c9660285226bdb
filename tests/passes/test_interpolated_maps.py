"""Resize with linear interpolation: convolutions on the array, with the numbers of ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from strategies_graphs import GraphBuilder
from strategies_scaled import Pair, ScaledBuilder

from compiler.checking import check_levels
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.placement import placements
from dialects.bsr import HostOp, InterleaveOp

MODES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric")
FACTORS = (1.0, 2.0, 4.0, 0.5, 0.25, 1.5)


def operators_on_host(model: onnx.ModelProto, inputs: dict[str, np.ndarray], until: str = "bsr") -> list[str]:
    """Operators on the host but for the boundary, after checking that every level gives the numbers of ONNX Runtime."""
    modules = Pipeline.default(target="mesh-2x2", until=until).run(import_model(model))
    for comparison in check_levels(modules, inputs, 0):
        assert comparison.holds, str(comparison)
    segments = [op.operator.data for op in modules["bsr"].walk() if isinstance(op, HostOp)]
    return [operator for operator in segments if operator not in ("QuantizeLinear", "DequantizeLinear")]


def resized(
    builder: GraphBuilder, shape: tuple[int, ...], sizes: tuple[int, ...], mode: str, position: int = 4
) -> onnx.ModelProto:
    """A map of `shape` brought to `sizes` rows and columns."""
    x, whole = builder.input(shape, 5), (*shape[:2], *sizes)
    wanted = builder.constant("sizes", np.array(whole))
    name = builder.node("Resize", [x.name, "", "", wanted], mode="linear", coordinate_transformation_mode=mode)
    return builder.model(builder.quantise(name, whole, position))


@given(
    st.tuples(st.just(1), st.integers(1, 10), st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.sampled_from(FACTORS), st.sampled_from(FACTORS)),
    st.sampled_from(MODES),
    st.integers(3, 6),
)
def test_any_scales(shape: tuple[int, ...], factors: tuple[float, float], mode: str, position: int) -> None:
    sizes = tuple(max(1, int(factor * size)) for factor, size in zip(factors, shape[2:], strict=True))
    builder = GraphBuilder()
    operators_on_host(resized(builder, shape, sizes, mode, position), builder.feed())


ON_ARRAY = {
    "twice": ((1, 9, 5, 7), (10, 14), "half_pixel"),
    "twice of pytorch": ((1, 9, 40, 3), (80, 6), "pytorch_half_pixel"),
    "four times": ((1, 3, 4, 5), (16, 20), "half_pixel"),
    "from corner to corner": ((1, 9, 5, 9), (9, 17), "align_corners"),
    "from the first pixel on": ((1, 9, 5, 7), (10, 14), "asymmetric"),
    "half": ((1, 9, 10, 14), (5, 7), "half_pixel"),
    "rows alone": ((1, 9, 3, 7), (6, 7), "half_pixel"),
    "of one row": ((1, 9, 1, 7), (2, 14), "half_pixel"),
}


@pytest.mark.parametrize(("shape", "sizes", "mode"), ON_ARRAY.values(), ids=ON_ARRAY)
def test_all_levels(shape: tuple[int, ...], sizes: tuple[int, ...], mode: str) -> None:
    builder = GraphBuilder()
    assert operators_on_host(resized(builder, shape, sizes, mode), builder.feed(), "aie") == []


@pytest.mark.parametrize("result", [Pair(0.0311, 5), Pair(0.0323, -11), Pair(0.0646, 0)])
def test_general_scales_and_zero_points(result: Pair) -> None:
    """With the scale of the source, or twice that, every fourth sum or so is a tie."""
    builder = ScaledBuilder()
    x = builder.input((1, 9, 5, 7), 5)
    x, _ = builder.pair(x.name, x.shape, Pair(0.0323, -11))
    scales = builder.constant("scales", np.float32([1, 1, 2, 2]))
    y, _ = builder.pair(builder.node("Resize", [x.name, "", scales], mode="linear"), (1, 9, 10, 14), result)
    modules = Pipeline.default(target="mesh-2x2").run(import_model(builder.model(y)))
    for comparison in check_levels(modules, builder.feed(), 0):
        assert comparison.holds, str(comparison)
    assert any(isinstance(op, InterleaveOp) for op in modules["bsr"].walk())


def float_model(channels: int, factor: float, mode: str = "linear") -> onnx.ModelProto:
    """A float network that resizes the result of a convolution."""
    sides = [6, int(6 * factor)]
    weights = np.random.default_rng(0).normal(0, 0.3, (channels, channels, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["map"]),
        helper.make_node("Resize", ["map", "", "scales"], ["y"], mode=mode),
    ]
    given, result = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, side, side])
        for name, side in zip("xy", sides, strict=True)
    )
    scales = np.float32([1, 1, factor, factor])
    constants = [onnx.numpy_helper.from_array(weights, "w"), onnx.numpy_helper.from_array(scales, "scales")]
    graph = helper.make_graph(nodes, "up", [given], [result], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def test_a_float_model_is_quantised_behind_its_resize() -> None:
    inputs = {"x": np.random.default_rng(1).normal(0, 1, (1, 10, 6, 6)).astype(np.float32)}
    assert operators_on_host(float_model(10, 2), inputs, "aie") == []


@pytest.mark.parametrize(
    ("factor", "mode", "words"),
    [
        (3, "linear", "an element has the weight 2/3, which is no multiple of a power of two"),
        (8, "linear", "it has 64 phases, each a convolution; 16 are the most"),
        (2, "cubic", "does not move the elements of a map in a regular way"),
    ],
)
def test_what_stays_on_the_host(factor: float, mode: str, words: str, tmp_path: object) -> None:
    path = f"{tmp_path}/model.onnx"
    onnx.save(float_model(10, factor, mode), path)
    (node,) = (node for node in placements(path) if node.op == "Resize")
    assert node.place == "host"
    assert words in node.reason
