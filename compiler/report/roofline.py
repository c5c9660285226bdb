"""The roofline: what each layer achieves against what the chip allows at its ratio of work to traffic."""

from __future__ import annotations

from matplotlib.lines import Line2D

from compiler.report.ddr import ddr_limit
from compiler.report.layers import LayerRow
from compiler.report.measured import Measured
from compiler.report.picture import FAINT, INK, STATE_COLORS, STATE_LEGEND, Canvas, Picture, label_numbers, seen, text
from compiler.report.words import short_text
from compiler.simulate.activity import State

LABELLED = 12
"""The longest layers get their names, unless they lie within APART of one that has its name."""
APART = (1.35, 1.12)
"""Ratios of MACs per byte, of MACs per cycle."""


def roofline(measured: Measured) -> Picture:
    """One point per layer with multiplications."""
    canvas = Canvas(4.4)
    axes = seen(canvas.axes()[0])
    rows = [row for row in measured.layers if row.time.macs and row.ddr_bytes]
    peak = measured.cores * measured.chip.mac_per_cycle
    limit = ddr_limit(measured)
    intensities = [row.time.macs / row.ddr_bytes for row in rows] or [1.0]
    low, high = min(*intensities, peak / limit, 1e9) / 2, max(*intensities, peak / limit) * 2
    roof = Line2D([low, peak / limit, high], [low * limit, peak, peak], color=INK, linewidth=1.2)
    axes.add_line(roof)
    longest = max((row.time.cycles for row in rows), default=1)
    for row, intensity in zip(rows, intensities, strict=False):
        axes.scatter(
            [intensity],
            [row.macs_per_cycle],
            s=12 + 220 * row.time.cycles / longest,
            color=STATE_COLORS[State[row.time.bound.upper()]],
            edgecolor="white" if row.time.bound != "idle" else FAINT,
            linewidth=0.7,
            alpha=0.9,
        )
    named: list[tuple[float, float]] = []
    for row in sorted(rows, key=lambda row: -row.time.cycles)[:LABELLED]:
        point = (row.time.macs / row.ddr_bytes, row.macs_per_cycle)
        if not any(_near(point, other) for other in named):
            axes.annotate(short_text(row.name), point, (7, 5), textcoords="offset points", fontsize=7, color=INK)
            named.append(point)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        label_numbers(axis)
    axes.set_xlim(low, high)
    bottom = min((row.macs_per_cycle for row in rows), default=1.0) / 2
    axes.set_ylim(bottom, peak * 2)
    text(axes, high / 1.05, peak * 1.06, f"all cores multiply: {peak:,} MACs/cycle", ha="right", va="bottom")
    start = max(low, bottom / limit)
    text(axes, start * 1.1, start * limit * 2.2, f"DDR: {limit} B/cycle", ha="left", va="bottom")
    axes.set_xlabel("MACs per byte between DDR and the array")
    axes.set_ylabel("MACs per cycle")
    canvas.legend(STATE_LEGEND)
    return canvas.picture(
        "roofline",
        "Roofline: one point per layer",
        f"Where a point lies, left to right, says how much a layer computes per byte from or to DDR; how high, what "
        f"it achieves. The line is what the chip allows: the slope is DDR, the flat part all cores at "
        f"{measured.chip.mac_per_cycle} MACs each. Large points take most time; the colour is what their cores mostly "
        f"do. Far below the flat part and blue: the kernel, or cores without a share, costs the time. "
        f"{_closest(rows, peak)} A layer whose weights came during an earlier one may lie above the slope. "
        f"{_left_out(measured)}",
    )


def _near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(max(a / b, b / a) < apart for a, b, apart in zip(one, other, APART, strict=True))


def _closest(rows: list[LayerRow], peak: int) -> str:
    if not rows:
        return ""
    best = max(rows, key=lambda row: row.macs_per_cycle)
    return f"Best is {best.name} with {100 * best.macs_per_cycle / peak:.0f} % of the flat part."


def _left_out(measured: Measured) -> str:
    count = sum(1 for row in measured.layers if not (row.time.macs and row.ddr_bytes))
    return f"{count} segments without weights have no point." if count else ""
