"""Results for people to read, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from compiler.hardware.chip import chip_named

if TYPE_CHECKING:
    from compiler.api import Compilation
    from compiler.estimate.result import Estimate
    from compiler.simulate.result import Simulation

LARGEST_SHOWN = 5
DOING = {
    "compute": "compute",
    "input": "wait for input",
    "weights": "wait for weights",
    "output": "wait for output space",
    "idle": "have nothing to do",
}
"""What the `bound` of a segment says, in words."""


def print_outputs(outputs: Mapping[str, npt.NDArray[Any]]) -> None:
    """One line per output with its range, and where its largest values are."""
    for name, array in outputs.items():
        flat = array.reshape(-1)
        print(f"{name}: {array.dtype}{list(array.shape)}, from {flat.min():g} to {flat.max():g}")
        order = np.argsort(-flat.astype(np.float64), kind="stable")[:LARGEST_SHOWN]
        print("  largest: " + ", ".join(f"[{index}] {flat[index]:g}" for index in order))


def print_segments(compilation: Compilation, simulation: Simulation | Estimate) -> None:
    """Cycles of every segment with its share and what bounds it, then the two totals and what they mean."""
    request = compilation.request
    table = Table("segment", "kind", "cycles", "share", "cores mostly", title=f"{request.model} on {request.target}")
    for column in table.columns[2:4]:
        column.justify = "right"
    whole = max(1, simulation.array_cycles)
    for segment in simulation.segments:
        share = f"{100 * segment.cycles / whole:.1f} %"
        table.add_row(segment.name, segment.kind, f"{segment.cycles:,}", share, DOING[segment.bound])
    Console(file=sys.stdout).print(table)
    clock = chip_named(request.target).clock_hz
    for name, cycles, meaning in (
        ("array", simulation.array_cycles, "first to last activity, controller instructions taking no time"),
        ("total", simulation.total_cycles, f"with {simulation.controller_instructions} instructions, launches too"),
    ):
        print(f"{name}  {cycles:>12,} cycles  {1000 * cycles / clock:8.3f} ms  {meaning}")
