"""Pictures of what passes between DDR and the array."""

from __future__ import annotations

import numpy as np

from compiler.report.flows import FILL, LOAD, SPILL, ddr_rates
from compiler.report.measured import Measured
from compiler.report.picture import FAINT, INK, WAY_COLORS, WAY_LEGEND, Axes, Canvas, Picture, cycles_axis, text

INTERVALS = 400


def ddr_timeline(measured: Measured) -> Picture:
    """Bytes per cycle over the whole run."""
    canvas = Canvas(2.6)
    (axes,) = canvas.axes()
    begin, end = measured.bounds[0], measured.bounds[-1]
    draw_ddr(axes, measured, begin, end)
    limit = ddr_limit(measured)
    _line(axes, end, limit, f"DDR to the array: {limit} B/cycle")
    low = min(0.0, *axes.dataLim.get_points()[:, 1])
    if low < -limit / 4:
        _line(axes, end, -limit, f"array to DDR: {limit} B/cycle")
        low = -limit
    axes.set_ylim(1.22 * min(low, -limit / 10), 1.22 * limit)
    cycles_axis(axes, begin, end)
    canvas.legend(WAY_LEGEND)
    ddr = measured.ddr
    busy = 100 * (ddr[FILL] + ddr[LOAD]) / max(1, limit * (end - begin))
    return canvas.picture(
        "ddr",
        "DDR bandwidth over time",
        f"Bytes per cycle, averaged over {(end - begin) / INTERVALS:,.0f} cycles: into the array above the line, out "
        f"of it below. The dashed limits are for all columns together: what DDR gives, and what the one stream of each "
        f"column that carries weights gives. Look for plateaus at a limit (it decides) and for gaps (weights could "
        f"have come earlier). Over the whole run {busy:.0f} % of the way in is used, "
        f"{100 * ddr[LOAD] / max(1, ddr[FILL] + ddr[LOAD]):.0f} % of that by weights.",
    )


def ddr_limit(measured: Measured) -> int:
    """Bytes per cycle in one direction, over all columns."""
    return measured.chip.columns * measured.chip.ddr_bytes_per_cycle


def load_limit(measured: Measured) -> int:
    """Bytes per cycle of weights, over all columns: one stream each."""
    return measured.chip.columns * measured.chip.stream_bytes_per_cycle


def _line(axes: Axes, end: float, height: float, words: str) -> None:
    axes.axhline(height, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    text(axes, end, height, words, ha="right", va="bottom")


def draw_ddr(axes: Axes, measured: Measured, begin: float, end: float) -> None:
    """Areas of bytes per cycle: in from DDR above zero, out below it."""
    edges = np.linspace(begin, max(end, begin + 1), INTERVALS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    rates = ddr_rates(measured.simulation, edges)
    nothing = np.zeros(INTERVALS)
    areas = (
        (FILL, nothing, rates[FILL]),
        (LOAD, rates[FILL], rates[FILL] + rates[LOAD]),
        (SPILL, nothing, -rates[SPILL]),
    )
    for way, low, high in areas:
        axes.fill_between(middles, low, high, color=WAY_COLORS[way], linewidth=0, step="mid")
    axes.axhline(0, color=FAINT, linewidth=0.6)
    _line(axes, end, load_limit(measured), f"weights, one stream per column: {load_limit(measured)} B/cycle")
    axes.set_ylabel("DDR bytes per cycle")
