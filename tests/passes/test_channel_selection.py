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
from strategies_graphs import GraphBuilder, taken_channels
from xdsl.dialects.builtin import ModuleOp

from compiler.checking import check_levels
from compiler.onnxio.exporter import main_function
from compiler.onnxio.importer import import_model
from compiler.onnxio.runtime import open_session, run_session
from compiler.pipelines import Pipeline
from compiler.placement import placements
from dialects.bsr import HostOp
from passes.channel_selection import selection_of


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
    np.testing.assert_array_equal(source[:, list(found.channels)], expected)


MOVES = {
    "pixels": [("Transpose", {"perm": [0, 1, 3, 2]})],
    "pixels after channels": [
        ("Reshape", [1, 2, 4, 4, 4]),
        ("Transpose", {"perm": [0, 2, 1, 4, 3]}),
        ("Reshape", [1, 8, 4, 4]),
    ],
    "channels into pixels": [("Transpose", {"perm": [0, 2, 1, 3]}), ("Reshape", [1, 8, 4, 4])],
}


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_what_moves_pixels_is_no_selection(moves: list) -> None:
    builder = GraphBuilder()
    x = builder.input((1, 8, 4, 4), 4)
    name = x.name
    for operator, what in moves:
        arguments = [builder.constant("shape", np.array(what))] if operator == "Reshape" else []
        name = builder.node(operator, [name, *arguments], **(what if operator == "Transpose" else {}))
    shape = (1, 8, 4, 4)
    module = import_model(builder.model(builder.quantise(name, shape, 4)))
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
