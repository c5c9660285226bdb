"""Results for people to read, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from compiler.api import Compilation
    from compiler.simulate import Simulation

LARGEST_SHOWN = 5


def print_outputs(outputs: Mapping[str, npt.NDArray[Any]]) -> None:
    """One line per output with its range, and where its largest values are."""
    for name, array in outputs.items():
        flat = array.reshape(-1)
        print(f"{name}: {array.dtype}{list(array.shape)}, from {flat.min():g} to {flat.max():g}")
        order = np.argsort(-flat.astype(np.float64), kind="stable")[:LARGEST_SHOWN]
        print("  largest: " + ", ".join(f"[{index}] {flat[index]:g}" for index in order))


def print_segments(compilation: Compilation, simulation: Simulation) -> None:
    """Cycles of every segment with its share, and the two totals."""
    table = Table(
        "segment", "kind", "cycles", "share", title=f"{compilation.request.model}, {compilation.request.target}"
    )
    for column in table.columns[2:]:
        column.justify = "right"
    whole = max(1, simulation.array_cycles)
    for segment in simulation.segments:
        table.add_row(segment.name, segment.kind, f"{segment.cycles:,}", f"{100 * segment.cycles / whole:.1f} %")
    table.add_section()
    table.add_row("array", "first to last activity", f"{simulation.array_cycles:,}", "")
    table.add_row("total", "with controller, launch, reconfiguration", f"{simulation.total_cycles:,}", "")
    Console(file=sys.stdout).print(table)
