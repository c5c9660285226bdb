"""One SVG per network: cycles over the number of cores, for each sparsity, beside what would be ideal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import matplotlib
from matplotlib.figure import Figure

from compiler.explore.point import Row
from compiler.hardware.chip import chip_named

COLOURS = ("#1f5f8b", "#c4472f", "#e8a33d", "#7d5ba6", "#4a8c5c", "#5b6670")
_style = cast("Any", matplotlib).rc_context
CAPTION = (
    "Cycles of the array clock for one image. Solid: {how}. Dashed: every multiplier busy with blocks that are not "
    "zero. Dotted: time published for such an array by its own cost model, at 1 GHz."
)


def write_pictures(rows: Sequence[Row], directory: Path) -> list[Path]:
    """An SVG for each network with at least one number; the paths written."""
    written: list[Path] = []
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model and _cycles(row) is not None]
        if mine:
            name = "".join(letter if letter.isalnum() else "_" for letter in model.removeprefix("zoo:"))
            written.append(_draw(model, mine, directory / f"{name}.svg"))
    return written


def _cycles(row: Row) -> int | None:
    return row.estimated_array_cycles if row.simulated_array_cycles is None else row.simulated_array_cycles


def _draw(model: str, rows: Sequence[Row], path: Path) -> Path:
    figure: Any = Figure((8, 5), layout="constrained")
    axes = figure.subplots()
    for colour, sparsity in zip(COLOURS * len(rows), sorted({row.sparsity for row in rows}), strict=False):
        line = sorted((row for row in rows if row.sparsity == sparsity), key=lambda row: (_cores(row), row.target))
        places = [_cores(row) for row in line]
        label = f"{100 * sparsity:g} % of the blocks pruned"
        axes.plot(places, [_cycles(row) or 0 for row in line], "o-", color=colour, label=label)
        axes.plot(places, [row.ideal_mac_cycles or 0 for row in line], "--", color=colour, linewidth=0.8)
        known = [(_cores(row), 1e6 * row.published_ms) for row in line if row.published_ms is not None]
        if known:
            axes.plot([cores for cores, _ in known], [cycles for _, cycles in known], "x:", color=colour, linewidth=0.8)
    ticks = sorted({_cores(row) for row in rows})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(ticks, [str(cores) for cores in ticks])
    axes.minorticks_off()
    axes.set_xlabel("cores of the array")
    axes.set_ylabel("cycles of the array clock")
    axes.set_title(model)
    axes.legend(frameon=False)
    estimated = any(row.simulated_array_cycles is None for row in rows)
    how = "estimated from the plan, where not simulated" if estimated else "simulated"
    figure.supxlabel(CAPTION.format(how=how), fontsize=7, wrap=True)
    with _style({"svg.fonttype": "none", "svg.hashsalt": "blockloom"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path


def _cores(row: Row) -> int:
    chip = chip_named(row.target)
    return chip.columns * chip.core_rows
