"""How a command ends when it is interrupted, when nobody reads on, and what a message is made of."""

from __future__ import annotations

import os

import pytest

from compiler.cli.boundary import run_tool
from compiler.errors import InputError


def test_an_interrupt_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def tool() -> int:
        raise KeyboardInterrupt

    assert run_tool("tool", tool) == 130
    assert capsys.readouterr().err == "tool: interrupted\n"


def test_a_reader_that_has_gone_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(os, "dup2", lambda source, target: closed.append(target))

    def tool() -> int:
        raise BrokenPipeError

    assert run_tool("tool", tool) == 0
    assert closed == [1]
    assert capsys.readouterr().err == ""


def test_notes_follow_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    def tool() -> int:
        error = InputError("a model was expected")
        error.add_note("to see it again: …")
        raise error

    assert run_tool("tool", tool) == 2
    assert capsys.readouterr().err == "tool: a model was expected\nto see it again: …\n"
