"""The report in a few lines, for the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from compiler.report.measured import Measured
from compiler.report.picture import STATE_WORDS
from compiler.report.words import bytes_text, resource_text, share_text
from compiler.simulate.activity import State

LONGEST = 5
WIDTH = 110
"""Columns of text where standard output is no terminal that says how many it has."""


def print_summary(measured: Measured, files: tuple[Path, ...]) -> None:
    """The headline, the longest segments, and where the files are."""
    simulation = measured.simulation
    console = Console(file=sys.stdout)
    console = console if console.is_terminal else Console(file=sys.stdout, width=WIDTH)
    times = measured.times
    facts = Table.grid(padding=(0, 3))
    for name, value in (
        ("array", f"{simulation.milliseconds(simulation.array_cycles):.3f} ms, {simulation.array_cycles:,} cycles"),
        ("total", f"{simulation.milliseconds(simulation.total_cycles):.3f} ms with controller and launches"),
        ("MAC utilisation", f"{100 * measured.utilisation:.1f} %"),
        ("DDR", bytes_text(sum(measured.ddr.values()))),
        (
            "cores",
            ", ".join(
                f"{STATE_WORDS[state]} {share_text(getattr(times, state.name.lower()), times.total)}" for state in State
            ),
        ),
    ):
        facts.add_row(name, value)
    table = Table(title="longest segments", title_justify="left")
    for name in ("segment", "kind", "cycles", "share", "bound by"):
        table.add_column(name, justify="right" if name in ("cycles", "share") else "left")
    for row in sorted(measured.layers, key=lambda row: -row.time.cycles)[:LONGEST]:
        bound = resource_text(row.time.binding.resource, measured.chip)
        share = share_text(row.time.cycles, simulation.array_cycles)
        table.add_row(row.name, row.operation, f"{row.time.cycles:,}", share, bound)
    console.print(f"{measured.model} on {measured.chip.name}, sparsity {measured.sparsity:g}", markup=False)
    console.print(facts)
    console.print(table)
    for file in files:
        print(file)
