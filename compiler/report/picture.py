"""
Pictures of the report: one palette, one type size, and SVG that a page can hold.

A figure of matplotlib becomes an inline SVG: text stays text, names of its parts are unique in the page, nothing in it
points outside, and it says to those who cannot see it what it shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any, cast

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatter

from compiler.simulate.activity import State

Axes = Any
"""Axes of matplotlib, whose methods take keywords of unknown types: what is drawn on them is not checked."""
_style = cast("Any", matplotlib).rc_context
WIDTH_INCHES = 10.0
INK, FAINT, PAPER = "#22282f", "#8b929b", "#ffffff"

STATE_COLORS = {
    State.COMPUTE: "#1f5f8b",
    State.INPUT: "#e8a33d",
    State.WEIGHTS: "#c4472f",
    State.OUTPUT: "#7d5ba6",
    State.IDLE: "#dfe2e6",
}
STATE_WORDS = {
    State.COMPUTE: "compute",
    State.INPUT: "wait for input",
    State.WEIGHTS: "wait for weights",
    State.OUTPUT: "wait for output space",
    State.IDLE: "nothing to do",
}
STATE_LEGEND = tuple((STATE_COLORS[state], STATE_WORDS[state]) for state in State)
WAY_COLORS = {"fill": "#e8a33d", "load": "#c4472f", "spill": "#7d5ba6"}
WAY_WORDS = {"fill": "activations and parameters in", "load": "weights in", "spill": "activations out"}
WAY_LEGEND = tuple((WAY_COLORS[way], WAY_WORDS[way]) for way in WAY_COLORS)

_STYLE: dict[str, Any] = {
    "font.size": 8.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "blockloom",
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Picture:
    """An SVG with what it is called and what to see in it."""

    name: str
    title: str
    caption: str
    svg: str


class Canvas:
    """A figure in the report's style; the axes come from `axes`, the picture from `picture`."""

    def __init__(self, height_inches: float):
        with _style(_STYLE):
            self.figure: Any = Figure((WIDTH_INCHES, height_inches), layout="constrained")

    def axes(self, rows: int = 1, heights: tuple[float, ...] | None = None) -> list[Axes]:
        """Axes one above the other, with a common horizontal axis."""
        with _style(_STYLE):
            grid: Any = self.figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights)
        return list(grid[:, 0])

    def legend(self, entries: Iterable[tuple[str, str]], columns: int = 5) -> None:
        """Colours with what they mean, below the axes."""
        with _style(_STYLE):
            patches = [Patch(color=color, label=label) for color, label in entries]
            self.figure.legend(
                handles=patches, loc="outside lower left", ncols=columns, handlelength=1, handleheight=1, borderpad=0
            )

    def picture(self, name: str, title: str, caption: str) -> Picture:
        """Draw it."""
        stream = StringIO()
        with _style(_STYLE):
            self.figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Type": None})
        return Picture(name, title, caption, inline(stream.getvalue(), name, title))


def inline(svg: str, name: str, title: str) -> str:
    """An SVG document as part of a page."""
    body = svg[svg.index("<svg") :]
    head, body = body.split(">", 1)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]*)"', head)
    assert box is not None, "matplotlib writes a viewBox"
    for before in ('id="', 'href="#', "url(#"):
        body = body.replace(before, f"{before}{name}-")
    text = escape(title)
    return f'<svg viewBox="{box[1]}" role="img" aria-label="{text}"><title>{text}</title>{body}'


def cycles_axis(axes: Axes, begin: float, end: float) -> None:
    """A horizontal axis of cycles, in a unit that keeps its numbers short."""
    unit, name = (1e6, "million ") if end - begin >= 2e6 else (1e3, "thousand ") if end - begin >= 2e3 else (1, "")
    axes.set_xlim(begin, end)
    label_numbers(axes.xaxis, unit)
    axes.set_xlabel(f"{name}cycles of the array clock")


def label_numbers(axis: Any, unit: float = 1) -> None:
    """Write plain numbers at the ticks of an axis, also of a logarithmic one."""

    def label(value: float, _: object) -> str:
        return f"{value / unit:,g}"

    axis.set_major_formatter(label)
    if axis.get_scale() == "log":
        axis.set_minor_formatter(_FewNumbers(label))


class _FewNumbers(LogFormatter):
    """Labels between the powers of ten, where an axis is so short that matplotlib would write them."""

    def __init__(self, label: Callable[[float, object], str]):
        super().__init__(minor_thresholds=(2, 0.5))
        self.label = label

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.label(x, pos) if super().__call__(x, pos) else ""


def seen(axes: Axes) -> Axes:
    """The axes with a faint grid behind what is drawn."""
    axes.grid(color="#eceef0", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def text(axes: Axes, x: float, y: float, words: str, **options: Any) -> None:
    """A small label at a point of the axes."""
    axes.text(x, y, words, **{"fontsize": 7, "color": INK, **options})
