"""The README is true: its commands run, its Python runs, its IR is what the compiler prints, its folders exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import compiler.debug
from compiler.api import Compilation
from compiler.cli.main import main as blockloom
from compiler.cli.opt import main as blockloom_opt
from compiler.jit.machine import has_jit
from compiler.pipelines import LEVELS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_COMMAND = "pip install -e '.[dev]' && "
TEST_COMMAND = "pytest"


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> Iterator[list[str]]:
    """The shell commands apart from installing and testing, as words without comments."""
    for line in "".join(blocks("bash")).splitlines():
        words = shlex.split(line.removeprefix(FIRST_COMMAND), comments=True)
        if words and words != [TEST_COMMAND]:
            yield words


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of the README have been run, one after the other, as a reader would."""
    place = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for tool, *arguments in commands():
            assert tool in ("blockloom", "blockloom-opt"), f"the README runs '{tool}'"
            if "--on" in arguments and not has_jit():
                continue
            code = blockloom(arguments) if tool == "blockloom" else blockloom_opt(arguments)
            assert code == 0, f"{tool} {' '.join(arguments)}"
    return place


def test_commands_run(directory: Path) -> None:
    assert Compilation.load(directory / "out").levels == LEVELS


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(code: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("block", blocks("mlir"))
def test_ir_is_what_the_compiler_prints(block: str, directory: Path) -> None:
    """Each line stands in the level named by the comment above it; `…` stands for what is left out."""
    level = re.fullmatch(r"// out/(\w+)\.mlir", block.splitlines()[0])
    assert level is not None, "an mlir block begins with the file that it is taken from"
    text = (directory / "out" / f"{level[1]}.mlir").read_text(encoding="utf-8")
    for line in block.splitlines()[1:]:
        pattern = "[^\n]*?".join(re.escape(part) for part in line.strip().split("…"))
        assert re.search(pattern, text), f"{level[1]}.mlir has no line like: {line.strip()}"


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_is_shown(level: str) -> None:
    assert any(block.startswith(f"// out/{level}.mlir") for block in blocks("mlir"))


def test_folders_of_the_map_exist() -> None:
    mapped = README[README.index("| folder |") :].split("\n\n")[0]
    entries = [row.split("|")[1] for row in mapped.splitlines()[2:]]
    for row in entries:
        names = re.findall(r"`([^`]+)`", row)
        parent = (ROOT / names[0]).parent
        for name in names:
            assert (ROOT / name).exists() or (parent / name).exists(), f"the README maps {name}"


def test_debug_ladder_is_the_one_in_the_code() -> None:
    described = compiler.debug.__doc__ or ""
    rungs = re.findall(r"^\| (\d) \|", README, re.MULTILINE)
    assert rungs == re.findall(r"^\| (\d) \|", described, re.MULTILINE)
