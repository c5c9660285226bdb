"""The result directory: whole or absent, holding exactly what it says, never over anything else."""

import json
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp
from xdsl.parser import Parser

from compiler.api import Compilation, Request
from compiler.artifact import ParsedModules, read_manifest, require_replaceable, write_artifact
from compiler.blobs import attach_weights, blobs_of
from compiler.errors import InputError, MissingWeightsError
from compiler.registry import full_context
from dialects.blob import BlobAttr


def module_with(*blobs: BlobAttr) -> ModuleOp:
    """A module that holds blobs inside nested attributes."""
    return ModuleOp([], {"test.blobs": ArrayAttr([DictionaryAttr({"value": blob}) for blob in blobs])})


WEIGHTS = BlobAttr.from_array("conv1/weight", np.arange(6000, dtype=np.int8))
BIAS = BlobAttr.from_array("file", np.arange(2000, dtype=np.int32))


def test_files_are_exactly_those_promised(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    write_artifact(out, {"onnx": module_with(WEIGHTS), "bsr": module_with(WEIGHTS, BIAS)}, {"model": "m"})
    assert sorted(entry.name for entry in out.iterdir()) == ["bsr.mlir", "manifest.json", "onnx.mlir", "weights.npz"]
    assert [entry.name for entry in out.parent.iterdir()] == ["out"], "no temporary directory is left"
    assert set(read_manifest(out)["files"]) == {"bsr.mlir", "onnx.mlir", "weights.npz"}


def test_values_come_back_from_the_weights_file(tmp_path: Path) -> None:
    write_artifact(tmp_path / "out", {"onnx": module_with(WEIGHTS), "bsr": module_with(BIAS)}, {})
    modules = ParsedModules(tmp_path / "out")
    assert list(modules) == ["onnx", "bsr"]
    (blob,) = blobs_of(modules["bsr"])
    assert blob == BIAS
    np.testing.assert_array_equal(blob.array(), BIAS.array())
    with pytest.raises(KeyError):
        modules["aie"]


def test_same_modules_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_artifact(tmp_path / name, {"onnx": module_with(WEIGHTS)}, {})
    for file in ("onnx.mlir", "weights.npz", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_an_earlier_result_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_artifact(out, {"onnx": module_with(), "bsr": module_with()}, {})
    write_artifact(out, {"onnx": module_with(WEIGHTS)}, {})
    assert list(ParsedModules(out)) == ["onnx"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is not a directory"):
        require_replaceable(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    require_replaceable(tmp_path / "folder")
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"it holds thesis\.tex\); it is not overwritten"):
        write_artifact(tmp_path / "folder", {"onnx": module_with()}, {})
    assert (tmp_path / "folder" / "thesis.tex").read_text() == "mine"


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """A blob whose values are unknown cannot be written; neither is anything else."""
    lost = Parser(full_context(), 'builtin.module attributes {a = #bsr.blob<"k", "00">} {}').parse_module()
    assert len(list(blobs_of(lost))) == 1
    with pytest.raises(MissingWeightsError, match="blob 'k'"):
        write_artifact(tmp_path / "out", {"onnx": lost}, {})
    assert list(tmp_path.iterdir()) == []


def test_damaged_results_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_artifact(out, {"onnx": module_with(), "bsr": module_with()}, {})
    with pytest.raises(InputError, match="lacks 'model'"):
        Compilation.load(out)
    (out / "bsr.mlir").unlink()
    with pytest.raises(InputError, match=r"bsr\.mlir missing; compile again"):
        read_manifest(out)
    (out / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        read_manifest(out)
    with pytest.raises(InputError, match="not the result of a compilation"):
        read_manifest(tmp_path)


def test_compilation_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    request = Request("zoo:squeezenet@64", "mesh-2x2", 0.5, 3, None)
    saved = Compilation(request, {"onnx": module_with(WEIGHTS)})
    loaded = Compilation.load(saved.save(tmp_path / "out"))
    assert loaded.request == request
    assert loaded.levels == ("onnx",)
    assert loaded.module("onnx").is_structurally_equivalent(saved.module("onnx"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["chip"]["columns"] == 2
    assert manifest["calibrated_on"] == "inputs drawn from seed 3"
    with pytest.raises(InputError, match="the compilation stopped at 'onnx'; compile with --until aie"):
        loaded.module("aie")


def test_weights_of_another_place_are_attached_by_name(tmp_path: Path) -> None:
    write_artifact(tmp_path / "out", {"onnx": module_with(WEIGHTS)}, {})
    text = (tmp_path / "out" / "onnx.mlir").read_text()
    module = Parser(full_context(), text).parse_module()
    with pytest.raises(InputError, match=r"should be a \.npz file"):
        attach_weights(module, tmp_path / "out" / "onnx.mlir")
    attach_weights(module, tmp_path / "out" / "weights.npz")
    (blob,) = blobs_of(module)
    np.testing.assert_array_equal(blob.array(), WEIGHTS.array())
