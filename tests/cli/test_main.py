"""The four commands on a real network, small enough to be quick."""

import json
from pathlib import Path

import numpy as np
import pytest
from xdsl.parser import Parser

from compiler.api import Compilation, compile_model
from compiler.checking import execute
from compiler.cli.main import main
from compiler.cli.opt import main as opt
from compiler.errors import BlockloomError
from compiler.interpret.execution import Execution
from compiler.registry import full_context
from passes.array_counts import SETUP, controller_counts

NETWORK = "zoo:squeezenet@64"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `blockloom compile` writes."""
    out = tmp_path_factory.mktemp("compiled") / "out"
    assert main(["compile", NETWORK, "--target", "mesh-2x2", "--sparsity", "0.5", "-o", str(out)]) == 0
    return out


def test_check_prints_one_line_per_level(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(directory)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" = ")[0].strip() for line in lines[:4]] == ["bsr", "mem", "aie", "ONNX Runtime"]
    assert all("reference: 1 outputs, " in line and " 0 differences, seed 0" in line for line in lines[:4])
    assert all(line.startswith("on the host: ") for line in lines[4:])


def test_check_stops_at_the_level_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", NETWORK, "--until", "bsr", "--json", "--seed", "5"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [level["level"] for level in answer["levels"]] == ["bsr", "ONNX Runtime"]
    assert all((level["differences"], level["seed"]) == (0, 5) for level in answer["levels"])


def test_a_difference_is_exit_code_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong bit in one tensor of a level: its line names the tensor, and the other lines are still right."""
    from compiler.interpret import bsr

    right = bsr.interpret_bsr

    def wrong(module: object, inputs: object) -> Execution:
        execution = right(module, inputs)  # pyright: ignore
        execution.tensors["r4/quantized"][0, 3, 2, 1] ^= 1
        return execution

    monkeypatch.setattr(bsr, "interpret_bsr", wrong)
    assert main(["check", NETWORK, "--until", "bsr"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert " 1 differences, seed 0" in lines[0]
    assert lines[1].startswith("             first difference: 'r4/quantized'[0, 3, 2, 1] is ")
    assert lines[2].startswith("ONNX Runtime = reference")
    assert " 0 differences" in lines[2]


def test_a_level_that_stops_is_exit_code_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interpreter refuses is a finding about the level, not about the user's input; the other levels go on."""
    from compiler.interpret import bsr

    def refuse(module: object, inputs: object) -> Execution:
        raise BlockloomError("core 1, 2 reads word 3: nothing wrote it")

    monkeypatch.setattr(bsr, "interpret_bsr", refuse)
    assert main(["check", NETWORK, "--until", "bsr"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("bsr          stopped after ")
    assert lines[0].endswith("seed 0: core 1, 2 reads word 3: nothing wrote it")
    assert " 0 differences" in lines[1]


def test_compile_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", NETWORK, "--until", "onnx", "--json", "-o", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out) == {"model": NETWORK, "target": "npu1", "sparsity": 0.0, "host": []}
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["manifest.json", "onnx.mlir", "weights.npz"]


def test_run_saves_the_outputs_of_given_inputs(directory: Path, tmp_path: Path) -> None:
    image = np.random.default_rng(1).standard_normal((1, 3, 64, 64)).astype(np.float32)
    np.save(tmp_path / "image.npy", image)
    found: dict[str, np.ndarray] = {}
    for level in ("onnx", "bsr", "mem", "aie"):
        saved = str(tmp_path / f"{level}.npz")
        given = f"data_0={tmp_path / 'image.npy'}"
        assert main(["run", str(directory), "--level", level, "--input", given, "-o", saved]) == 0
        with np.load(saved) as archive:
            found[level] = archive["softmaxout_1"]
    assert all(np.array_equal(found["onnx"], array) for array in found.values())
    np.testing.assert_allclose(found["onnx"].sum(), 1.0, atol=1e-5)


def test_run_prints_where_the_largest_values_are(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(directory), "--level", "bsr"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("softmaxout_1: float32[1, 1000, 1, 1], from ")
    assert second.startswith("  largest: [")


def test_run_refuses_an_input_of_another_shape(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "image.npy", np.zeros((1, 3, 8, 8), np.float32))
    assert main(["run", str(directory), "--input", f"data_0={tmp_path / 'image.npy'}"]) == 2
    assert "holds float32[1, 3, 8, 8], input 'data_0' is float32[1, 3, 64, 64]" in capsys.readouterr().err
    assert main(["run", str(directory), "--input", f"date_0={tmp_path / 'image.npy'}"]) == 2
    assert "unknown input 'date_0'; did you mean data_0?" in capsys.readouterr().err


def test_simulate_as_json_has_the_promised_keys(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(directory), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) >= {"model", "target", "sparsity", "array_cycles", "total_cycles", "segments", "host"}
    assert (answer["model"], answer["target"], answer["sparsity"]) == (NETWORK, "mesh-2x2", 0.5)
    assert 0 < answer["array_cycles"] < answer["total_cycles"]
    assert all(set(segment) >= {"name", "kind", "cycles"} for segment in answer["segments"])
    assert all(set(segment) == {"node", "op", "reason"} for segment in answer["host"])


def test_simulate_prints_a_table_and_two_totals(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(directory)]) == 0
    text = capsys.readouterr().out
    array, total = text.splitlines()[-2:]
    assert array.startswith("array ")
    assert total.startswith("total ")
    assert "conv" in text


def test_options_that_compile_are_refused_for_a_compiled_network(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(directory), "--target", "npu1", "--sparsity", "0.5"]) == 2
    assert "is compiled already, so --target, --sparsity cannot apply" in capsys.readouterr().err


def test_the_manifest_counts_what_the_controller_does(directory: Path) -> None:
    """The simulator's instructions, and before them one for each channel that issues tokens."""
    compilation = Compilation.load(directory)
    counted = json.loads((directory / "manifest.json").read_text())["controller"]
    setup = controller_counts(compilation.modules["aie"])[SETUP]
    assert counted["instructions"] == compilation.simulate().controller_instructions + setup.instructions
    assert counted["words"] > 4 * counted["instructions"]


def test_what_is_compiled_twice_is_the_same(directory: Path) -> None:
    again = compile_model(NETWORK, target="mesh-2x2", sparsity=0.5)
    assert again.request == Compilation.load(directory).request
    for level, module in again.modules.items():
        assert module.is_structurally_equivalent(Compilation.load(directory).modules[level]), level


def test_what_the_opt_tool_makes_of_a_saved_level_is_the_next_level(directory: Path, tmp_path: Path) -> None:
    """With the values of its new constants beside it, the printed module is the one of the pipeline and can be run."""
    passed = str(tmp_path / "mem.mlir")
    passes = "bsr-fold-pixels,bsr-permute-channels,convert-bsr-to-mem{target=mesh-2x2}"
    saved = str(tmp_path / "weights.npz")
    assert opt([str(directory / "bsr.mlir"), "-p", passes, "-o", passed, "--save-weights", saved]) == 0
    module = Parser(full_context(), Path(passed).read_text(), passed).parse_module()
    compiled = Compilation.load(directory)
    assert module.is_structurally_equivalent(compiled.modules["mem"])
    found = execute("mem", module, compiled.inputs(0), 0).outputs
    expected = compiled.run(level="bsr").outputs
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
