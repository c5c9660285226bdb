"""Slices, splits and channel shuffles: found whatever spells them, and run by the array with the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from strategies_graphs import GraphBuilder, Tensor, taken_channels
from xdsl.dialects.builtin import ModuleOp

from compiler.checking import check_levels
from compiler.onnxio.exporter import main_function
from compiler.onnxio.importer import import_model
from compiler.onnxio.runtime import open_session, run_session
from compiler.pipelines import Pipeline
from compiler.placement import placements
from dialects.bsr import HostOp
from dialects.onnx_moves import move
from passes.pixel_phases import Phases
from passes.regular_moves import selection_of


def hosted(modules: Mapping[str, ModuleOp]) -> list[str]:
    """Operators on the host; Quantize and Dequantize at the boundary are not counted."""
    segments = [op.operator.data for op in modules["bsr"].walk() if isinstance(op, HostOp)]
    return [operator for operator in segments if operator not in ("QuantizeLinear", "DequantizeLinear")]


@given(st.data(), st.integers(1, 20))
def test_channels_are_taken_on_the_array_and_equal_onnx_runtime(data: st.DataObject, channels: int) -> None:
    builder = GraphBuilder()
    taken = data.draw(taken_channels(builder, builder.conv(builder.input((1, channels, 3, 4), 4), channels)))
    modules = Pipeline.default(until="bsr").run(import_model(builder.model(builder.conv(taken, 5))))
    assert hosted(modules) == []
    for comparison in check_levels(modules, builder.feed(), 0):
        assert comparison.holds, str(comparison)


def moved_by(phases: Phases, source: np.ndarray) -> np.ndarray:
    """What the phases say, pixel by pixel."""
    rows, columns = (sum(phase.size[axis] for phase in phases.phases) for axis in (0, 1))
    down, across = phases.steps
    result = np.zeros((1, len(phases.phases[0].channels), rows // across, columns // down), source.dtype)
    for index, phase in enumerate(phases.phases):
        for channel, taken in enumerate(phase.channels):
            for y, x in np.ndindex(phase.size):
                row, column = np.add(phase.firsts[channel], np.multiply((y, x), phase.strides))
                to = (index // across + y * down, index % across + x * across)
                result[(0, channel, *to)] = source[0, taken, row, column]
    return result


@given(st.data(), st.integers(1, 20))
def test_what_is_found_is_what_onnx_runtime_computes(data: st.DataObject, channels: int) -> None:
    builder = GraphBuilder()
    x = builder.input((1, channels, 2, 3), 4)
    model = builder.model(x, data.draw(taken_channels(builder, x)))
    source, expected = run_session(open_session(model), builder.feed()).values()
    block = main_function(import_model(model)).body.block
    assert block.last_op is not None
    whole, value = block.last_op.operands
    found = selection_of(value)
    assert found is not None
    assert found.source is whole
    np.testing.assert_array_equal(moved_by(found.phases, source), expected)


TWICE, FIVE_TIMES = np.float32([1, 1, 2, 2]), np.float32([1, 1, 5, 5])
REGULAR = {
    "depth to space": ("DepthToSpace", {"blocksize": 2}, (3, 12, 24)),
    "depth to space, depth first": ("DepthToSpace", {"blocksize": 2, "mode": "CRD"}, (3, 12, 24)),
    "space to depth": ("SpaceToDepth", {"blocksize": 3}, (108, 2, 4)),
    "crop": ("Slice", {}, (12, 4, 10), [1, 2], [5, 12], [2, 3]),
    "every second or third": ("Slice", {}, (12, 3, 4), [0, 1], [6, 12], [2, 3], [2, 3]),
    "repeated channels": ("Tile", {}, (24, 6, 12), [1, 2, 1, 1]),
    "repeated rows": ("Tile", {}, (12, 12, 12), [1, 1, 2, 1]),
    "nearest, twice": ("Resize", {"coordinate_transformation_mode": "asymmetric"}, (12, 12, 24), None, TWICE),
    "nearest, wider": ("Resize", {"nearest_mode": "round_prefer_ceil"}, (12, 6, 36), None, np.float32([1, 1, 1, 3])),
    "nearest, half": ("Resize", {"nearest_mode": "ceil"}, (12, 3, 6), None, np.float32([1, 1, 0.5, 0.5])),
    "nearest, to a size": ("Resize", {}, (12, 12, 24), None, None, [1, 12, 12, 24]),
    "channels into rows": ("Transpose", {"perm": [0, 2, 1, 3]}, (6, 12, 12)),
}
IRREGULAR = {
    "rows and columns": ("Transpose", {"perm": [0, 1, 3, 2]}, (12, 12, 6)),
    "interpolated": ("Resize", {"mode": "linear"}, (12, 12, 24), None, TWICE),
    "more phases than 16": ("Resize", {"coordinate_transformation_mode": "asymmetric"}, (12, 30, 60), None, FIVE_TIMES),
}


def moving(operator: str, attributes: dict, size: tuple[int, int, int], *arguments: object) -> GraphBuilder:
    """A convolution to 12 channels, 6 rows and 12 columns, and a node that moves its pixels."""
    builder = GraphBuilder()
    x = builder.conv(builder.input((1, 5, 6, 12), 4), 12)
    names = ["" if values is None else builder.constant("argument", np.array(values)) for values in arguments]
    name = builder.node(operator, [x.name, *names], **attributes)
    builder.result = builder.quantise(name, (1, *size), x.position)
    return builder


@pytest.mark.parametrize("move", REGULAR.values(), ids=REGULAR)
def test_regular_moves_run_on_the_array_and_equal_onnx_runtime(move: tuple) -> None:
    builder = moving(*move)
    modules = Pipeline.default(target="mesh-2x2").run(import_model(builder.model(builder.result)))
    assert hosted(modules) == []
    for comparison in check_levels(modules, builder.feed(), 0):
        assert comparison.holds, str(comparison)


@pytest.mark.parametrize("move", IRREGULAR.values(), ids=IRREGULAR)
def test_irregular_moves_are_no_selection(move: tuple) -> None:
    builder = moving(*move)
    module = import_model(builder.model(builder.result))
    assert not any(selection_of(value) for op in module.walk() for value in op.results)


def shuffle_unit() -> onnx.ModelProto:
    """A unit of ShuffleNet v2 in float: half of the channels goes through a convolution, and both are shuffled."""
    weights = np.random.default_rng(0).normal(0, 0.3, (2, 12, 12, 1, 1)).astype(np.float32)
    constants = {
        "first": weights[0],
        "inner": weights[1, :6, :6],
        "apart": np.array([1, 2, 6, 5, 5]),
        "together": np.array([1, 12, 5, 5]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["c"], name="first"),
        helper.make_node("Split", ["c"], ["left", "right"], name="split", axis=1, num_outputs=2),
        helper.make_node("Conv", ["right", "inner"], ["i"], name="inner"),
        helper.make_node("Relu", ["i"], ["r"], name="relu"),
        helper.make_node("Concat", ["left", "r"], ["both"], name="concat", axis=1),
        helper.make_node("Reshape", ["both", "apart"], ["a"], name="apart"),
        helper.make_node("Transpose", ["a"], ["t"], name="deal", perm=[0, 2, 1, 3, 4]),
        helper.make_node("Reshape", ["t", "together"], ["s"], name="together"),
        helper.make_node("Conv", ["s", "first"], ["y"], name="last"),
    ]
    source, sink = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 12, 5, 5]) for name in "xy")
    initialisers = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "unit", [source], [sink], initialisers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_a_float_unit_of_shufflenet_runs_on_the_array_alone(tmp_path: Path) -> None:
    path = tmp_path / "unit.onnx"
    onnx.save(shuffle_unit(), path)
    assert {node.place for node in placements(str(path))} == {"array"}
    modules = Pipeline.default(until="mem", target="mesh-1x1").run(import_model(shuffle_unit()))
    assert hosted(modules) == []
    inputs = {"x": np.random.default_rng(1).normal(0, 1, (1, 12, 5, 5)).astype(np.float32)}
    for comparison in check_levels(modules, inputs, 0):
        assert comparison.holds, str(comparison)


@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("mode", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("by_size", [True, False])
def test_nearest_elements_are_those_of_onnx_runtime(mode: str, rounding: str, by_size: bool) -> None:
    """On sizes that do not divide each other, so that nothing is regular. What depends on precision is left open."""
    attributes = {"coordinate_transformation_mode": mode, "nearest_mode": rounding}
    certain = 0
    for size in (1, 3, 4, 9, 10, 21):
        builder = GraphBuilder()
        x = builder.input((1, 2, 6, 7), 4)
        shape = (1, 2, size, 2 * size)
        given = builder.constant("size", np.array(shape))
        scales = builder.constant("scales", (np.add(shape, 1e-3) / [1, 2, 6, 7]).astype(np.float32))
        inputs = [x.name, "", "", given] if by_size else [x.name, "", scales]
        model = builder.model(x, Tensor(builder.node("Resize", inputs, **attributes), shape, 4))
        source, expected = run_session(open_session(model), builder.feed()).values()
        block = main_function(import_model(model)).body.block
        value = block.last_op.operands[1]
        moved = move(value, source)
        assert moved is None or np.array_equal(moved, expected), size
        certain += moved is not None
    assert certain >= 3
