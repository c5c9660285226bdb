"""The parts of the page that are text: headline, tables, lists. Everything that comes from a model is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from html import escape

from compiler.hardware.chip import Chip
from compiler.report.comparison import pairs
from compiler.report.flows import FILL, LOAD, SPILL
from compiler.report.layers import LayerRow
from compiler.report.measured import Measured
from compiler.report.picture import STATE_COLORS, STATE_WORDS
from compiler.report.words import bytes_text, resource_text, share_text
from compiler.simulate.activity import State
from compiler.simulate.result import Simulation, Times

CYCLES = 9
"""Column of the layer table."""
WORST = 6
"""Segments named among those that lose most."""


def headline(measured: Measured) -> str:
    """Five numbers with what they mean."""
    simulation, chip = measured.simulation, measured.chip
    array, total = simulation.milliseconds(simulation.array_cycles), simulation.milliseconds(simulation.total_cycles)
    ddr, (kept, blocks) = measured.ddr, measured.blocks
    entries = (
        (
            "On the array",
            f"{array:.3f} <small>ms</small>",
            f"{simulation.array_cycles:,} cycles at {chip.clock_hz / 1e9:g} GHz; "
            f"{1000 / max(array, 1e-9):,.0f} images/s",
        ),
        (
            "With controller and launches",
            f"{total:.3f} <small>ms</small>",
            f"{simulation.controller_instructions:,} instructions of {chip.controller_cycles} cycles (an upper bound), "
            f"{_launches(simulation)}; {1000 / max(total, 1e-9):,.0f} images/s",
        ),
        (
            "MAC utilisation",
            f"{100 * measured.utilisation:.1f} <small>%</small>",
            f"{measured.macs / 1e6:,.0f} million MACs of non-zero blocks; the {measured.cores} cores could do "
            f"{measured.cores * chip.mac_per_cycle:,} per cycle",
        ),
        (
            "To and from DDR",
            bytes_text(sum(ddr.values())).replace(" ", " <small>") + "</small>",
            f"weights {bytes_text(ddr[LOAD])}, activations and parameters {bytes_text(ddr[FILL])} in, activations "
            f"{bytes_text(ddr[SPILL])} out",
        ),
        (
            "Zero weight blocks",
            f"{100 * (1 - kept / max(1, blocks)):.1f} <small>%</small>",
            f"{blocks - kept:,} of {blocks:,} blocks of 8×8 are never multiplied",
        ),
    )
    items = "".join(
        f'<div><dt>{title}</dt><dd class="number">{number}</dd><dd class="note">{note}</dd></div>'
        for title, number, note in entries
    )
    return f'<dl class="headline">{items}</dl>'


def time_split(measured: Measured) -> str:
    """One bar for the time of all cores, and its legend with percentages."""
    times = measured.times
    entries = "".join(
        f'<li><i style="background:{STATE_COLORS[state]}"></i>{STATE_WORDS[state]} '
        f"{share_text(getattr(times, state.name.lower()), times.total)}</li>"
        for state in State
    )
    return f'{_split(times)}<ul class="key">{entries}</ul>'


def worst_segments(measured: Measured) -> str:
    """The segments in which most core time is lost, in words and numbers."""
    rows = sorted(measured.layers, key=lambda row: row.time.times.compute - row.time.times.total)[:WORST]
    whole = measured.times.total
    body = [
        [
            _name(row.name),
            escape(row.operation),
            _number(share_text(row.time.times.total - row.time.times.compute, whole)),
            _number(share_text(row.time.cycles, measured.simulation.array_cycles)),
            _reason(row),
        ]
        for row in rows
    ]
    head = ("segment", "", "#core time lost", "#of all cycles", "its cores")
    return table(head, body)


def _reason(row: LayerRow) -> str:
    """What the two largest parts of a segment's core time are."""
    times = row.time.times
    parts = sorted(State, key=lambda state: -getattr(times, state.name.lower()))[:2]
    return ", ".join(
        f"{STATE_WORDS[state]} {share_text(getattr(times, state.name.lower()), times.total)}" for state in parts
    )


def controller_table(measured: Measured) -> str:
    """The whole time for several durations of a controller instruction."""
    simulation, chip = measured.simulation, measured.chip
    rows = [
        [
            _number(f"{1e6 * total.instruction_cycles / chip.clock_hz:g} µs"),
            _number(f"{total.total_cycles:,}"),
            _number(f"{simulation.milliseconds(total.total_cycles):.3f} ms"),
            _number(f"{1000 / simulation.milliseconds(max(1, total.total_cycles)):,.0f}"),
        ]
        for total in simulation.controller_totals
    ]
    exposed = sum(segment.exposed_cycles for segment in simulation.segments)
    words = (
        f"<p>{simulation.controller_instructions:,} instructions; at the chip’s {chip.controller_cycles} cycles each, "
        f"{exposed:,} cycles are exposed, and {_launches(simulation)} come on top, {chip.launch_cycles:,} cycles for "
        f"each launch{f', {chip.reconfiguration_cycles:,} for each change' if simulation.reconfigurations else ''}.</p>"
    )
    return table(("#per instruction", "#total cycles", "#time", "#images/s"), rows) + words


