"""Whatever is wrong with the input: one clear message, exit code 2, no traceback, nothing half-written."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from compiler.cli.main import main


def small_model(operator: str = "Relu", shape: tuple[int | str, ...] = (1, 8, 4, 4)) -> onnx.ModelProto:
    """One node on one input `x`."""
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], name="node")],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says on standard error, having ended with 2 and said nothing else."""
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("blockloom: ")
    assert "Traceback" not in output.err
    return output.err


def test_missing_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "there is no file 'absent.onnx'" in said(capsys, "compile", "absent.onnx", "-o", str(out))
    assert list(tmp_path.iterdir()) == []


def test_not_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    assert "is not an ONNX model" in said(capsys, "check", str(tmp_path / "text.onnx"))
    model = small_model().SerializeToString()
    (tmp_path / "cut.onnx").write_bytes(model[: len(model) // 2])
    assert "not an ONNX model or is damaged" in said(capsys, "check", str(tmp_path / "cut.onnx"))


def test_unknown_operator(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    onnx.save(small_model("Frobnicate"), tmp_path / "m.onnx")
    assert "Frobnicate (1)" in said(capsys, "check", str(tmp_path / "m.onnx"))


def test_dynamic_shape(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    onnx.save(small_model(shape=(1, 8, "height", 4)), tmp_path / "m.onnx")
    message = said(capsys, "check", str(tmp_path / "m.onnx"))
    assert "give it, for example --shape x=1,8,1,4" in message


def test_unknown_network_of_the_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the zoo has no network 'resnet'" in said(capsys, "check", "zoo:resnet")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--target", "npu7"), "unknown target 'npu7'"),
        (("--target", "mesh-9x1"), "mesh-RxC (1x1 to 8x8)"),
        (("--sparsity", "1.5"), "0 <= R < 1; 1.5 was given"),
        (("--until", "ail"), "unknown level 'ail'; did you mean aie? There are: onnx, bsr, mem, aie"),
        (
            ("--print-ir-after", "onnx-quantise"),
            "unknown pass after which to print 'onnx-quantise'; did you mean onnx-qu",
        ),
        (("--shape", "x=1,-3"), "--shape is NAME=1,3,224,224 with positive whole numbers; 'x=1,-3' was given"),
        (("--shape", "1,3"), "--shape is NAME="),
    ],
)
def test_wrong_option(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str) -> None:
    assert expected in said(capsys, "check", "zoo:squeezenet@64", *arguments)


def test_directory_that_is_not_a_result(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "not one that `blockloom compile` wrote" in said(capsys, "check", str(tmp_path))
    (tmp_path / "notes.txt").write_text("mine")
    assert "it is not overwritten" in said(capsys, "compile", "zoo:squeezenet@64", "-o", str(tmp_path))


def test_unknown_command_is_explained_by_the_parser(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["compil", "zoo:squeezenet"])
    assert stopped.value.code == 2
    assert "choose from" in capsys.readouterr().err


@pytest.mark.parametrize("command", [(), ("compile",), ("run",), ("check",), ("simulate",)])
def test_help_is_there(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "MODEL" in capsys.readouterr().out


def test_debug_level_1_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKLOOM_DEBUG", "1")
    assert main(["check", "absent.onnx"]) == 2
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("BLOCKLOOM_DEBUG", "loud")
    assert "BLOCKLOOM_DEBUG is one of 0, 1, 2, 3, 4; it is 'loud'" in said(capsys, "check", "absent.onnx")
