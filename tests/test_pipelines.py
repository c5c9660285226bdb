"""The pipeline is one list: visible, cut at a level, refused before it starts when a name is wrong, observed."""

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import PassPipeline
from xdsl.utils.exceptions import VerifyException

from compiler import Pipeline
from compiler.cli.observer import Observer
from compiler.errors import InputError
from compiler.frontend.load import load_model
from compiler.onnxio.importer import import_model
from compiler.pipelines import LEVELS, PassRun, Stage, step
from compiler.registry import available_passes

FOLDING = Stage("onnx", (step("onnx-remove-identities"), step("onnx-fold-constants"), step("onnx-fold-batch-norm")))


@pytest.fixture
def network() -> ModuleOp:
    """SqueezeNet on small images."""
    return import_model(load_model("zoo:squeezenet@64"))


def test_default_pipeline_is_made_of_passes_that_exist() -> None:
    pipeline = Pipeline.default(sparsity=0.5)
    assert set(pipeline.pass_names) <= set(available_passes())
    assert [stage.level for stage in pipeline.stages] == list(LEVELS)


def test_default_pipeline_prints_as_the_opt_tool_takes_it() -> None:
    """Parsing what `spec` prints gives passes with the same options."""
    pipeline = Pipeline.default(target="mesh-2x2", sparsity=0.25, calibration="images/a.npz", seed=3)
    parsed = PassPipeline.parse_spec(dict(available_passes()), pipeline.spec())
    assert tuple(one.name for one in parsed.passes) == pipeline.pass_names
    assert "onnx-prune-blocks{ratio=0.25}" in pipeline.spec()
    assert 'target="mesh-2x2"' in pipeline.spec()


def test_pruning_is_left_out_when_nothing_is_pruned() -> None:
    assert "onnx-prune-blocks" not in Pipeline.default().pass_names


@pytest.mark.parametrize("until", LEVELS)
def test_pipeline_ends_at_the_level_asked_for(until: str) -> None:
    assert Pipeline.default(until=until).stages[-1].level == until


def test_a_wrong_name_is_refused_before_anything_runs(network: ModuleOp) -> None:
    ran: list[str] = []
    pipeline = Pipeline((FOLDING, Stage("bsr", (step("convert-onnx-to-bst"),))), lambda _, name: ran.append(name))
    with pytest.raises(InputError, match="unknown pass 'convert-onnx-to-bst'; did you mean"):
        pipeline.run(network)
    assert ran == []


def test_each_level_is_kept_as_it_was(network: ModuleOp) -> None:
    """A later stage rewrites its own copy."""
    stages = (Stage("onnx", (step("onnx-remove-identities"),)), Stage("bsr", (step("onnx-fold-constants"),)))
    modules = Pipeline(stages).run(network)
    assert list(modules) == ["onnx", "bsr"]
    assert modules["bsr"] is network
    assert modules["onnx"] is not network


def test_hooks_see_every_pass_in_order(network: ModuleOp) -> None:
    before: list[tuple[str, str]] = []
    after: list[PassRun] = []
    Pipeline((FOLDING,), lambda level, name: before.append((level, name)), after.append).run(network)
    assert before == [("onnx", name) for name in Pipeline((FOLDING,)).pass_names]
    assert [(run.level, run.name) for run in after] == before
    assert all(run.seconds >= 0 and run.module is network for run in after)


def run_observed(observer: Observer, network: ModuleOp) -> None:
    Pipeline((FOLDING,), observer.before_pass, observer.after_pass).run(network)
    observer.finish()


def test_ir_is_printed_after_the_pass_asked_for(network: ModuleOp, capsys: pytest.CaptureFixture[str]) -> None:
    run_observed(Observer(print_after="onnx-fold-constants"), network)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("// ----- IR after") == 1
    assert output.err.startswith("// ----- IR after onnx-fold-constants (onnx) -----\nbuiltin.module")


def test_times_are_a_table(network: ModuleOp, capsys: pytest.CaptureFixture[str]) -> None:
    run_observed(Observer(time_passes=True), network)
    text = capsys.readouterr().err
    assert all(name in text for name in (*Pipeline((FOLDING,)).pass_names, "all passes"))


@pytest.mark.parametrize(("level", "lines"), [("0", 0), ("1", 0), ("2", 3), ("3", 3)])
def test_debug_ladder(
    network: ModuleOp,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    lines: int,
) -> None:
    monkeypatch.setenv("BLOCKLOOM_DEBUG", level)
    run_observed(Observer(), network)
    text = capsys.readouterr().err
    assert text.count(" s  onnx  ") == lines
    assert "// ----- IR after" not in text


def test_debug_level_4_prints_what_a_pass_changed_and_only_that(
    network: ModuleOp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKLOOM_DEBUG", "4")
    twice = Stage("onnx", (step("onnx-remove-identities"), step("onnx-remove-identities")))
    observer = Observer()
    Pipeline((twice,), observer.before_pass, observer.after_pass).run(network)
    assert capsys.readouterr().err.count("// ----- IR after onnx-remove-identities") == 1


def test_debug_level_3_names_the_pass_that_broke_the_module(network: ModuleOp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKLOOM_DEBUG", "3")
    broken = PassRun("some-pass", "onnx", 0.0, network)
    monkeypatch.setattr(ModuleOp, "verify", _refuse)
    with pytest.raises(VerifyException) as caught:
        Observer().after_pass(broken)
    assert caught.value.__notes__ == ["the module is wrong after some-pass"]


def _refuse(self: ModuleOp) -> None:
    raise VerifyException("something is wrong")
