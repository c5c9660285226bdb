"""Control flow that is decided before the network runs is written out, and computes what it computed before."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.frontend.load import load_model
from compiler.onnxio.runtime import open_session, run_session


def value(name: str, shape: list[int] | None = None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(
    nodes: list[onnx.NodeProto], outputs: list[onnx.ValueInfoProto], tensors: list[onnx.TensorProto]
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", [value("x", [1, 2, 3])], outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def assert_written_out(model: onnx.ModelProto, left: set[str]) -> None:
    """The operators that are left, and the same numbers."""
    written = load_model(model)
    assert {node.op_type for node in written.graph.node} == left
    feed = {"x": np.arange(6, dtype=np.float32).reshape(1, 2, 3)}
    expected, found = (run_session(open_session(item), feed) for item in (model, written))
    assert list(expected) == list(found)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def branch(operator: str, name: str) -> onnx.GraphProto:
    """A branch that reads `x` from outside, with names that both branches share."""
    one = numpy_helper.from_array(np.float32(1), "one")
    nodes = [helper.make_node(operator, ["x"], ["t"]), helper.make_node("Add", ["t", "one"], ["r"])]
    return helper.make_graph(nodes, name, [], [value("r")], [one])


@pytest.mark.parametrize("taken", [True, False])
def test_if_with_a_constant_condition(taken: bool) -> None:
    condition = numpy_helper.from_array(np.array(taken), "c")
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("Neg", "a"), else_branch=branch("Abs", "b"))
    assert_written_out(model_of([node], [value("y")], [condition]), {"Neg" if taken else "Abs", "Add", "Identity"})


def test_if_that_asks_for_a_shape() -> None:
    """As exporters write `if x.shape[1] == 2` and squeezes whose axis may have any size."""
    constants = [numpy_helper.from_array(np.array(number), name) for name, number in (("axis", 1), ("two", 2))]
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "axis"], ["n"]),
        helper.make_node("Equal", ["n", "two"], ["c"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branch("Neg", "a"), else_branch=branch("Abs", "b")),
    ]
    left = {"Shape", "Gather", "Equal", "Neg", "Add", "Identity"}
    assert_written_out(model_of(nodes, [value("y")], constants), left)


def test_if_within_if() -> None:
    inner = helper.make_node("If", ["d"], ["r"], then_branch=branch("Neg", "a"), else_branch=branch("Abs", "b"))
    outer_branch = helper.make_graph([inner], "outer", [], [value("r")])
    node = helper.make_node("If", ["c"], ["y"], then_branch=outer_branch, else_branch=branch("Exp", "e"))
    tensors = [numpy_helper.from_array(np.array(flag), name) for name, flag in (("c", True), ("d", False))]
    assert_written_out(model_of([node], [value("y")], tensors), {"Abs", "Add", "Identity"})


def loop(trips: int, operator: str = "Add", *, ends: bool = False) -> onnx.ModelProto:
    """`s = operator(s, x)` some times, with every s collected; `ends` lets the body end it by what it computes."""
    nodes = [helper.make_node(operator, ["s", "x"], ["t"]), helper.make_node("Identity", ["t"], ["scan"])]
    if ends:
        nodes += [
            helper.make_node("ReduceMax", ["t"], ["m"], keepdims=0),
            helper.make_node("Less", ["m", "x0"], ["go"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["c"], ["go"]))
    inputs = [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL), value("s", [1, 2, 3])]
    outputs = [value("go", [], TensorProto.BOOL), value("t", [1, 2, 3]), value("scan", [1, 2, 3])]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    node = helper.make_node("Loop", ["m0", "", "x"], ["y", "z"], name="loop", body=body)
    tensors = [numpy_helper.from_array(np.array(trips), "m0"), numpy_helper.from_array(np.float32(1e9), "x0")]
    return model_of([node], [value("y", [1, 2, 3]), value("z")], tensors)


def test_loop_with_a_constant_trip_count() -> None:
    assert_written_out(loop(4), {"Add", "Identity", "Unsqueeze", "Concat"})
    assert sum(node.op_type == "Add" for node in load_model(loop(4)).graph.node) == 4


@pytest.mark.parametrize("model", [loop(0), loop(100_000), loop(4, ends=True)], ids=["empty", "long", "ends early"])
def test_other_loops_stay(model: onnx.ModelProto) -> None:
    assert {node.op_type for node in load_model(model).graph.node} == {"Loop"}
