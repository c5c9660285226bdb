"""
Two things all tests share: hypothesis profiles, and `.mlir` files that are tests.

`HYPOTHESIS_PROFILE=quick|default|deep` chooses how many examples a property draws. All but `deep` repeat exactly, which
takes a new seed each time and says which, so that `--hypothesis-seed` repeats it. What went wrong before runs first.

A file `tests/**/*.mlir` holds lines as lit knows them:

    // RUN: blockloom-opt %s -p bsr-fuse-clamp --split-input-file | filecheck %s

Each becomes a test that runs the tools of the pipe in this process, which costs milliseconds where lit starts two
interpreters. `not` before a tool expects it to fail and passes on what it said on standard error.
"""

from __future__ import annotations

import gc
import io
import os
import re
import secrets
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import parse_argv_options
from filecheck.parser import Parser
from hypothesis import HealthCheck, settings
from xdsl.xdsl_opt_main import xDSLOptMain

from compiler.cli.boundary import run_tool
from compiler.cli.opt import main as blockloom_opt

settings.register_profile("quick", max_examples=3, deadline=None, derandomize=True)
settings.register_profile("default", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

PAST_FAILURES = "test_minimal_networks.py"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Few collections, since IR stays alive; the seed of a deep run is chosen here, so that it can be told."""
    gc.set_threshold(100_000, 50, 100)
    if settings.get_current_profile_name() == "deep" and config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = secrets.randbelow(2**32)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What repeats this run, also where nothing failed."""
    seed = config.getoption("hypothesis_seed")
    if seed is not None:
        terminalreporter.write_line(f"properties drew from --hypothesis-seed={seed}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The corpus of past failures is quick, and the likeliest to fail again."""
    items.sort(key=lambda item: item.path.name != PAST_FAILURES)


RUN_LINE = re.compile(r"^\s*//\s*RUN:\s*(?P<command>.*?)\s*(?P<continued>\\?)$", re.MULTILINE)


class MlirFailure(Exception):
    """A RUN line that did not hold; the message is what its tools printed."""


def run_lines(text: str) -> Iterator[str]:
    """The commands of a file; a line that ends in a backslash continues in the next RUN line."""
    pending = ""
    for match in RUN_LINE.finditer(text):
        pending = f"{pending} {match['command']}".strip()
        if not match["continued"]:
            yield pending
            pending = ""


def run_command(command: str, path: Path) -> None:
    """Run one RUN line on the file `path`."""
    words = shlex.split(command.replace("%s", str(path)).replace("%S", str(path.parent)))
    piped = ""
    while words:
        end = words.index("|") if "|" in words else len(words)
        piped = _run_tool(words[:end], piped, command)
        words = words[end + 1 :]


def _run_tool(words: list[str], given: str, command: str) -> str:
    expect_failure = words[0] == "not"
    tool, *arguments = words[1:] if expect_failure else words
    output, complaints = io.StringIO(), io.StringIO()
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
    try:
        with redirect_stdout(output), redirect_stderr(complaints):
            code = _code_of(tool, arguments, given)
    finally:
        sys.stdin = before
    if (code != 0) != expect_failure:
        raise MlirFailure(
            f"{command}\n'{tool}' ended with {code}\n{complaints.getvalue()}\n{given or output.getvalue()}"
        )
    return complaints.getvalue() if expect_failure else output.getvalue()


def _code_of(tool: str, arguments: list[str], given: str) -> int:
    match tool:
        case "blockloom-opt":
            return blockloom_opt(arguments)
        case "xdsl-opt":
            return run_tool("xdsl-opt", lambda: _stock_opt(arguments), user_writes_ir=True)
        case "filecheck":
            options = parse_argv_options(["filecheck", *arguments])
            return Matcher(options, FInput("<piped>", given), Parser.from_opts(options)).run()
        case _:
            raise MlirFailure(f"RUN lines know blockloom-opt, xdsl-opt and filecheck, not '{tool}'")


def _stock_opt(arguments: list[str]) -> int:
    xDSLOptMain(args=arguments).run()
    return 0


class MlirFile(pytest.File):
    """A `.mlir` file; its items are its RUN lines."""

    def collect(self) -> Iterator[pytest.Item]:
        for number, command in enumerate(run_lines(self.path.read_text(encoding="utf-8")), start=1):
            yield MlirItem.from_parent(self, name=f"RUN{number}", command=command)


class MlirItem(pytest.Item):
    """One RUN line."""

    def __init__(self, *, command: str, **rest: object) -> None:
        super().__init__(**rest)
        self.command = command

    def runtest(self) -> None:
        run_command(self.command, self.path)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> object:
        if isinstance(excinfo.value, MlirFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}: {self.command}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> MlirFile | None:
    """A `.mlir` file without a RUN line is data of other tests."""
    if file_path.suffix != ".mlir" or not RUN_LINE.search(file_path.read_text(encoding="utf-8")):
        return None
    return MlirFile.from_parent(parent, path=file_path)
