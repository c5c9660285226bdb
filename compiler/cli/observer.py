"""What a compilation shows while it runs, all on standard error: levels reached, pass times, IR after passes."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.table import Table
from xdsl.dialects.builtin import ModuleOp
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from compiler.debug import PASS_TIMES, PRINT_CHANGES, VERIFY_EACH, debug_level
from compiler.errors import InputError
from compiler.pipelines import PassRun, Pipeline
from compiler.suggestions import unknown

ALL = "all"


@dataclass
class Observer:
    """The two hooks of a pipeline. `print_after` is a pass name, `all`, or None."""

    print_after: str | None = None
    time_passes: bool = False
    quiet: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    runs: list[PassRun] = field(default_factory=list[PassRun], init=False)
    _last_text: str = field(default="", init=False)
    _started: float = field(default_factory=time.perf_counter, init=False)

    def __post_init__(self) -> None:
        known = (ALL, *Pipeline.default(sparsity=0.5).pass_names)
        if self.print_after is not None and self.print_after not in known:
            raise InputError(unknown("pass after which to print", self.print_after, known))

    def before_pass(self, level: str, name: str) -> None:
        """Say what runs now, when somebody is watching; the line is overwritten by the next one."""
        if not self.quiet and self.stream.isatty():
            elapsed = time.perf_counter() - self._started
            self.stream.write(f"\r\x1b[2K{elapsed:6.1f} s  {level:<4}  {name}")
            self.stream.flush()

    def after_pass(self, run: PassRun) -> None:
        """Record the time, and print, verify or both as asked."""
        level = debug_level()
        self.runs.append(run)
        if level >= PASS_TIMES:
            self.stream.write(f"{run.seconds:8.3f} s  {run.level:<4}  {run.name}\n")
        if level >= VERIFY_EACH:
            self._verify(run)
        if self.print_after in (ALL, run.name):
            self._print(run, _text(run.module))
        elif level >= PRINT_CHANGES:
            text = _text(run.module)
            if text != self._last_text:
                self._print(run, text)
            self._last_text = text

    def finish(self) -> None:
        """Clear the progress line, and print the table of times when it was asked for."""
        if not self.quiet and self.stream.isatty():
            self.stream.write("\r\x1b[2K")
        if self.time_passes:
            self._print_times()

    def _print(self, run: PassRun, text: str) -> None:
        self.stream.write(f"// ----- IR after {run.name} ({run.level}) -----\n{text}\n")

    def _verify(self, run: PassRun) -> None:
        try:
            run.module.verify()
        except VerifyException as error:
            error.add_note(f"the module is wrong after {run.name}")
            raise

    def _print_times(self) -> None:
        table = Table("level", "pass", "seconds", title="Time of each pass")
        table.columns[2].justify = "right"
        for run in self.runs:
            table.add_row(run.level, run.name, f"{run.seconds:.3f}")
        table.add_section()
        table.add_row("", "all passes", f"{sum(run.seconds for run in self.runs):.3f}")
        Console(file=self.stream).print(table)


def _text(module: ModuleOp) -> str:
    stream = StringIO()
    Printer(stream).print_op(module)
    return stream.getvalue()
