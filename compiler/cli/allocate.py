"""`blockloom allocate`: place the buffers of a CSV file in a memory."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any

from compiler.allocation import Method, allocate, lower_bound, require_valid
from compiler.allocation.table import read_table, table_text
from compiler.errors import CapacityError, InputError

DOES_NOT_FIT = 1
UNLIMITED_NODES = sys.maxsize


def add_allocate(commands: Any) -> None:
    """Add the command to the subparsers of `blockloom`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "allocate",
        help="place buffers with sizes and lifetimes in a memory: CSV in, CSV with offsets out",
        description="Read id,lower,upper,size (the public form of MiniMalloc; a buffer is live in lower <= step < "
        "upper) and write the same with offsets, so that buffers live at the same time do not overlap. Exit code 1 "
        "if they do not fit, with what is too much and where.",
    )
    parser.add_argument("input", type=Path, metavar="IN.csv", help="the buffers")
    parser.add_argument("output", type=Path, metavar="OUT.csv", help="the same with a column `offset`")
    parser.add_argument("--capacity", type=int, required=True, metavar="BYTES", help="the size of the memory")
    parser.add_argument(
        "--time-limit", type=float, default=60.0, metavar="SECONDS", help="end a search after this long (default: 60)"
    )
    parser.add_argument(
        "--method",
        choices=[method.value for method in Method],
        default=Method.AUTO.value,
        help="greedy orders, exact search, OR-Tools (an extra), or auto: greedy orders and then search (default: auto)",
    )


def run_allocate(options: argparse.Namespace) -> int:
    """The command; returns the exit code."""
    if options.capacity < 0:
        raise InputError(f"--capacity is a number of bytes, at least 0; {options.capacity} was given")
    if not options.time_limit > 0 or math.isinf(options.time_limit):
        raise InputError(f"--time-limit is a number of seconds above 0; {options.time_limit:g} was given")
    table = read_table(options.input, options.capacity)
    began = time.monotonic()
    try:
        solution = allocate(
            table.problem,
            method=Method(options.method),
            nodes=UNLIMITED_NODES,
            seconds=options.time_limit,
        )
    except CapacityError as error:
        print(f"blockloom: {error}", file=sys.stderr)
        return DOES_NOT_FIT
    require_valid(table.problem, solution)
    options.output.write_text(table_text(table, solution), encoding="utf-8")
    print(
        f"{options.output}: {len(table.problem.buffers)} buffers in {solution.height} of {options.capacity} bytes "
        f"(at least {lower_bound(table.problem).live_bytes} are needed), {time.monotonic() - began:.1f} s"
    )
    return 0
