"""The report as one HTML page: no script, nothing loaded from outside, readable on paper."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib.metadata import version
from importlib.resources import files

from compiler.report.array_map import array_map
from compiler.report.comparison import sparsity_picture
from compiler.report.ddr import ddr_timeline
from compiler.report.measured import Measured
from compiler.report.memory_map import memory_map
from compiler.report.picture import Picture
from compiler.report.roofline import roofline
from compiler.report.tables import (
    chip_numbers,
    controller_table,
    headline,
    host_table,
    layer_table,
    program_table,
    time_split,
    worst_segments,
)
from compiler.report.timelines import core_timeline, segment_timeline, zoomed_timeline

Section = tuple[str, str, str]
"""Identifier, heading, content."""


def page(measured: Measured, other: Measured | None = None) -> str:
    """The page; with a second compilation of the network, also what its other zero blocks change."""
    sections = list(_sections(measured, other))
    chip = measured.chip
    title = f"{measured.model} on {chip.name}"
    subtitle = (
        f"{chip.columns} × {chip.core_rows} cores, sparsity {measured.sparsity:g}, int8, calibrated on "
        f"{measured.calibrated_on}"
    )
    links = "".join(f'<a href="#{name}">{escape(heading)}</a>' for name, heading, _ in sections)
    body = "".join(
        f'<section id="{name}"><h2>{escape(heading)}</h2>{content}</section>' for name, heading, content in sections
    )
    style = files("compiler.report").joinpath("report.css").read_text(encoding="utf-8")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>\n{style}</style></head><body>'
        f'<header><h1>{escape(title)}</h1><p class="subtitle">{escape(subtitle)}</p>{headline(measured)}</header>'
        f"<nav>{links}</nav><main>{body}</main>"
        f"<footer>Blockloom {version('blockloom')}. Cycles come from an event simulation of the generated programs and "
        f"DMA descriptors, not from a device.</footer></body></html>\n"
    )


def _sections(measured: Measured, other: Measured | None) -> Iterable[Section]:
    yield (
        "time",
        "Where the time goes",
        "<p>The time of all cores together, from the first to the last activity of the array:</p>"
        + time_split(measured)
        + "<p>Most core time is lost in these segments:</p>"
        + worst_segments(measured)
        + _figures(segment_timeline(measured), core_timeline(measured), zoomed_timeline(measured))
        + "<h3>What the controller adds</h3><p>The pictures show the array as if its controller took no time. How long "
        "an instruction takes is not published, so the whole is given for several answers; between layers the array "
        "waits for the controller, which is the time exposed.</p>" + controller_table(measured),
    )
    yield "memory", "Memory and DDR", _figures(memory_map(measured), ddr_timeline(measured))
    yield "roofline", "Work against traffic", _figures(roofline(measured))
    if other is None:
        yield "sparsity", "Dense against sparse", _no_comparison(measured)
    else:
        yield "sparsity", "Dense against sparse", _figures(sparsity_picture(measured, other))
    yield (
        "array",
        "The array",
        _figures(array_map(measured))
        + "<h3>Programs of the cores</h3><p>Kernels of which the program memory of a core has room for all are one "
        "program. Where they are too many for it, the array is loaded with one after the other.</p>"
        + program_table(measured),
    )
    yield (
        "layers",
        "Layers",
        "<p>Shapes are channels × height × width. <em>Slices</em> are groups of output channels that different cores "
        "compute at the same time, <em>chunks</em> groups of output × input channels that a core takes one after the "
        "other, <em>bands</em> groups of rows that the MemTiles hold one after the other. <em>DDR</em> is what a "
        "segment brings from there and back, with its own weights, which come ahead of it. <em>Of peak</em> compares "
        "MACs of non-zero blocks with what all cores could do in the segment’s cycles. <em>Bound by</em> is the "
        "resource that was busy longest (what brings weights only where cores mostly wait for it), or what agents "
        "waited at for each other. <em>Blocks</em> and <em>compute</em> say how much more the busiest core has than "
        "the average of all, in non-zero blocks times rows and in cycles of computing: 1 is even.</p>"
        + layer_table(measured, other),
    )
    yield "host", "On the host", "<p>Time on the host is in none of the numbers.</p>" + host_table(measured)
    yield (
        "basis",
        "What the numbers rest on",
        "<p>The simulation used these numbers of the chip. Cycles and bytes are counted from the generated program; "
        "where a constant is published, measured or assumed is said in <code>compiler/hardware/chip.py</code>.</p>"
        + chip_numbers(measured.chip),
    )


def _no_comparison(measured: Measured) -> str:
    return (
        f"<p>{_zero_words(measured)} This report holds one compilation. <code>blockloom report MODEL --against "
        f"{0.5 if not measured.sparsity else 0:g}</code> compiles the network a second time, with that sparsity, and "
        f"shows here how much of the zero blocks’ share each layer gains; <code>--against DIR</code> compares with an "
        f"earlier compilation.</p>"
    )


def _zero_words(measured: Measured) -> str:
    kept, blocks = measured.blocks
    if kept == blocks:
        return "No weight block is zero here."
    return f"{blocks - kept:,} of {blocks:,} weight blocks are zero and cost neither time nor bytes."


def _figures(*pictures: Picture) -> str:
    return "".join(
        f'<figure id="figure-{picture.name}"><h3>{escape(picture.title)}</h3>{picture.svg}'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for picture in pictures
    )
