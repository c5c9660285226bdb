"""Pictures along the array's cycles: what the cores do in each segment, and each core by itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb

from compiler.hardware.routes import FIRST_CORE_ROW
from compiler.report.ddr import draw_ddr
from compiler.report.flows import state_shares
from compiler.report.layers import LayerRow
from compiler.report.measured import Measured
from compiler.report.picture import (
    INK,
    STATE_COLORS,
    STATE_LEGEND,
    STATE_WORDS,
    WAY_LEGEND,
    Axes,
    Canvas,
    Picture,
    cycles_axis,
)
from compiler.report.words import short_text
from compiler.simulate.activity import State

INTERVALS = 1600
"""Columns of pixels across a timeline."""
ROW_PIXELS = 20
"""Pixels of one core's row; the last is left white, to part it from the next."""
ROW_INCHES = ((8, 0.3), (32, 0.17), (64, 0.085))
"""Height of a core's row in arrays of up to so many cores."""
FEW_CORES, MANY_CORES = 8, 32
LABEL_SHARE = 0.022
"""Of the width: a narrower segment gets no name."""


def segment_timeline(measured: Measured) -> Picture:
    """Every segment as wide as it is long, split by what the cores did."""
    canvas = Canvas(2.9)
    (axes,) = canvas.axes()
    starts = np.array(measured.bounds[:-1], float)
    widths = np.diff(np.array(measured.bounds, float))
    bottom = np.zeros(len(widths))
    for state in State:
        totals = np.array([getattr(row.time.times, state.name.lower()) for row in measured.layers], float)
        shares = 100 * totals / np.maximum([row.time.times.total for row in measured.layers], 1)
        axes.bar(
            starts, shares, widths, bottom, align="edge", color=STATE_COLORS[state], edgecolor="white", linewidth=0.3
        )
        bottom += shares
    axes.set_ylim(0, 100)
    axes.set_ylabel("core time (%)")
    cycles_axis(axes, measured.bounds[0], measured.bounds[-1])
    _name_segments(axes, measured, measured.bounds[0], measured.bounds[-1], 102)
    canvas.legend(STATE_LEGEND)
    longest = max(measured.layers, key=lambda row: row.time.cycles)
    share = 100 * longest.time.cycles / max(1, measured.simulation.array_cycles)
    return canvas.picture(
        "segments",
        "Where the time goes, segment by segment",
        f"A segment is as wide as it is long; its colours split the time of all cores together, so the area of a "
        f"colour is time. Look for what is wide and not blue. The longest is {longest.name} ({longest.operation}) "
        f"with {share:.0f} % of all cycles; its cores mostly {_doing(longest.time.bound)}.",
    )


def core_timeline(measured: Measured) -> Picture:
    """Every core over the whole run."""
    canvas = Canvas(1.1 + _row_inches(measured) * measured.cores)
    (axes,) = canvas.axes()
    begin, end = measured.bounds[0], measured.bounds[-1]
    _core_rows(axes, measured, begin, end)
    _name_segments(axes, measured, begin, end, -0.25)
    cycles_axis(axes, begin, end)
    canvas.legend(STATE_LEGEND)
    shares = {place: _compute_share(measured, place) for place in measured.cores_by_place}
    most, least = max(shares.values()), min(shares.values())
    return canvas.picture(
        "cores",
        "What each core does",
        f"One row per core (column, row). Each pixel column stands for "
        f"{(end - begin) / INTERVALS:,.0f} cycles and is filled from below by the share of each state. Rows that "
        f"change colour together wait for something they share; a row unlike the others has more or less to do. Over "
        f"the whole run the busiest core computes {most:.0f} % of the time, the least busy one {least:.0f} %.",
    )


