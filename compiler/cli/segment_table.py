"""The table of `blockloom simulate` and `estimate`: one line per segment with where its time goes, then the totals."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from compiler.api import Compilation
    from compiler.estimate.result import CoreCycles, Estimate
    from compiler.simulate.result import Simulation, Times

WIDTH = 150
"""Columns of text where standard output is no terminal that says how many it has."""
DOING = ("compute", "input", "weights", "output", "idle")
"""What cores do: they compute, or wait for one of three things, or have nothing to do."""
ESTIMATED = ("segment", "kind", "cycles", "share", *DOING, "bound by", "instructions", "exposed")
SIMULATED = (*ESTIMATED, "barrier")
TEXTS = ("segment", "kind", "bound by")
SPLIT = "compute to idle: what the cores' time went to; input, weights and output are waits for data and for space"
EXPOSED = "exposed: cycles more with the chip's controller"
LEGEND = f"""\
{SPLIT}
bound by: what was busy longest, if for more than half of the segment (what brings weights only where cores mostly wait
          for it), else what agents waited at for each other
{EXPOSED}; barrier: cycles before the first kernel call and after the last"""


def print_simulation(compilation: Compilation, simulation: Simulation) -> None:
    """Every segment with its cycles, what the cores did and what bound it; then the totals and what they mean."""
    rows = [
        [
            *_cycles(segment.name, segment.kind, segment.cycles, simulation.array_cycles, segment.times),
            segment.binding.resource.partition(" to ")[0],
            f"{segment.instructions:,}",
            f"{segment.exposed_cycles:,}",
            f"{segment.barrier_cycles:,}",
        ]
        for segment in simulation.segments
    ]
    _print_table(compilation, SIMULATED, rows)
    print(LEGEND)
    _print_controller(simulation)
    print(
        f"DDR: {simulation.ddr_read_bytes:,} bytes read, {simulation.weights_bytes:,} of them weights and parameters, "
        f"which run ahead; {simulation.ddr_written_bytes:,} written"
    )
    print(f"MemTile banks: {simulation.memtile_bank_load:.2f} accesses per cycle wanted of one at most; it serves 1")
    _print_totals(simulation)


def print_estimate(compilation: Compilation, estimate: Estimate) -> None:
    """The same for a closed form: what the cores mostly do is all it knows of what binds a segment."""
    rows = [
        [
            *_cycles(segment.name, segment.kind, segment.cycles, estimate.array_cycles, segment.core_cycles),
            segment.bound,
            f"{segment.instructions:,}",
            f"{segment.exposed_cycles:,}",
        ]
        for segment in estimate.segments
    ]
    _print_table(compilation, ESTIMATED, rows)
    print(f"{SPLIT}\n{EXPOSED}")
    _print_controller(estimate)
    if between := estimate.between_launches:
        average = sum(between) / len(between)
        print(
            f"between launches: {average:.1f} instructions on average, {max(between)} at most, wait for the one before"
        )
    _print_totals(estimate)


def _cycles(name: str, kind: str, cycles: int, whole: int, times: Times | CoreCycles) -> list[str]:
    """What both have in common."""
    shares = (f"{100 * getattr(times, doing) / max(1, times.total):.0f} %" for doing in DOING)
    return [name, kind, f"{cycles:,}", f"{100 * cycles / max(1, whole):.1f} %", *shares]


def _print_table(compilation: Compilation, names: tuple[str, ...], rows: list[list[str]]) -> None:
    table = Table(title=f"{compilation.request.model} on {compilation.request.target}", title_justify="left")
    for name in names:
        table.add_column(name, justify="left" if name in TEXTS else "right", no_wrap=name not in TEXTS)
    for row in rows:
        table.add_row(*row)
    console = Console(file=sys.stdout)
    console = console if console.is_terminal else Console(file=sys.stdout, width=WIDTH)
    console.print(table)


def _print_controller(result: Simulation | Estimate) -> None:
    """How many instructions there are, those that no segment has among them, and the total for what one may take."""
    own, weights = result.controller_instructions - result.weights_instructions, result.weights_instructions
    print(
        f"controller: {result.controller_instructions:,} instructions, {own:,} of the segments and {weights:,} that "
        "feed the weights of all of them"
    )
    totals = ", ".join(
        f"{1e6 * total.instruction_cycles / result.clock_hz:g} us: {total.total_cycles:,} cycles"
        for total in result.controller_totals
    )
    print(f"total by the time of one instruction: {totals}")


def _print_totals(result: Simulation | Estimate) -> None:
    exposed = sum(segment.exposed_cycles for segment in result.segments)
    count = result.reconfigurations
    changes = f", {count} changes of the cores' programs" if count else ""
    meaning = f"with launches{changes} and {exposed:,} cycles of the controller exposed"
    array = "first to last activity, controller instructions taking no time"
    for name, cycles, means in (("array", result.array_cycles, array), ("total", result.total_cycles, meaning)):
        print(f"{name}  {cycles:>12,} cycles  {1000 * cycles / result.clock_hz:8.3f} ms  {means}")