def layer_table(measured: Measured, other: Measured | None) -> str:
    """One row per segment; with a second compilation also its cycles."""
    whole = measured.simulation.array_cycles
    peak = measured.cores * measured.chip.mac_per_cycle
    others = {} if other is None else {pair.here.name: pair.there.time.cycles for pair in pairs(measured, other)}
    head = ["segment", "kind", "input → output", "#zero blocks", "#cores", "#slices", "#chunks", "#bands", "#DDR"]
    head += ["#cycles", "#share", "#of peak", "cores’ time", "bound by", "#blocks", "#compute"]
    if other is not None:
        head.insert(CYCLES + 1, f"#at {other.sparsity:g}")
    body: list[list[str]] = []
    for row in measured.layers:
        place, weights = row.placement, row.blocks[1] > 0
        cells = [
            _name(row.name),
            _short(row.operation),
            f"<td class='quiet short'>{row.input} → {row.output}</td>",
            _number(f"{100 * row.zero_share:.0f} %" if row.zero_share is not None else "–"),
            _number(str(place.cores)),
            _number(str(place.slices) if weights else "–"),
            _number(f"{place.chunks[0]}×{place.chunks[1]}"),
            _number(str(place.bands)),
            _number(bytes_text(row.ddr_bytes)),
            _number(f"{row.time.cycles:,}"),
            _number(share_text(row.time.cycles, whole)),
            _number(f"{100 * row.macs_per_cycle / peak:.1f} %" if weights else "–"),
            f"<td>{_split(row.time.times)}</td>",
            _short(resource_text(row.time.binding.resource, measured.chip)),
            _number(f"{row.block_imbalance:.2f}" if row.block_imbalance is not None else "–"),
            _number(f"{row.compute_imbalance:.2f}"),
        ]
        if other is not None:
            cells.insert(CYCLES + 1, _number(f"{others[row.name]:,}" if row.name in others else "–"))
        body.append(cells)
    return f'<div class="wide">{table(head, body)}</div>'


def host_table(measured: Measured) -> str:
    """What does not run on the array, and why."""
    if not measured.host:
        return "<p>Everything runs on the array.</p>"
    body = [[_name(part.node), escape(part.op), escape(part.reason)] for part in measured.host]
    return table(("node", "operators", "why not on the array"), body)


def program_table(measured: Measured) -> str:
    """What is in the program memory of the cores, configuration by configuration."""
    limit = measured.chip.program_memory_bytes
    rows = [
        [
            _name(each.device),
            ", ".join(kernel.replace("_", " ") for kernel in each.kernels),
            _number(f"{each.kernel_bytes:,} of {limit:,}"),
            ", ".join(each.sequences),
        ]
        for each in measured.configurations
    ]
    return table(("program", "kernels", "#bytes of kernels", "runs"), rows)


def chip_numbers(chip: Chip) -> str:
    """The numbers of the chip that the simulation used."""
    entries = "".join(
        f"<div><span>{field.name.replace('_', ' ')}</span><span>{getattr(chip, field.name):,}</span></div>"
        for field in fields(chip)
        if field.type == "int"
    )
    return f'<div class="columns">{entries}</div>'


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table; a heading that begins with # stands above numbers, a cell that is no <td> becomes one."""
    heads = "".join(
        f'<th class="number">{escape(text[1:])}</th>' if text.startswith("#") else f"<th>{escape(text)}</th>"
        for text in head
    )
    rows = "".join(
        "<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row) + "</tr>"
        for row in body
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _name(text: str) -> str:
    return f'<td class="name">{escape(text)}</td>'


def _short(text: str) -> str:
    return f'<td class="short">{escape(text)}</td>'


def _number(text: str) -> str:
    return f'<td class="number">{text}</td>'


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _launches(simulation: Simulation) -> str:
    changes = simulation.reconfigurations
    words = _count(simulation.launches, "launch", "launches")
    return f"{words} and {_count(changes, 'change', 'changes')} of the cores’ program" if changes else words


def _split(times: Times) -> str:
    """Core time as a bar of colours."""
    parts = "".join(
        f'<span style="width:{100 * getattr(times, state.name.lower()) / max(1, times.total):.2f}%;'
        f'background:{STATE_COLORS[state]}"></span>'
        for state in State
    )
    words = ", ".join(
        f"{STATE_WORDS[state]} {share_text(getattr(times, state.name.lower()), times.total)}" for state in State
    )
    return f'<div class="split" role="img" aria-label="{words}" title="{words}">{parts}</div>'
