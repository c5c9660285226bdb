"""Networks that only move elements of whole words run on the array, not quantised; others stay where they were."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from compiler.api import compile_model
from compiler.checking import execute
from compiler.errors import CapacityError
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.placement import placements
from compiler.registry import full_context
from dialects import mem
from dialects.bsr import HostOp, MoveOp
from passes.convert_bsr_to_mem import ConvertBsrToMemPass
from passes.word_moves import MOST_COPIES

X = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)


def model_of(
    nodes: list[onnx.NodeProto],
    outputs: dict[str, list[int]],
    element: int = TensorProto.FLOAT,
    **constants: np.ndarray,
) -> onnx.ModelProto:
    """A model of one input x[2, 3, 4]."""
    source = helper.make_tensor_value_info("x", element, X.shape)
    sinks = [helper.make_tensor_value_info(name, element, shape) for name, shape in outputs.items()]
    held = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "g", [source], sinks, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def bsr_of(model: onnx.ModelProto) -> ModuleOp:
    return Pipeline.default(until="bsr").run(import_model(model))["bsr"]


def found(module: ModuleOp, kind: type) -> list:
    return [op for op in module.walk() if isinstance(op, kind)]


TRANSPOSE = helper.make_node("Transpose", ["x"], ["t"], perm=[2, 0, 1], name="turn")


def test_several_results_are_one_invocation() -> None:
    split = helper.make_node("Split", ["x"], ["a", "b"], axis=2, num_outputs=2)
    modules = Pipeline.default().run(import_model(model_of([split], {"a": [2, 3, 2], "b": [2, 3, 2]})))
    assert len(found(modules["mem"], mem.InvokeOp)) == 1
    assert len(found(modules["mem"], mem.StoreOp)) == 1
    outputs = execute("aie", modules["aie"], {"x": X}, 0).outputs
    np.testing.assert_array_equal(outputs["a"], X[..., :2])
    np.testing.assert_array_equal(outputs["b"], X[..., 2:])


def test_a_network_that_computes_is_left_alone() -> None:
    nodes = [TRANSPOSE, helper.make_node("Softmax", ["t"], ["y"])]
    module = bsr_of(model_of(nodes, {"y": [4, 2, 3]}))
    assert not found(module, MoveOp)
    (host,) = found(module, HostOp)
    assert "Softmax" in host.operator.data


@pytest.mark.parametrize("element", [TensorProto.FLOAT16, TensorProto.INT8, TensorProto.BOOL])
def test_smaller_elements_are_no_words(element: int) -> None:
    assert not found(bsr_of(model_of([TRANSPOSE], {"t": [4, 2, 3]}, element)), MoveOp)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear"),
        helper.make_node("ScatterND", ["x", "at", "more"], ["y"], reduction="add"),
    ],
)
def test_what_computes_under_a_mover_s_name_is_no_move(node: onnx.NodeProto) -> None:
    constants = {"scales": np.float32([1, 1, 1]), "at": np.array([[0]]), "more": np.ones((1, 3, 4), np.float32)}
    used = {name: values for name, values in constants.items() if name in node.input}
    assert not found(bsr_of(model_of([node], {"y": [2, 3, 4]}, **used)), MoveOp)


def test_places_that_are_computed_are_no_constants() -> None:
    """What is moved is also where something goes, so its numbers would not do."""
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        helper.make_node("Gather", ["x", "i"], ["y"]),
    ]
    assert not found(bsr_of(model_of(nodes, {"y": [2, 3, 4, 3, 4]})), MoveOp)


def test_irregular_moves_are_refused_with_the_limit(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(24 * 40) % 24
    nodes = [helper.make_node("Reshape", ["x", "flat"], ["r"]), helper.make_node("Gather", ["r", "order"], ["y"])]
    model = model_of(nodes, {"y": [24 * 40]}, flat=np.array([24]), order=order)
    assert not found(bsr_of(model), MoveOp)
    onnx.save(model, tmp_path / "m.onnx")
    places = placements(str(tmp_path / "m.onnx"))
    assert {place.place for place in places} == {"host"}
    assert f"in more than {MOST_COPIES} copies" in places[-1].reason


def test_a_result_of_constants_alone_is_not_moved() -> None:
    node = helper.make_node("Identity", ["c"], ["y"])
    assert not found(bsr_of(model_of([TRANSPOSE, node], {"t": [4, 2, 3], "y": [1]}, c=np.float32([1]))), MoveOp)


def test_strict_allows_constants_that_are_moved(tmp_path: Path) -> None:
    node = helper.make_node("Pad", ["x", "pads", "one"], ["y"], name="pad")
    model = model_of([node], {"y": [2, 3, 6]}, pads=np.array([0, 0, 1, 0, 0, 1]), one=np.float32(1))
    onnx.save(model, tmp_path / "m.onnx")
    compilation = compile_model(tmp_path / "m.onnx", until="aie", strict=True)
    assert all(comparison.holds for comparison in compilation.check())
    assert compilation.report(tmp_path / "r.html").layers[0].operation == "move"
    assert [place.place for place in placements(str(tmp_path / "m.onnx"))] == ["array"]


MOVES = """
func.func @main(%x: tensor<2x3xf32>, %z: tensor<4xi64>) -> (tensor<3x2xf32>, tensor<8xf32>) {
  %y = bsr.move(%x) {moves = [#bsr.words<0, 0 to 0 [<3, 1, 2>, <2, 3, 1>]>]} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %w = bsr.move(%z, %y) {moves = [#bsr.words<0, 2 to 0 [<6, 1, 1>]>, #bsr.words<1, 5 to 6 [<2, -1, 1>]>]}
       : (tensor<4xi64>, tensor<3x2xf32>) -> tensor<8xf32>
  func.return %y, %w : tensor<3x2xf32>, tensor<8xf32>
}
"""


def test_moves_of_moves_stay_in_ddr() -> None:
    module = Parser(full_context(), MOVES).parse_module()
    inputs = {"input0": np.arange(6, dtype=np.float32).reshape(2, 3), "input1": np.arange(4)}
    expected = execute("bsr", module, inputs, 0).outputs
    assert expected["output1"].view(np.int32).tolist()[:6] == [1, 0, 2, 0, 3, 0]
    assert expected["output1"].tolist()[6:] == [5, 2]
    ConvertBsrToMemPass().apply(full_context(), module)
    module.verify()
    assert len(found(module, mem.StoreOp)) == 2
    for name, value in execute("mem", module, inputs, 0).outputs.items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_memtile_without_room_is_refused() -> None:
    module = Parser(full_context(), MOVES).parse_module()
    with pytest.raises(
        CapacityError, match=re.escape("'move' moves words through the MemTiles, of which 0 bytes of 4")
    ):
        ConvertBsrToMemPass(overrides=("memtile_bytes=4",)).apply(full_context(), module)
