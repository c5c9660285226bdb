"""Files that lie, explode or are broken: one message, no traceback, no hang, nothing allocated by what they claim."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from compiler.errors import BlockloomError, InputError
from compiler.frontend.load import load_model
from compiler.frontend.structure import DEEPEST
from compiler.onnxio.importer import import_model
from compiler.placement import placements


def model_of(nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto] | None = None) -> onnx.ModelProto:
    source, sink = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 4, 4]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [source], [sink], tensors or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def refused(folder: Path, model: onnx.ModelProto) -> str:
    """What is said about a file with this model."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError) as caught:
        import_model(load_model(str(path)))
    return str(caught.value)


def test_tensor_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    for dims in ([1 << 20, 1 << 20], [1 << 62, 4], [-1, 8], [3]):
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(16))
        node = helper.make_node("Conv", ["x", "w"], ["y"])
        assert "tensor 'w' has shape" in refused(tmp_path, model_of([node], [tensor]))


def test_result_that_is_too_large(tmp_path: Path) -> None:
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20, 8]), "shape")
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["big"]), helper.make_node("Relu", ["big"], ["y"])]
    model = model_of(nodes, [shape])
    model.graph.output[0].type.tensor_type.ClearField("shape")
    assert "tensor 'big' would have shape [1048576, 1048576, 8]" in refused(tmp_path, model)


def test_functions_that_double(tmp_path: Path) -> None:
    """Sixty functions of two calls each are 2**60 nodes."""
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("pkg", 1)]
    model = model_of([helper.make_node("F0", ["x"], ["y"], domain="pkg")])
    for level in range(60):
        name, domain = (f"F{level + 1}", "pkg") if level < 59 else ("Relu", "")
        calls = [helper.make_node(name, [a], [b], domain=domain) for a, b in (("a", "b"), ("b", "c"))]
        model.functions.append(helper.make_function("pkg", f"F{level}", ["a"], ["c"], calls, sets))
    model.opset_import.append(sets[1])
    assert f"its functions written out are {2**60} nodes" in refused(tmp_path, model)


def test_functions_that_call_themselves(tmp_path: Path) -> None:
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("pkg", 1)]
    model = model_of([helper.make_node("F", ["x"], ["y"], domain="pkg")])
    call = helper.make_node("F", ["a"], ["b"], domain="pkg")
    model.functions.append(helper.make_function("pkg", "F", ["a"], ["b"], [call], sets))
    model.opset_import.append(sets[1])
    assert "must not be recursive" in refused(tmp_path, model)


def test_graphs_within_graphs(tmp_path: Path) -> None:
    result = helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 8, 4, 4])
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "inner", [], [result])
    for _ in range(DEEPEST + 1):
        node = helper.make_node("If", ["c"], ["r"], then_branch=inner, else_branch=inner)
        inner = onnx.GraphProto(name="outer", node=[node], output=[result])
        inner.node[0].attribute[1].g.CopyFrom(helper.make_graph([], "empty", [], [result]))
    model = model_of([helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)])
    assert f"more than {DEEPEST} deep" in refused(tmp_path, model)


def test_cycle(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    nodes.append(helper.make_node("Identity", ["b"], ["y"]))
    assert "topological" in refused(tmp_path, model_of(nodes))


def external(location: str, **entries: str) -> onnx.TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[8, 8, 1, 1], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_external_data_of_an_attribute_stays_in_the_folder(tmp_path: Path) -> None:
    nodes = [helper.make_node("Constant", [], ["w"], value=external("../w.bin")), helper.make_node("Conv", "xw", ["y"])]
    (tmp_path / "inside").mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(256))
    assert "outside the model's folder" in refused(tmp_path / "inside", model_of(nodes))


def test_external_data_through_a_link_stays_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(256))
    (tmp_path / "inside" / "link.bin").symlink_to(tmp_path / "w.bin")
    model = model_of([helper.make_node("Conv", ["x", "w"], ["y"])], [external("link.bin")])
    assert "outside the model's folder" in refused(tmp_path / "inside", model)


@pytest.mark.parametrize("entries", [{"offset": "-4"}, {"length": "many"}, {"offset": "1e9"}, {"offset": "1000"}])
def test_external_data_at_impossible_places(tmp_path: Path, entries: dict[str, str]) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(256))
    model = model_of([helper.make_node("Conv", ["x", "w"], ["y"])], [external("w.bin", **entries)])
    assert "tensor 'w' has shape [8, 8, 1, 1]" in refused(tmp_path, model)


def seeds() -> list[bytes]:
    """Small models with everything that the importer treats in a way of its own."""
    weight = numpy_helper.from_array(np.ones((8, 8, 1, 1), np.float32), "w")
    plain = model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[0, 0, 0, 0]),
            helper.make_node("Relu", "c", "y"),
        ],
        [weight],
    )
    result = helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 8, 4, 4])
    branches = [helper.make_graph([helper.make_node(op, ["x"], ["r"])], op, [], [result]) for op in ("Neg", "Abs")]
    condition = numpy_helper.from_array(np.array(True), "c")
    flow = model_of(
        [helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])], [condition]
    )
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("pkg", 1)]
    calls = model_of([helper.make_node("F", ["x"], ["y"], domain="pkg")])
    body = [helper.make_node("Relu", ["a"], ["b"])]
    calls.functions.append(helper.make_function("pkg", "F", ["a"], ["b"], body, sets))
    calls.opset_import.append(sets[1])
    shape = numpy_helper.from_array(np.array([1, 8, 4, 4]), "s")
    old = model_of([helper.make_node("ConstantOfShape", ["s"], ["k"]), helper.make_node("Add", "xk", "y")], [shape])
    old.opset_import[0].version = 9
    return [model.SerializeToString() for model in (plain, flow, calls, old)]


SEEDS = seeds()


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A model of which some bytes are changed, left out, doubled or put elsewhere."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 12))
        match draw(st.sampled_from(("set", "set", "set", "drop", "repeat", "insert"))):
            case "set":
                data[start : start + 1] = bytes([draw(st.integers(0, 255))])
            case "drop":
                del data[start : start + length]
            case "repeat":
                data[start:start] = data[start : start + length]
            case _:
                data[start:start] = draw(st.binary(min_size=1, max_size=length))
    return bytes(data)


@given(data=mutations())
def test_any_bytes_are_a_message_or_a_model(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fuzz", numbered=True) / "model.onnx"
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(BlockloomError):
        assert all(node.place in ("array", "host", "compiler") for node in placements(str(path)))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 500_000, f"{grown} KB for a file of {len(data)} bytes"
