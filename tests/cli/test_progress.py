"""A bar is for people at a terminal: it tells the truth about what is done, and nobody else sees any of it."""

import sys
from io import StringIO
from pathlib import Path

import pytest

from compiler import compile_model
from compiler.cli.main import main
from compiler.cli.progress import progress


class Terminal(StringIO):
    """Standard error that somebody watches."""

    def isatty(self) -> bool:
        return True


def test_a_simulation_tells_growing_shares_of_its_work() -> None:
    shares: list[float] = []
    compile_model("zoo:squeezenet@64", target="mesh-1x1").simulate(progress=shares.append)
    assert len(shares) > 4
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.5 < shares[-1] <= 1


def test_a_terminal_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("simulate", quiet=False) as tell:
        tell(0.5)
    assert "simulate" in terminal.getvalue()


def test_with_json_or_without_a_terminal_nothing_is_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main(["compile", "zoo:squeezenet@64", "--target", "mesh-1x1", "-o", out]) == 0
    capsys.readouterr()
    assert main(["simulate", out]) == 0
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["simulate", out, "--json"]) == 0
    assert terminal.getvalue() == ""
