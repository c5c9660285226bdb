"""
How far long work is: a bar on standard error, only while somebody watches and no program reads the answer.

    with progress("simulate", quiet=options.json) as tell:
        compilation.simulate(progress=tell)

A thread draws the bar a few times per second, so that telling costs nothing; it is gone when the work is done. Until
something is told the bar only shows that work goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

Tell = Callable[[float], None]
"""Called with the share of the work that is done, from 0 to 1."""

TIMES_PER_SECOND = 4


@contextmanager
def progress(what: str, *, quiet: bool) -> Generator[Tell]:
    """A bar while the block runs."""
    if quiet or not sys.stderr.isatty():
        yield lambda share: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bars = Progress(
        *columns,
        console=Console(file=sys.stderr),
        refresh_per_second=TIMES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bars:
        task = bars.add_task(what, total=None)
        yield lambda share: bars.update(task, total=1.0, completed=share)
