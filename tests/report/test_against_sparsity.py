"""`blockloom report MODEL --against SPARSITY`: the same request at another sparsity, beside the one asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.cli.main import main


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Two convolutions in floating point; height and width are open."""
    random = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
        for name, shape in (("first", (32, 16, 1, 1)), ("second", (32, 32, 1, 1)))
    ]
    nodes = [helper.make_node("Conv", ["x", "first"], ["h"]), helper.make_node("Conv", ["h", "second"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, "height", "width"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    path = tmp_path / "two.onnx"
    graph = helper.make_graph(nodes, "two", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return str(path)


def test_the_same_request_at_another_sparsity(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    request = ["report", model, "--target", "mesh-1x1", "--shape", "x=1,16,6,6", "--sparsity", "0.5"]
    assert main([*request, "--json", "-o", str(page)]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert "times as fast" not in page.read_text(encoding="utf-8")
    assert main([*request, "--json", "--against", "0", "-o", str(page)]) == 0
    assert json.loads(capsys.readouterr().out) == alone
    text = page.read_text(encoding="utf-8")
    assert "times as fast" in text
    assert "% of sparsity 0" in text
