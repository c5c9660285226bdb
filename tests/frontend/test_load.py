"""Bad input is refused with one message that says what to do; good input comes out in the promised form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.errors import InputError
from compiler.frontend.load import OPSET, load_model


def small_model(
    shape: list[int | str] | None = None, *, operator: str = "Relu", domain: str = "", opset: int = 13
) -> onnx.ModelProto:
    """x -> Conv -> operator -> y with a weight that is large enough to be kept out of the skeleton."""
    weight = numpy_helper.from_array(np.ones((64, 3, 3, 3), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node(operator, ["c"], ["y"], name="last", domain=domain),
    ]
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8] if shape is None else shape)
    sink = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [source], [sink], [weight])
    sets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=sets, ir_version=8)


def saved(folder: Path, model: onnx.ModelProto) -> str:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_model_is_converted_and_inferred(tmp_path: Path):
    model = load_model(saved(tmp_path, small_model()))
    assert [entry.version for entry in model.opset_import] == [OPSET]
    assert [value.name for value in model.graph.input] == ["x"]
    assert [tensor.name for tensor in model.graph.initializer] == ["w"]
    assert [size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim] == [1, 64, 6, 6]


def test_missing_file():
    with pytest.raises(InputError, match=r"no file 'absent.onnx'; give the path"):
        load_model("absent.onnx")


@pytest.mark.parametrize("data", [b"", b"not a model at all", b"\x08\x08\xff\xff\xff"])
def test_damaged_file(tmp_path: Path, data: bytes):
    path = tmp_path / "broken.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"broken.onnx' is not an ONNX model"):
        load_model(str(path))


def test_truncated_file(tmp_path: Path):
    path = Path(saved(tmp_path, small_model()))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="not an ONNX model or is damaged"):
        load_model(str(path))


def test_all_unknown_operators_are_listed(tmp_path: Path):
    model = small_model(operator="Fancy")
    model.graph.node.append(helper.make_node("Gelu", ["c"], ["g"], domain="com.example"))
    with pytest.raises(InputError, match=r"does not define: Fancy \(1\), com.example.Gelu \(1\)"):
        load_model(saved(tmp_path, model))


def test_dynamic_shape_says_how_to_give_it(tmp_path: Path):
    path = saved(tmp_path, small_model(["N", 3, "H", 8]))
    with pytest.raises(InputError, match=r"input 'x' is \[N, 3, H, 8\], not all known; .*--shape x=1,3,1,8"):
        load_model(path)
    model = load_model(path, shapes={"x": [1, 3, 10, 8]})
    assert [size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim] == [1, 64, 8, 6]


def test_shape_that_contradicts_the_model(tmp_path: Path):
    with pytest.raises(InputError, match=r"'x' has shape \[1, 3, 8, 8\], which is not \[1, 3, 9, 9\]"):
        load_model(saved(tmp_path, small_model()), shapes={"x": [1, 3, 9, 9]})


def test_shape_for_no_input(tmp_path: Path):
    with pytest.raises(InputError, match="no input 'z' to give a shape to; its inputs are 'x'"):
        load_model(saved(tmp_path, small_model()), shapes={"z": [1]})


def test_an_open_batch_is_given_by_number(tmp_path: Path):
    path = saved(tmp_path, small_model(["N", 3, 8, 8]))
    with pytest.raises(InputError, match="for example --batch 1 or --shape x=1,3,8,8"):
        load_model(path)
    assert output_shape(load_model(path, batch=1)) == [1, 64, 6, 6]
    assert output_shape(load_model(path, batch=4)) == [4, 64, 6, 6]
    with pytest.raises(InputError, match="--batch is a positive whole number; 0 was given"):
        load_model(path, batch=0)


def output_shape(model: onnx.ModelProto) -> list[int]:
    return [size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim]


def test_tensor_that_nobody_computes(tmp_path: Path):
    model = small_model()
    model.graph.node[1].input[0] = "missing"
    with pytest.raises(InputError, match="not a valid ONNX model"):
        load_model(saved(tmp_path, model))


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname"])
def test_external_data_outside_the_folder(tmp_path: Path, location: str):
    with pytest.raises(InputError, match=r"tensor 'w' keeps its data at .* outside the model's folder"):
        load_model(saved(tmp_path, with_external_data(location)))


def test_external_data_beside_the_model(tmp_path: Path):
    path = saved(tmp_path, with_external_data("weights.bin"))
    with pytest.raises(InputError, match=r"'w' should be in 'weights.bin' beside the model"):
        load_model(path)
    (tmp_path / "weights.bin").write_bytes(bytes(100))
    with pytest.raises(InputError, match=r"tensor 'w' has shape \[64, 3, 3, 3\] and 100 bytes"):
        load_model(path)
    values = np.arange(64 * 27, dtype=np.float32)
    (tmp_path / "weights.bin").write_bytes(values.tobytes())
    (weight,) = load_model(path).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(weight).ravel(), values)


def with_external_data(location: str) -> onnx.ModelProto:
    model = small_model()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    return model
