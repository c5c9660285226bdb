"""The same network with other zero blocks: what the zeros save, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.errors import InputError
from compiler.report.layers import LayerRow
from compiler.report.measured import Measured
from compiler.report.picture import FAINT, INK, STATE_COLORS, STATE_LEGEND, Canvas, Picture, seen, text
from compiler.simulate.activity import State

LABELLED = 10


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
    """Layers with weights that both have. Raises InputError if they are not the same network on the same chip."""
    if here.chip.name != there.chip.name:
        raise InputError(f"a comparison needs one chip; here {here.chip.name}, there {there.chip.name}")
    others = {row.name: row for row in there.layers if row.blocks[0]}
    found = [Pair(row, others[row.name]) for row in here.layers if row.blocks[0] and row.name in others]
    alike = [pair for pair in found if pair.here.blocks[1] == pair.there.blocks[1]]
    if not alike or len(alike) < len(found):
        raise InputError(f"'{here.model}' and '{there.model}' are different networks: their layers differ in shape")
    return alike


def sparsity_picture(here: Measured, there: Measured) -> Picture:
    """Cycles saved against blocks saved."""
    canvas = Canvas(4.2)
    axes = seen(canvas.axes()[0])
    found = pairs(here, there)
    longest = max(pair.there.time.cycles for pair in found)
    limit = 100 * max(1.1, *(1.08 * value for pair in found for value in (pair.kept, pair.cycles)))
    axes.axline((0, 0), slope=1, color=INK, linewidth=1)
    axes.axhline(100, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
    for pair in found:
        axes.scatter(
            [100 * pair.kept],
            [100 * pair.cycles],
            s=12 + 220 * pair.there.time.cycles / longest,
            color=STATE_COLORS[State[pair.here.time.bound.upper()]],
            edgecolor="white",
            linewidth=0.7,
            alpha=0.85,
        )
    for pair in sorted(found, key=lambda pair: -abs(pair.cycles - pair.kept) * pair.there.time.cycles)[:LABELLED]:
        axes.annotate(
            pair.here.name,
            (100 * pair.kept, 100 * pair.cycles),
            (6, 5),
            textcoords="offset points",
            fontsize=7,
            color=INK,
        )
    axes.set_xlim(0, limit)
    axes.set_ylim(0, limit)
    text(axes, limit * 0.985, limit * 0.955, "time falls with the blocks", ha="right", va="bottom", rotation=0)
    axes.set_xlabel("non-zero blocks, % of the other compilation")
    axes.set_ylabel("cycles, % of the other compilation")
    canvas.legend(STATE_LEGEND)
    faster = there.simulation.array_cycles / max(1, here.simulation.array_cycles)
    fewer = 100 * sum(pair.here.blocks[0] for pair in found) / sum(pair.there.blocks[0] for pair in found)
    return canvas.picture(
        "sparsity",
        f"Sparsity {here.sparsity:g} against {there.sparsity:g}",
        f"One point per layer, as large as its time in the other compilation. On the line, time falls as the blocks "
        f"do; above it a layer keeps waiting for something that zeros do not shorten; at 100 % it gained nothing. "
        f"{fewer:.0f} % of the blocks remain, and the array is {faster:.2f} times as fast: "
        f"{here.simulation.array_cycles:,} instead of {there.simulation.array_cycles:,} cycles.",
    )
