"""
The report: what a compiled network costs and why, as a page, as a trace, and as a few lines for the terminal.

    measured = measure("zoo:squeezenet", 0.5, "inputs drawn from seed 0", modules)
    write_report(measured, Path("report.html"))          and report.trace.json beside it

`measured` collects, `timelines`, `memory_map`, `ddr`, `roofline`, `comparison` and `array_map` draw one kind of picture
each, `page` puts them together. A picture comes with a caption that says what to see, made from its numbers.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from compiler.errors import InputError
from compiler.report.measured import Measured, measure
from compiler.report.page import page
from compiler.report.summary import print_summary
from compiler.simulate.trace import chrome_trace

__all__ = ["Measured", "measure", "print_summary", "require_page_name", "trace_path", "write_report"]

PAGE_SUFFIXES = (".html", ".htm")


def trace_path(path: Path) -> Path:
    """Where the trace of the report at `path` lies."""
    return path.with_suffix(".trace.json")


def require_page_name(path: Path) -> None:
    """Raise InputError unless `path` can be the name of a page."""
    if path.suffix not in PAGE_SUFFIXES or path.is_dir():
        raise InputError(f"a report is an HTML page with a name like report.html; '{path}' was given")


def write_report(measured: Measured, path: Path, other: Measured | None = None) -> None:
    """Write the page and the trace beside it. `other` is the same network with other zero blocks."""
    require_page_name(path)
    text = page(measured, other)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, text)
    _write(trace_path(path), json.dumps(chrome_trace(measured.simulation), ensure_ascii=False, separators=(",", ":")))


def _write(path: Path, text: str) -> None:
    """To a sibling that then takes the name, so that a file of this name is always a whole one."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as stream:
        stream.write(text)
    mask = os.umask(0)
    os.umask(mask)
    Path(stream.name).chmod(0o666 & ~mask)
    Path(stream.name).replace(path)
