"""Validation finds passes that are wrong, and says which pass, which tensor, where, and both values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bsr_levels import mapped
from bsr_modules import module_of
from bsr_networks import Add, Conv, Input, Network
from strategies_bsr import Place
from strategies_graphs import GraphBuilder
from xdsl.dialects.builtin import DenseArrayBase, DictionaryAttr, IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.utils.arg_spec import ArgSpec

from compiler.api import compile_model
from compiler.blobs import save_weights
from compiler.cli.opt import main as blockloom_opt
from compiler.errors import InputError
from compiler.interpret.execution import entry_of
from compiler.onnxio.importer import import_model
from compiler.pipelines import PassStart, Pipeline, Stage, guarded, step
from compiler.validation import Validation, ValidationError, level_of
from dialects import bsr, mem
from dialects.aiex import DMAStartTaskOp
from dialects.constants import dense_attribute
from dialects.onnx import ConstantOp, OnnxOp, is_operator
from passes.bsr_fuse_clamp import BsrFuseClampPass

NETWORK = Network(3, (Input(9, 6, 5),), (Conv(0, 16, (3, 3), pads=(1, 1, 1, 1)), Conv(1, 16), Add(1, 2, 3)), (3,))


def run(name: str, module: ModuleOp, change: Callable[[ModuleOp], None], draws: int = 2) -> list[str]:
    """Validate `change` as if it were a pass; the lines that were told."""
    lines: list[str] = []
    with guarded((Validation(draws, tell=lines.append),), PassStart(ArgSpec(name, {}), module)):
        change(module)
        module.verify()
    return lines


def levels() -> dict[str, ModuleOp]:
    """Fresh modules of a small network."""
    return dict(Pipeline((Stage("bsr", ()), *mapped(Place("mesh-1x2")))).run(module_of(NETWORK)))


def float_model() -> ModuleOp:
    """One convolution in float, its weights inline."""
    builder = GraphBuilder()
    x = builder.input((1, 3, 4, 4), 4)
    weights = builder.constant("weights", np.ones((2, 3, 1, 1), np.float32))
    result = builder.node("Conv", [x.name, weights])
    return import_model(builder.model(type(x)(result, (1, 2, 4, 4), 0)))


def test_a_pass_that_changes_nothing_is_told() -> None:
    (line,) = run("some-pass", levels()["bsr"], lambda module: None)
    assert re.fullmatch(r"some-pass: 1 outputs and 3 tensors equal, \d+ values", line)


def narrower_clamp(module: ModuleOp) -> None:
    next(op for op in module.walk() if isinstance(op, bsr.AddOp)).properties["clamp"] = DenseArrayBase.from_list(
        i64, [-1, 1]
    )


def test_wrong_numbers_are_named_with_tensor_index_and_both_values() -> None:
    message = r"wrong-pass changed the numbers: 'tensor2'\[0, \d+, \d+, \d+\] is -?\d+, expected -?\d+ \(\d+ of 480 "
    with pytest.raises(ValidationError, match=message + r"values differ\), on inputs drawn from seed 0"):
        run("wrong-pass", levels()["bsr"], narrower_clamp)


def test_a_tensor_of_another_type_is_named() -> None:
    def renamed(module: ModuleOp) -> None:
        first, second, *_ = (op for op in module.walk() if isinstance(op, bsr.BsrOp) and op.tensor_name)
        second.attributes["bsr.tensor"] = first.attributes["bsr.tensor"]

    module = module_of(Network(3, (Input(9, 6, 5),), (Conv(0, 16), Conv(1, 24)), (2,)))
    with pytest.raises(
        ValidationError, match=r"renames changed 'tensor0', which was int8\[1, 16, 6, 5\], to int8\[1, 2"
    ):
        run("renames", module, renamed)


def test_outputs_stay() -> None:
    def renamed(module: ModuleOp) -> None:
        entry = entry_of(module)
        assert entry.function.res_attrs is not None
        (attributes,) = entry.function.res_attrs
        entry.function.res_attrs = type(entry.function.res_attrs)(
            [type(attributes)({**attributes.data, "onnx.name": StringAttr("other")})]
        )

    with pytest.raises(ValidationError, match=r"changed the outputs of the network: they were conv_\w+, and are now o"):
        run("renames", float_model(), renamed)


def test_a_wrong_weight_in_float_is_seen_and_its_last_bits_are_not() -> None:
    def scaled(module: ModuleOp, factor: float) -> None:
        conv = next(op for op in module.walk() if isinstance(op, OnnxOp) and is_operator(op, "Conv"))
        constant = conv.inputs[1].owner
        assert isinstance(constant, ConstantOp)
        constant.attributes["value"] = dense_attribute(
            (constant.array() * np.float32(factor)).astype(np.float32), constant.output.type
        )

    run("rounds", float_model(), lambda module: scaled(module, 1 + 2**-20))
    with pytest.raises(ValidationError, match="wrong-pass changed the numbers: 'conv_"):
        run("wrong-pass", float_model(), lambda module: scaled(module, 1.01))


def test_a_wrong_parameter_at_the_memory_level() -> None:
    def wrong(module: ModuleOp) -> None:
        launch = [op for op in module.walk() if isinstance(op, mem.LaunchOp)][-1]
        launch.parameters = DictionaryAttr({**launch.parameters.data, "clamp_high": IntegerAttr(-100, i64)})

    with pytest.raises(ValidationError, match=r"wrong-pass changed the numbers: 'tensor\d'\[.*\] is -100, expected"):
        run("wrong-pass", levels()["mem"], wrong)


def test_a_program_that_does_not_end_names_the_pass() -> None:
    def forgetful(module: ModuleOp) -> None:
        starts = [op for op in module.walk() if isinstance(op, DMAStartTaskOp)]
        starts[3].detach()

    with pytest.raises(ValidationError, match="after wrong-pass the module does not run to its end"):
        run("wrong-pass", levels()["aie"], forgetful)


@pytest.mark.parametrize("level", ["bsr", "mem", "aie"])
def test_the_level_is_the_lowest_dialect(level: str) -> None:
    assert level_of(levels()[level]) == level


def test_a_pass_that_decides_numbers_is_not_compared() -> None:
    (line,) = run("onnx-quantize", float_model(), lambda module: None)
    assert line == "onnx-quantize: not compared, it decides how float values become integers"


def test_draws_are_counted_and_at_least_one() -> None:
    with pytest.raises(InputError, match="draws one input or more; 0 was given"):
        Validation(0)


def test_half_up_is_held_against_a_reference_that_rounds_so() -> None:
    builder = GraphBuilder()
    x = builder.input((1, 8, 6, 6), 4)
    model = builder.model(builder.conv(x, 8, shift=3))
    compile_model(model, until="bsr", rounding="half_up", guards=(Validation(),))


def test_blockloom_opt_validates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, path = module_of(NETWORK), tmp_path / "bsr.mlir"
    path.write_text(str(module))
    save_weights(tmp_path / "weights.npz", [module])
    command = [str(path), "-p", "bsr-fuse-add,bsr-fuse-clamp", "--validate", "1", "-o", str(tmp_path / "out.mlir")]
    assert blockloom_opt(command) == 0
    assert "validate bsr-fuse-clamp: 1 outputs and" in capsys.readouterr().err

    monkeypatch.setattr(BsrFuseClampPass, "apply", lambda self, ctx, op: narrower(op))
    assert blockloom_opt(command) == 2
    assert "blockloom-opt: bsr-fuse-clamp changed the numbers: 'tensor" in capsys.readouterr().err


def narrower(module: ModuleOp) -> None:
    for op in module.walk():
        if isinstance(op, bsr.Conv2dOp):
            op.properties["clamp"] = DenseArrayBase.from_list(i64, [-1, 1])


def test_the_whole_pipeline_preserves_meaning() -> None:
    lines: list[str] = []
    guards = (Validation(1, tell=lines.append),)
    pipeline = Pipeline((Stage("bsr", (step("bsr-fuse-add"),)), *mapped(Place("mesh-2x2"))), guards=guards)
    pipeline.run(module_of(NETWORK))
    assert [line.split(":")[0] for line in lines] == list(pipeline.pass_names)
