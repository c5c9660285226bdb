"""`blockloom explore`: networks × chips × sparsities, measured beside each other."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from compiler.errors import InputError
from compiler.explore.point import Point, Row
from compiler.explore.run import Scheduler, explore
from compiler.hardware.chip import chip_named

FOUND_ERRORS = 1
RESULTS = "results.csv"


def add_explore(commands: Any) -> None:
    """Add the command to the subparsers of `blockloom`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "explore",
        help="measure networks on many chips at many sparsities: a table and pictures",
        description=f"Write DIR/{RESULTS} with one row per network, target and sparsity, and a picture per network. "
        "Rows are written as they are found; a second run measures only what is missing or had an error. Exit code 1 "
        "if a row has an error.",
    )
    parser.add_argument("--models", required=True, metavar="A,B", help="zoo:NAME[@SIZE] or .onnx files")
    parser.add_argument("--targets", required=True, metavar="T1,T2", help="arrays, like mesh-2x2,npu1,mesh-8x8")
    parser.add_argument("--sparsity", default="0", metavar="R1,R2", help="shares of zero blocks (default: 0)")
    parser.add_argument("-o", "--output", type=Path, default=Path("out"), metavar="DIR", help="default: out")
    parser.add_argument(
        "--estimate", action="store_true", help="cycles from the plan only: much faster, without array code and DDR"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per processor)")
    parser.add_argument(
        "--scheduler",
        choices=[scheduler.value for scheduler in Scheduler],
        default=Scheduler.PROCESSES.value,
        help="processes of this machine, or dask (an extra) (default: processes)",
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="of a running Dask scheduler (default: start one here)")


def run_explore(options: argparse.Namespace) -> int:
    """The command; returns the exit code."""
    from compiler.explore.pictures import write_pictures

    jobs = os.cpu_count() or 1 if options.jobs is None else options.jobs
    if jobs < 1:
        raise InputError(f"--jobs is a number of processes, at least 1; {jobs} was given")
    if options.address is not None and options.scheduler != Scheduler.DASK.value:
        raise InputError("--address is that of a Dask scheduler; give --scheduler dask with it")
    points = _points(options)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / RESULTS
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(points))

        def done(row: Row, known: bool) -> None:
            note = "known" if known else "failed" if row.error else f"{row.seconds:g} s"
            progress.update(task, advance=1, description=f"{row.model} {row.target} {row.sparsity:g}: {note}")

        rows = explore(
            points, path, jobs=jobs, scheduler=Scheduler(options.scheduler), address=options.address, done=done
        )
    _print_rows(rows)
    for picture in write_pictures(rows, options.output):
        print(picture)
    print(path)
    return FOUND_ERRORS if any(row.error for row in rows) else 0


def _points(options: argparse.Namespace) -> list[Point]:
    sparsities: list[float] = []
    for text in _listed(options.sparsity, "--sparsity"):
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise InputError(f"--sparsity is a list of shares between 0 and 1, like 0,0.5; '{text}' was given")
        sparsities.append(share)
    targets = [chip_named(name).name for name in _listed(options.targets, "--targets")]
    points = [
        Point(model, target, sparsity, not options.estimate)
        for model in _listed(options.models, "--models")
        for target in targets
        for sparsity in sparsities
    ]
    return list(dict.fromkeys(points))


def _listed(text: str, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InputError(f"{option} is a list with commas; it is empty")
    return parts


def _print_rows(rows: list[Row]) -> None:
    table = Table(box=None)
    headings = ("model", "target", "sparsity", "array cycles", "estimate", "ideal", "DDR bytes", "host", "published ms")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index < 2 else "right")
    for row in rows:
        ddr = None if row.ddr_read_bytes is None else row.ddr_read_bytes + (row.ddr_written_bytes or 0)
        counts = (row.simulated_array_cycles, row.estimated_array_cycles, row.ideal_mac_cycles, ddr, row.host_segments)
        cells = [f"{count:,}" if count is not None else "" for count in counts]
        published = "" if row.published_ms is None else f"{row.published_ms:.3f}"
        table.add_row(row.model, row.target, f"{row.sparsity:g}", *cells, published)
    Console(width=140).print(table)
    for row in rows:
        if row.error:
            print(f"{row.model} {row.target} {row.sparsity:g}: {row.error}")
