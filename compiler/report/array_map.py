"""A drawing of the array: what every core did, and how many bytes went along every kind of flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from math import sqrt

from compiler.hardware.routes import FIRST_CORE_ROW, MEMTILE_ROW, SHIM_FILL, SHIM_LOAD, SHIM_ROW, channels, listeners
from compiler.report.flows import Place, Port, port_bytes
from compiler.report.measured import Measured
from compiler.report.picture import INK, STATE_COLORS, WAY_COLORS, Picture
from compiler.report.words import bytes_text
from compiler.simulate.activity import State
from compiler.simulate.result import Times

INPUT_COLOR, WEIGHTS_COLOR, OUTPUT_COLOR = WAY_COLORS["fill"], WAY_COLORS["load"], WAY_COLORS["spill"]
WIDTH = 1000.0
CELL_HEIGHT, ROW_PITCH = 46.0, 72.0
MARGIN_TOP = 22.0

Ports = dict[Port, int]
"""Bytes through each channel."""


def array_map(measured: Measured) -> Picture:
    """Cores, MemTiles and shims as they lie, with their flows."""
    drawing = _Drawing.of(measured)
    body = "".join(drawing.parts())
    title = "The array and its flows"
    svg = (
        f'<svg viewBox="0 0 {WIDTH:g} {drawing.height:g}" role="img" aria-label="{title}"><title>{title}</title>'
        f"{body}</svg>"
    )
    return Picture(
        "array",
        title,
        f"Cores above, the MemTile and the shim of each column below. The bar in a core splits its time, with the "
        f"share that it computes; a row or a column of cores that differ have different work. Lines are streams, "
        f"thicker where more bytes pass ({bytes_text(drawing.largest)} at most): inputs (amber) go up from a column's "
        f"own MemTile, weights (red) from one MemTile along a row of cores, outputs (violet) down. Numbers in MemTiles "
        f"(red: weights) and shims are bytes over the whole run of {measured.simulation.array_cycles:,} cycles.",
        svg,
    )


@dataclass(frozen=True)
class _Drawing:
    """Positions, and what there is to draw."""

    measured: Measured
    ports: Ports
    largest: int

    @classmethod
    def of(cls, measured: Measured) -> _Drawing:
        """With the bytes of every port."""
        ports = port_bytes(measured.simulation.links)
        return cls(measured, ports, max(ports.values(), default=1))

    @property
    def rows(self) -> int:
        return self.measured.chip.core_rows

    @property
    def pitch(self) -> float:
        return min(WIDTH / self.measured.chip.columns, 250.0)

    @property
    def cell_width(self) -> float:
        return self.pitch - 56

    @property
    def height(self) -> float:
        return self.y(SHIM_ROW) + CELL_HEIGHT + 6

    def x(self, column: int) -> float:
        """Left edge of a column's cells."""
        return 34 + column * self.pitch

    def y(self, row: int) -> float:
        """Upper edge of a row's cells; the last core row is on top."""
        return MARGIN_TOP + (self.rows + 1 - row) * ROW_PITCH

    def stroke(self, place: Place, sends: bool, channel: int) -> float:
        """Width of a line, so that its thickness grows with the bytes; 0 if none pass."""
        count = self.ports.get(Port(place, sends, channel), 0)
        return 0.9 + 5 * sqrt(count / self.largest) if count else 0.0

    def parts(self) -> Iterator[str]:
        """All elements, lines below cells."""
        for column in range(self.measured.chip.columns):
            yield from self.weights(column)
        for column in range(self.measured.chip.columns):
            yield from self.column_lines(column)
        results = {(core.column, core.row): core.times for core in self.measured.simulation.cores}
        for (column, row), times in results.items():
            yield from self.core(column, row, times)
        for column in range(self.measured.chip.columns):
            yield from self.memtile(column)
            yield from self.shim(column)

    def weights(self, column: int) -> Iterator[str]:
        """One MemTile's broadcast: up beside its column, along the rows that hear it, into each core."""
        width = self.stroke((column, MEMTILE_ROW), True, channels(self.measured.chip).broadcast)
        riser = self.x(column) - 20
        heard = listeners(self.measured.chip, column)
        for row in sorted({row for _, row in heard}):
            height = self.y(FIRST_CORE_ROW + row) - 9
            reach = [self.x(to) + 16 for to, at in heard if at == row]
            yield _line(riser, self.y(MEMTILE_ROW) + 8, riser, height, width, WEIGHTS_COLOR)
            yield _line(min(riser, *reach), height, max(riser, *reach), height, width, WEIGHTS_COLOR)
            for end in reach:
                yield _line(end, height, end, height + 9, width, WEIGHTS_COLOR)
            yield _line(riser, self.y(MEMTILE_ROW) + 8, self.x(column), self.y(MEMTILE_ROW) + 8, width, WEIGHTS_COLOR)

    def column_lines(self, column: int) -> Iterator[str]:
        """Inputs up and outputs down on both sides of a column, and the three ways to DDR."""
        left, right = self.x(column), self.x(column) + self.cell_width
        memtile, shared = self.y(MEMTILE_ROW), channels(self.measured.chip)
        for row in reversed(range(self.rows)):
            height = self.y(FIRST_CORE_ROW + row) + CELL_HEIGHT / 2
            up = self.stroke((column, MEMTILE_ROW), True, row)
            down = self.stroke((column, MEMTILE_ROW), False, row)
            yield _path([(left, memtile + 24), (left - 9, memtile + 24), (left - 9, height), (left, height)], up, "in")
            yield _path(
                [(right, height), (right + 9, height), (right + 9, memtile + 24), (right, memtile + 24)], down, "out"
            )
        for place, width, color in (
            (0.2, self.stroke((column, SHIM_ROW), True, SHIM_FILL), INPUT_COLOR),
            (0.5, self.stroke((column, SHIM_ROW), True, SHIM_LOAD), WEIGHTS_COLOR),
            (0.8, self.stroke((column, MEMTILE_ROW), True, shared.spill), OUTPUT_COLOR),
        ):
            at = left + place * self.cell_width
            yield _line(at, memtile + CELL_HEIGHT, at, self.y(SHIM_ROW), width, color)

    def core(self, column: int, row: int, times: Times) -> Iterator[str]:
        """A cell with the split of its time."""
        x, y, width = self.x(column), self.y(row), self.cell_width
        yield _box(x, y, width, "#f4f6f8")
        share = 100 * times.compute / max(1, times.total)
        yield _text(x + 8, y + 17, f"{share:.0f} %" + (" compute" if width > 120 else ""))
        yield _text(x + width - 8, y + 17, f"({column}, {row - FIRST_CORE_ROW})", "end", "#6b7480")
        at = x + 8
        for state in State:
            part = (width - 16) * getattr(times, state.name.lower()) / max(1, times.total)
            yield f'<rect x="{at:.1f}" y="{y + 26:.1f}" width="{part:.1f}" height="11" fill="{STATE_COLORS[state]}"/>'
            at += part

    def memtile(self, column: int) -> Iterator[str]:
        """A cell with the bytes that go up and come down."""
        place = (column, MEMTILE_ROW)
        broadcast = channels(self.measured.chip).broadcast
        up = sum(self.ports.get(Port(place, True, row), 0) for row in range(self.rows))
        down = sum(self.ports.get(Port(place, False, row), 0) for row in range(self.rows))
        weights = self.ports.get(Port(place, True, broadcast), 0)
        yield from self.cell(
            column, MEMTILE_ROW, "#e3edf4", f"MemTile {column}", f"{bytes_text(up)} up, {bytes_text(down)} down"
        )
        yield _text(
            self.x(column) + self.cell_width - 8, self.y(MEMTILE_ROW) + 17, bytes_text(weights), "end", WEIGHTS_COLOR
        )

    def shim(self, column: int) -> Iterator[str]:
        """A cell with the bytes from and to DDR."""
        place = (column, SHIM_ROW)
        into = sum(self.ports.get(Port(place, True, channel), 0) for channel in (SHIM_FILL, SHIM_LOAD))
        out = sum(count for port, count in self.ports.items() if port.place == place and not port.sends)
        yield from self.cell(
            column, SHIM_ROW, "#eceff2", f"DDR, shim {column}", f"{bytes_text(into)} in, {bytes_text(out)} out"
        )

    def cell(self, column: int, row: int, color: str, title: str, words: str) -> Iterator[str]:
        """A box of two lines."""
        x, y = self.x(column), self.y(row)
        yield _box(x, y, self.cell_width, color)
        yield _text(x + 8, y + 17, title)
        if self.cell_width > 90:
            yield _text(x + 8, y + 34, words, color="#4d5661")


def _box(x: float, y: float, width: float, color: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{CELL_HEIGHT:g}" rx="3" fill="{color}" '
        f'stroke="#c3c9d0" stroke-width="0.8"/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", color: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="11.5" text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, width: float, color: str) -> str:
    if not width:
        return ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width:.1f}" '
        f'stroke-linecap="round"/>'
    )


def _path(points: list[tuple[float, float]], width: float, way: str) -> str:
    if not width:
        return ""
    color = INPUT_COLOR if way == "in" else OUTPUT_COLOR
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{steps}" fill="none" stroke="{color}" stroke-width="{width:.1f}" stroke-linejoin="round"/>'
    )
