"""`ops` says what compiling then does: the same nodes on the host, without weights and without calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from onnx import TensorProto, helper, numpy_helper
from strategies_graphs import Graph, GraphBuilder, quantised_graphs

from compiler.api import compile_model
from compiler.cli.main import main
from compiler.errors import InputError
from compiler.frontend.load import load_model
from compiler.onnxio.importer import import_model
from compiler.placement import Placement, place_nodes, placements, rules_of_operators
from passes.array_rules import RULES
from passes.quantised_operators import LOWERINGS

NETWORKS = ("squeezenet@64", "resnet50@32", "inception_v1@64", "densenet121@64", "shufflenet@64", "bvlc_alexnet@96")


def compiled(source: str) -> tuple[Placement, ...]:
    """Where the nodes are in a network that was really calibrated and converted."""
    return place_nodes(import_model(load_model(source)), compile_model(source, until="bsr").modules)


def saved(folder: Path, model: onnx.ModelProto) -> str:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return str(path)


@pytest.mark.parametrize("network", NETWORKS)
def test_ops_agrees_with_compiling_the_zoo(network: str) -> None:
    foretold = placements(f"zoo:{network}")
    assert foretold == compiled(f"zoo:{network}")
    assert {node.place for node in foretold} & {"array"}


@settings(max_examples=20)
@given(graph=quantised_graphs())
def test_ops_agrees_with_compiling_drawn_graphs(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = saved(tmp_path_factory.mktemp("drawn"), graph.model)
    assert placements(path) == compiled(path)


def test_every_node_has_a_place_and_hosts_have_reasons() -> None:
    nodes = placements("zoo:shufflenet@64")
    model = load_model("zoo:shufflenet@64")
    assert [node.op for node in nodes] == [node.op_type for node in model.graph.node if node.op_type != "Constant"]
    assert all(node.reason for node in nodes if node.place != "array")
    reasons = {node.reason for node in nodes if node.op == "Softmax"}
    assert reasons == {"Softmax has no int8 form on the array"}


def test_a_node_that_is_folded_is_where_it_went(tmp_path: Path) -> None:
    channel = [numpy_helper.from_array(np.linspace(0.5, 1, 8, dtype=np.float32), name) for name in "gbmv"]
    weight = numpy_helper.from_array(np.ones((8, 8, 1, 1), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"], name="norm"),
        helper.make_node("Identity", ["n"], ["i"], name="same"),
        helper.make_node("Shape", ["i"], ["s"], name="shape"),
        helper.make_node("Reshape", ["i", "s"], ["r"], name="reshape"),
        helper.make_node("Softmax", ["r"], ["y"], name="end"),
    ]
    source, sink = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 4, 4]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [source], [sink], [weight, *channel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    places = {node.node: (node.place, node.reason) for node in placements(saved(tmp_path, model))}
    assert places == {
        "conv": ("array", ""),
        "norm": ("array", ""),
        "same": ("compiler", "it changes nothing"),
        "shape": ("compiler", "it depends on constants only"),
        "reshape": ("compiler", "it changes nothing"),
        "end": ("host", "Softmax has no int8 form on the array"),
    }


def test_strict_names_every_node_on_the_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder = GraphBuilder()
    inside = builder.conv(builder.input((1, 8, 6, 6), 4), 8)
    path = saved(tmp_path, builder.model(builder.conv(inside, 8)))
    assert compile_model(path, until="bsr", strict=True).levels == ("onnx", "bsr")
    path = saved(tmp_path, builder.model(builder.conv(builder.softmax(inside), 8)))
    assert main(["check", path, "--strict"]) == 2
    (first, second) = capsys.readouterr().err.splitlines()
    assert "allows nothing on the host, and 1 nodes of this network would run there" in first
    assert second.startswith("  Softmax 'softmax_")
    assert second.endswith("': Softmax has no int8 form on the array")
    out = tmp_path / "out"
    assert main(["compile", path, "--strict", "-o", str(out)]) == 2
    assert not out.exists()
    assert main(["compile", path, "--until", "bsr", "-o", str(out)]) == 0
    assert main(["run", str(out), "--level", "bsr", "--strict"]) == 2


def test_strict_needs_the_level_that_decides() -> None:
    with pytest.raises(InputError, match="--until bsr or later"):
        compile_model("zoo:squeezenet@32", until="onnx", strict=True)


def test_rules_are_sentences_and_cover_what_is_lowered() -> None:
    for operator, rules in rules_of_operators():
        assert all(text.endswith(".") for text in rules), operator
    folded_in = {"Relu", "Clip"}
    assert set(LOWERINGS) - {"DequantizeLinear"} == set(RULES) - folded_in


def test_ops_wants_a_model_or_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops"]) == 2
    assert "ops takes a MODEL, or --supported" in capsys.readouterr().err
    assert main(["ops", "--supported"]) == 0
    assert "GlobalMaxPool\n    The input is a map 1xCxHxW" in capsys.readouterr().out
