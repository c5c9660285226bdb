"""A pass that fails leaves one file, and running that file fails in the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bsr_levels import mapped
from bsr_modules import module_of
from bsr_networks import Conv, Input, Network
from onnx import TensorProto, helper
from strategies_bsr import Place
from strategies_graphs import GraphBuilder, Tensor
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i64
from xdsl.parser import Parser

from compiler.blobs import blobs_of
from compiler.cli.main import main as blockloom
from compiler.cli.opt import main as blockloom_opt
from compiler.errors import CapacityError, InputError
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.registry import full_context
from compiler.reproducer import crash_reproducer, read_configuration
from passes.bsr_fuse_clamp import BsrFuseClampPass

NARROW = Place("mesh-1x1", ("core_memory_bytes=4096",))
NETWORK = Network(3, (Input(90, 6, 50),), (Conv(0, 90, (3, 3), pads=(1, 1, 1, 1)),))


def fail(network: Network, path: Path) -> str:
    """Compile for a core that is too small; what the error says about the reproducer."""
    with pytest.raises(CapacityError) as caught:
        Pipeline(mapped(NARROW), guards=(crash_reproducer(path),)).run(module_of(network))
    (note,) = caught.value.__notes__
    return note


def test_the_message_names_the_file_which_replays_the_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "crash it.mlir"
    note = fail(NETWORK, path)
    assert note == f"to see it fail again: blockloom-opt '{path}' --run-reproducer"
    head = path.read_text().splitlines()
    assert head[0].startswith("// convert-bsr-to-mem failed with CapacityError: layer 'layer0' does not fit a core")
    assert head[1].startswith('// configuration: -p \'convert-bsr-to-mem{target="mesh-1x1"')
    assert blockloom_opt([str(path), "--run-reproducer"]) == 2
    assert "layer 'layer0' does not fit a core" in capsys.readouterr().err


def test_it_holds_the_module_before_the_pass_with_its_small_weights(tmp_path: Path) -> None:
    fail(NETWORK, tmp_path / "crash.mlir")
    module = Parser(full_context(), (tmp_path / "crash.mlir").read_text()).parse_module()
    module.verify()
    assert [path.name for path in tmp_path.iterdir()] == ["crash.mlir"]
    assert not list(blobs_of(module))
    weights = [op for op in module.walk() if op.name == "bsr.weights"]
    wanted = [op for op in module_of(NETWORK).walk() if op.name == "bsr.weights"]
    np.testing.assert_array_equal(weights[0].block_values(), wanted[0].block_values())  # type: ignore[attr-defined]


def test_large_weights_lie_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fail(Network(3, (Input(300, 3, 50),), (Conv(0, 200, (3, 3)),)), tmp_path / "crash.mlir")
    assert read_configuration(tmp_path / "crash.mlir").weights == tmp_path / "crash.npz"
    assert blockloom_opt([str(tmp_path / "crash.mlir"), "--run-reproducer"]) == 2
    assert "does not fit a core" in capsys.readouterr().err


def test_weights_that_nobody_knows_are_said_to_be_absent(tmp_path: Path) -> None:
    text = str(module_of(Network(3, (Input(90, 6, 50),), (Conv(0, 90, (3, 3)),))))
    source, path = tmp_path / "bsr.mlir", tmp_path / "crash.mlir"
    source.write_text(text)
    passes = 'convert-bsr-to-mem{target=mesh-1x1 overrides="core_memory_bytes=4096"}'
    assert blockloom_opt([str(source), "-p", passes, "--crash-reproducer", str(path)]) == 2
    assert "// its weights are not here: the values of blob 'layer0" in path.read_text()


def test_a_module_that_does_not_verify_after_a_pass_is_reproduced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def drops_clamps(self: BsrFuseClampPass, context: object, module: ModuleOp) -> None:
        for op in module.walk():
            op.properties.pop("clamp", None)

    monkeypatch.setattr(BsrFuseClampPass, "apply", drops_clamps)
    source, path = tmp_path / "bsr.mlir", tmp_path / "crash.mlir"
    source.write_text(str(module_of(Network(3, (Input(8, 2, 2),), (Conv(0, 8),)))))
    command = [str(source), "-p", "bsr-fuse-add,bsr-fuse-clamp", "--crash-reproducer", str(path)]
    assert blockloom_opt(command) == 2
    assert f"blockloom-opt {path} --run-reproducer" in capsys.readouterr().err
    assert read_configuration(path).passes == "bsr-fuse-clamp"
    assert blockloom_opt([str(path), "--run-reproducer"]) == 2


def test_what_validation_finds_is_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets_clamps(self: BsrFuseClampPass, context: object, module: ModuleOp) -> None:
        for op in module.walk():
            if op.name == "bsr.conv2d":
                op.properties["clamp"] = DenseArrayBase.from_list(i64, [-128, 127])

    monkeypatch.setattr(BsrFuseClampPass, "apply", forgets_clamps)
    source, path = tmp_path / "bsr.mlir", tmp_path / "crash.mlir"
    source.write_text(str(module_of(Network(3, (Input(8, 4, 4),), (Conv(0, 8, clamp=(0, 9)),)))))
    checks = ["--validate", "1", "--crash-reproducer", str(path)]
    assert blockloom_opt([str(source), "-p", "bsr-fuse-clamp", *checks]) == 2
    assert "bsr-fuse-clamp failed with ValidationError: bsr-fuse-clamp changed the numbers" in path.read_text()
    assert blockloom_opt([str(path), "--run-reproducer", "--validate"]) == 2


def test_compile_takes_both_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder = GraphBuilder()
    model = tmp_path / "model.onnx"
    model.write_bytes(builder.model(builder.conv(builder.input((1, 8, 4, 4), 4), 8)).SerializeToString())
    options = ["-o", str(tmp_path / "out"), "--validate", "--crash-reproducer", str(tmp_path / "crash.mlir")]
    assert blockloom(["compile", str(model), "--target", "mesh-1x1", *options]) == 0
    assert "validate convert-mem-to-aie: 1 outputs and" in capsys.readouterr().err
    assert not (tmp_path / "crash.mlir").exists()


def test_a_refused_model_leaves_an_onnx_module(tmp_path: Path) -> None:
    builder = GraphBuilder()
    builder.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8]))
    weights = builder.constant("weights", np.ones((8, 3), np.float32))
    model = builder.model(Tensor(builder.node("MatMul", ["x", weights]), (1, 3), 0))
    guards = (crash_reproducer(tmp_path / "crash.mlir"),)
    with pytest.raises(InputError, match="absent"):
        Pipeline.default(calibration=str(tmp_path / "absent"), guards=guards).run(import_model(model))
    assert read_configuration(tmp_path / "crash.mlir").passes.startswith("onnx-quantize{")
    assert blockloom_opt([str(tmp_path / "crash.mlir"), "--run-reproducer"]) == 2


def test_places_and_files_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"cannot be written: '.*absent' is no folder"):
        crash_reproducer(tmp_path / "absent" / "crash.mlir")
    plain = tmp_path / "plain.mlir"
    plain.write_text("builtin.module {}\n")
    with pytest.raises(InputError, match="is no reproducer"):
        read_configuration(plain)
    plain.write_text("// configuration: --threads 4\nbuiltin.module {}\n")
    with pytest.raises(InputError, match="a configuration that is none of ours"):
        read_configuration(plain)
    assert blockloom_opt([str(plain), "--run-reproducer", "-p", "bsr-fuse-add"]) == 2
    assert "a reproducer says what to run, so -p bsr-fuse-add cannot apply" in capsys.readouterr().err
    assert blockloom_opt(["--run-reproducer"]) == 2
    assert "--run-reproducer reads a file" in capsys.readouterr().err
