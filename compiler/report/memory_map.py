"""The picture of the MemTiles: which buffer lies at which address, and when."""

from __future__ import annotations

from matplotlib.patches import Rectangle

from compiler.report.measured import Measured
from compiler.report.occupancy import MAP, RING, Box
from compiler.report.picture import INK, Canvas, Picture, cycles_axis, seen, text
from compiler.report.words import short_text

COLORS = {MAP: "#8fb8d4", RING: "#c4472f"}
WORDS = {MAP: "map (activations)", RING: "ring for weights on their way to the cores"}
KIB = 1024
LABEL_SHARE = (0.025, 0.045)
"""Of width and height: a smaller buffer gets no name."""


def memory_map(measured: Measured) -> Picture:
    """Addresses against cycles; the same in every column."""
    canvas = Canvas(3.6)
    axes = seen(canvas.axes()[0])
    begin, end = measured.bounds[0], measured.bounds[-1]
    capacity = measured.chip.memtile_bytes
    used = max((box.address + box.size for box in measured.boxes), default=0)
    top = capacity if used > capacity // 3 else used * 1.15
    for box in measured.boxes:
        color = COLORS[box.kind]
        place, width, height = (box.first, box.address / KIB), box.last - box.first, box.size / KIB
        axes.add_patch(Rectangle(place, width, height, facecolor=color, edgecolor="white", linewidth=0.5))
        if width > LABEL_SHARE[0] * (end - begin) and box.size > LABEL_SHARE[1] * top:
            ink = "white" if box.kind == RING else INK
            text(
                axes,
                place[0] + width / 2,
                place[1] + height / 2,
                short_text(box.label),
                ha="center",
                va="center",
                color=ink,
            )
    axes.set_ylim(0, top / KIB * (1.06 if top == capacity else 1))
    if top == capacity:
        axes.axhline(capacity / KIB, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        text(axes, end, capacity / KIB, f"capacity: {capacity // KIB} KiB", ha="right", va="bottom")
    axes.set_ylabel("address in each MemTile (KiB)")
    cycles_axis(axes, begin, end)
    canvas.legend((COLORS[kind], WORDS[kind]) for kind in (MAP, RING))
    cycle, bytes_ = fullest(measured.boxes)
    return canvas.picture(
        "memory",
        "MemTile occupancy over time",
        f"A rectangle is a buffer: its height the bytes it takes in each MemTile, its width its life. All MemTiles are "
        f"laid out alike, each holding its own rows of a map, or all rows for a DEEP layer. Rectangles never overlap "
        f"(a sum is written over one of its operands, in its rectangle); white between them is room to keep maps "
        f"longer. The ring keeps its room all the time, since all weights pass through it but those of DEEP "
        f"segments, which have rings of their own; how they run ahead is in the next picture. "
        f"The fullest moment is cycle {cycle:,.0f} with {bytes_ / KIB:.0f} of {capacity // KIB} KiB "
        f"({100 * bytes_ / capacity:.0f} %); the highest address in use is {used / KIB:.0f} KiB. Parameter blocks are "
        f"not drawn. Bands of one segment share its cycles evenly here.",
    )


def fullest(boxes: tuple[Box, ...]) -> tuple[float, int]:
    """The first cycle in which most bytes are live, and how many; a shared address counts once."""
    best = (0.0, 0)
    for cycle in sorted({box.first for box in boxes}):
        live = {(box.address, box.address + box.size) for box in boxes if box.first <= cycle < box.last}
        covered, reach = 0, 0
        for low, high in sorted(live):
            covered += max(0, high - max(low, reach))
            reach = max(reach, high)
        if covered > best[1]:
            best = (cycle, covered)
    return best