def zoomed_timeline(measured: Measured) -> Picture:
    """Cores and the ways to DDR around the segment that loses most."""
    rows = measured.layers
    worst = max(range(len(rows)), key=lambda index: _lost(rows[index]))
    low, high = max(0, worst - 1), min(len(rows), worst + 2)
    begin, end = measured.bounds[low], measured.bounds[high]
    places = len(measured.cores_by_place)
    canvas = Canvas(2.5 + _row_inches(measured) * places)
    upper, lower = canvas.axes(2, (_row_inches(measured) * places, 1.0))
    _core_rows(upper, measured, begin, end)
    _name_segments(upper, measured, begin, end, -0.25)
    for bound in measured.bounds[low + 1 : high]:
        for axes in (upper, lower):
            axes.axvline(bound, color=INK, linewidth=0.6, linestyle=(0, (2, 2)))
    draw_ddr(lower, measured, begin, end)
    cycles_axis(lower, begin, end)
    canvas.legend((*STATE_LEGEND, *((color, f"DDR: {words}") for color, words in WAY_LEGEND)), 4)
    names = ", ".join(row.name for row in rows[low:high])
    return canvas.picture(
        "zoom",
        f"Closer: {rows[worst].name}, which loses most, and its neighbours",
        f"In {rows[worst].name} cores spend more cycles not computing than in any other segment. Above, the rows of "
        f"the last picture for {names}; below, what passes between DDR and the MemTiles in the same cycles. Cores that "
        f"wait for weights while the red area is at the dashed limit wait for the streams that bring them; where it is "
        f"low, weights wait for room in the MemTiles, which a slower core may still need. Red before a segment begins "
        f"is prefetch. One pixel column is {(end - begin) / INTERVALS:,.0f} cycles.",
    )


def _row_inches(measured: Measured) -> float:
    return next(inches for cores, inches in ROW_INCHES if measured.cores <= cores)


def _lost(row: LayerRow) -> int:
    """Core cycles in which nothing was computed."""
    return row.time.times.total - row.time.times.compute


def _doing(bound: str) -> str:
    return STATE_WORDS[State[bound.upper()]].replace("nothing to do", "have nothing to do")


def _compute_share(measured: Measured, place: tuple[int, int]) -> float:
    edges = np.array([measured.bounds[0], max(measured.bounds[-1], measured.bounds[0] + 1)], float)
    return 100 * float(state_shares(measured.cores_by_place[place], edges)[State.COMPUTE, 0])


def _core_rows(axes: Axes, measured: Measured, begin: float, end: float) -> None:
    """One band of pixels per core, in every column of pixels the shares of the states one above the other."""
    cores = measured.cores_by_place
    edges = np.linspace(begin, max(end, begin + 1), INTERVALS + 1)
    image = np.concatenate([_band(state_shares(time, edges)) for time in cores.values()])
    axes.imshow(
        image, extent=(begin, max(end, begin + 1), len(cores), 0), aspect="auto", interpolation="none", origin="upper"
    )
    named = [
        (index + 0.5, f"({column}, {row - FIRST_CORE_ROW})")
        for index, (column, row) in enumerate(cores)
        if len(cores) <= MANY_CORES or row == FIRST_CORE_ROW
    ]
    axes.set_yticks([place for place, _ in named], [name for _, name in named], fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("core (column, row)" if len(cores) > FEW_CORES else "core")
    axes.spines["left"].set_visible(False)


def _band(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Colours [pixel row][interval][3] of one core; the first state is at the bottom."""
    colors = np.array([to_rgb(STATE_COLORS[state]) for state in State])
    heights = 1 - (np.arange(ROW_PIXELS - 1) + 0.5) / (ROW_PIXELS - 1)
    below = np.cumsum(shares, axis=0)[:-1]
    states = (heights[:, None, None] > below[None]).sum(axis=1)
    return np.concatenate([colors[states], np.ones((1, shares.shape[1], 3))])


def _name_segments(axes: Axes, measured: Measured, begin: float, end: float, height: float) -> None:
    """Names above the segments that are wide enough to carry one."""
    for row, first, last in zip(measured.layers, measured.bounds, measured.bounds[1:], strict=False):
        low, high = max(first, begin), min(last, end)
        if high - low >= LABEL_SHARE * (end - begin):
            name = short_text(row.name)
            turned = high - low < 0.006 * len(name) * (end - begin) + 0.008 * (end - begin)
            axes.text(
                (low + high) / 2,
                height,
                name,
                ha="center",
                va="bottom",
                rotation=90 if turned else 0,
                fontsize=7,
                color=INK,
            )
