"""
A problem in the form that searching wants: sections counted from 0, buffers in the order of preference, sets as bits.

A set of buffers is one Python integer; bit `k` is buffer `k`, and buffer 0 is preferred most, so that the preferred
member of a set is its lowest bit. The questions a search asks thousands of times a second are then two machine words
and an `&` per 64 buffers: which buffers lie between two sections, which meet this one, which are just like it.

A skyline is how far the memory is filled in each section: steps `(first section, height)` from left to right, closed by
a step of endless height. Lists of steps are never changed, only replaced, so that going back is keeping the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from compiler.allocation.problem import Buffer

Skyline: TypeAlias = list[tuple[int, int]]
ENDLESS = 1 << 62
"""The height beyond both ends of a skyline: nothing rises above it."""


@dataclass(frozen=True)
class Tables:
    """Buffers in order of preference and what is asked about them; lists are by buffer unless they say otherwise."""

    buffers: tuple[Buffer, ...]
    first: list[int]
    """The first section in which a buffer is live."""
    last: list[int]
    """The section after the last one."""
    size: list[int]
    alignment: list[int]
    starts_from: list[int]
    """By section: the buffers that start in it or later."""
    ends_by: list[int]
    """By section: the buffers that have ended when it begins."""
    live: list[int]
    """By section: the buffers live in it."""
    crossing: list[int]
    """By section: the buffers live in it and in the one before."""
    meets: list[int]
    """The buffers, the one itself among them, that share a section with it."""
    alike: list[int]
    """The buffers with the same life, size and alignment, itself among them: which of them goes first is no choice."""
    spans: list[int]
    """The sections in which a buffer is live, as bits."""
    live_bytes: list[int]
    """By section: the sizes of all buffers live in it."""

    @property
    def sections(self) -> int:
        """How many there are."""
        return len(self.live)


def tables(order: Sequence[Buffer]) -> Tables:
    """The tables of some buffers, preferred ones first."""
    steps = sorted({step for buffer in order for step in (buffer.lower, buffer.upper)})
    section = {step: index for index, step in enumerate(steps)}
    count = max(0, len(steps) - 1)
    first = [section[buffer.lower] for buffer in order]
    last = [section[buffer.upper] for buffer in order]
    starts_from, ends_by = [0] * (count + 1), [0] * (count + 1)
    live_bytes = [0] * count
    twins: dict[tuple[int, int, int, int], int] = {}
    for index, buffer in enumerate(order):
        bit = 1 << index
        for start in range(first[index] + 1):
            starts_from[start] |= bit
        for end in range(last[index], count + 1):
            ends_by[end] |= bit
        for within in range(first[index], last[index]):
            live_bytes[within] += buffer.size
        twins[_kind(buffer)] = twins.get(_kind(buffer), 0) | bit
    everything = (1 << len(order)) - 1
    live = [everything & ~starts_from[index + 1] & ~ends_by[index] for index in range(count)]
    return Tables(
        buffers=tuple(order),
        first=first,
        last=last,
        size=[buffer.size for buffer in order],
        alignment=[buffer.alignment for buffer in order],
        starts_from=starts_from,
        ends_by=ends_by,
        live=live,
        crossing=[live[index] & live[index - 1] if index else 0 for index in range(count)],
        meets=[everything & ~starts_from[end] & ~ends_by[start] for start, end in zip(first, last, strict=True)],
        alike=[twins[_kind(buffer)] for buffer in order],
        spans=[(1 << end) - (1 << start) for start, end in zip(first, last, strict=True)],
        live_bytes=live_bytes,
    )


def _kind(buffer: Buffer) -> tuple[int, int, int, int]:
    return buffer.lower, buffer.upper, buffer.size, buffer.alignment


def raised(skyline: Skyline, index: int, height: int) -> Skyline:
    """The skyline with step `index` lifted to `height`, joined to neighbours of that height."""
    before, after = skyline[:index], skyline[index + 1 :]
    if after[0][1] == height:
        after = after[1:]
    if before and before[-1][1] == height:
        return before + after
    return [*before, (skyline[index][0], height), *after]


def built(skyline: Skyline, index: int, first: int, last: int, top: int) -> Skyline:
    """The skyline with a block up to `top` in the sections [first, last) of step `index`."""
    start, height = skyline[index]
    before, after = skyline[:index], skyline[index + 1 :]
    if first > start:
        before = [*before, (start, height), (first, top)]
    elif not before or before[-1][1] != top:
        before = [*before, (first, top)]
    if last < after[0][0]:
        return [*before, (last, height), *after]
    return before + (after[1:] if after[0][1] == top else after)


def cut(skyline: Skyline, first: int, last: int) -> Skyline:
    """The skyline over the sections [first, last) only, with endless walls on both sides."""
    inside = [(start, height) for start, height in skyline[:-1] if first < start < last]
    under = next(height for start, height in reversed(skyline[:-1]) if start <= first)
    return [(first, under), *inside, (last, ENDLESS)]
