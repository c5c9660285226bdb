"""The same network with other zero blocks: what the zeros save, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.errors import InputError
from compiler.report.layers import LayerRow
from compiler.report.measured import Measured
from compiler.report.picture import FAINT, INK, STATE_COLORS, STATE_LEGEND, Canvas, Picture, cycles_axis, seen, text
from compiler.report.words import short_text
from compiler.simulate.activity import State

LABEL_SHARE = 0.03
"""Of the width: a narrower layer gets no name."""


@dataclass(frozen=True)
class Pair:
    """One layer in both networks."""

    here: LayerRow
    there: LayerRow

    @property
    def kept(self) -> float:
        """Non-zero blocks here over those there."""
        return self.here.blocks[0] / self.there.blocks[0]

    @property
    def cycles(self) -> float:
        """Cycles here over those there."""
        return self.here.time.cycles / max(1, self.there.time.cycles)


def pairs(here: Measured, there: Measured) -> list[Pair]:
    """
    Segments with weights that both have; a layer that runs in a chain in one of them alone is in none. Raises
    InputError if they are not the same network on the same chip.
    """
    if here.chip.name != there.chip.name:
        raise InputError(f"a comparison needs one chip; here {here.chip.name}, there {there.chip.name}")
    others = {row.name: row for row in there.layers if row.blocks[0]}
    found = [Pair(row, others[row.name]) for row in here.layers if row.blocks[0] and row.name in others]
    alike = [pair for pair in found if pair.here.blocks[1] == pair.there.blocks[1]]
    if not alike or len(alike) < len(found):
        raise InputError(f"'{here.model}' and '{there.model}' are different networks: their layers differ in shape")
    return alike


def sparsity_picture(one: Measured, other: Measured) -> Picture:
    """Cycles kept in the sparser one against blocks kept, each layer as wide as its time in the denser one."""
    canvas = Canvas(3.4)
    axes = seen(canvas.axes()[0])
    here, there = sorted((one, other), key=lambda measured: sum(row.blocks[0] for row in measured.layers))
    found = pairs(here, there)
    start, whole = 0, sum(pair.there.time.cycles for pair in found)
    for pair in found:
        width, height = pair.there.time.cycles, 100 * pair.cycles
        color = STATE_COLORS[State[pair.here.time.bound.upper()]]
        axes.bar(start, height, width, align="edge", color=color, edgecolor="white", linewidth=0.3)
        axes.plot([start, start + width], [100 * pair.kept] * 2, color=INK, linewidth=1.6, solid_capstyle="butt")
        if width > LABEL_SHARE * whole:
            text(axes, start + width / 2, height + 2, short_text(pair.here.name), ha="center", va="bottom")
        start += width
    axes.axhline(100, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(0, 112 * max(1.0, *(max(pair.kept, pair.cycles) for pair in found)))
    axes.set_ylabel(f"% of sparsity {there.sparsity:g}")
    cycles_axis(axes, 0, whole)
    axes.set_xlabel(f"{axes.get_xlabel()}, layers with weights at sparsity {there.sparsity:g}")
    canvas.legend((*STATE_LEGEND, (INK, "line: blocks that remain")), 6)
    faster = there.simulation.array_cycles / max(1, here.simulation.array_cycles)
    fewer = 100 * sum(pair.here.blocks[0] for pair in found) / sum(pair.there.blocks[0] for pair in found)
    return canvas.picture(
        "sparsity",
        f"Sparsity {here.sparsity:g} against {there.sparsity:g}",
        f"Each layer is as wide as its time at sparsity {there.sparsity:g}, its bar as high as the part of that time "
        f"which it takes at {here.sparsity:g}, the black line at the part of its non-zero blocks that remain. A bar "
        f"down to the line saves all that its zeros allow; the gap above the line is time that zeros do not shorten, "
        f"and its colour what the cores mostly do in it. {fewer:.0f} % of the blocks remain, and the array is "
        f"{faster:.2f} times as fast: {here.simulation.array_cycles:,} instead of "
        f"{there.simulation.array_cycles:,} cycles.",
    )
