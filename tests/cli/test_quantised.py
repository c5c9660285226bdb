"""What `compile` says about the positions it has chosen: on standard error, and in the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.cli.main import main


def model(scale: float) -> onnx.ModelProto:
    """A convolution with weights of this size."""
    weights = numpy_helper.from_array((np.random.default_rng(0).normal(size=(8, 8, 1, 1)) * scale).astype("f4"), "w")
    source, sink = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 4, 4]) for name in ("x", "s"))
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="conv"), helper.make_node("Add", ["y", "x"], ["s"])]
    graph = helper.make_graph(nodes, "g", [source], [sink], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def compiled(scale: float, folder: Path, *options: str) -> list[dict[str, object]]:
    onnx.save(model(scale), folder / "model.onnx")
    out = folder / "out"
    assert main(["compile", str(folder / "model.onnx"), "--until", "onnx", "-o", str(out), *options]) == 0
    return json.loads((out / "manifest.json").read_text())["quantised"]


def test_every_position_and_its_noise_is_in_the_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = compiled(0.3, tmp_path)
    assert [tensor["name"] for tensor in tensors] == [
        "x/quantized",
        "w/int8/dequantized",
        "y/quantized",
        "s/quantized",
    ]
    assert all(20 < tensor["signal_to_noise"] < 60 for tensor in tensors)
    assert [tensor["lowered"] for tensor in tensors] == [None] * 4
    assert "coarser" not in capsys.readouterr().err


def test_a_lowered_position_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = compiled(1e-5, tmp_path)
    (lowered,) = (tensor for tensor in tensors if tensor["lowered"])
    assert lowered["name"] == "y/quantized"
    assert "'Add" in str(lowered["lowered"])
    error = capsys.readouterr().err
    assert "1 of 4 positions are coarser than their values suggest" in error
    assert "'y/quantized': " in error


def test_the_method_decides(tmp_path: Path) -> None:
    sample = np.random.default_rng(0).normal(size=(200, 8, 4, 4)).astype(np.float32)
    sample[0, 0, 0, 0] = 300
    np.save(tmp_path / "samples.npy", sample)
    positions = {}
    for method in ("nonoverflow", "min_mse", "percentile"):
        folder = tmp_path / method
        folder.mkdir()
        tensors = compiled(0.3, folder, "--quantize", str(tmp_path / "samples.npy"), "--calibration-method", method)
        positions[method] = tensors[0]["position"]
    assert positions["nonoverflow"] <= positions["min_mse"]
    assert positions["percentile"] >= positions["nonoverflow"] + 4  # 300 is one value in 25600
    assert main(["check", str(tmp_path / "min_mse" / "model.onnx"), "--calibration-method", "median"]) == 2
    assert main(["check", str(tmp_path / "min_mse" / "model.onnx"), "--rounding", "down"]) == 2
