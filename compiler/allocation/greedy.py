"""
First fit in a fixed order: each buffer takes the lowest aligned gap that its already placed neighbours leave.

    for buffer in order:
        offset = 0
        for neighbour placed earlier that is live together with buffer, lowest first:
            if buffer fits below neighbour: stop
            offset = end of neighbour, aligned
        place buffer at offset

The order decides everything, and no order is best for all problems, so several are tried: large buffers first (they
have the fewest gaps to go to), large area first, long-lived first, most constrained first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from compiler.allocation.bound import sections
from compiler.allocation.problem import Buffer, Problem, Solution

Order: TypeAlias = Callable[[Sequence[Buffer]], list[Buffer]]


def by_size(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Largest first; equals in order of start, so that the result does not depend on the order given."""
    return sorted(buffers, key=lambda buffer: (-buffer.size, buffer.lower, buffer.name))


def by_area(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Largest bytes times steps first."""
    return sorted(buffers, key=lambda buffer: (-buffer.size * (buffer.upper - buffer.lower), buffer.lower, buffer.name))


def by_lifetime(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Longest-lived first: they form the ground on which short ones come and go."""
    return sorted(buffers, key=lambda buffer: (buffer.lower - buffer.upper, -buffer.size, buffer.lower, buffer.name))


def by_start(buffers: Sequence[Buffer]) -> list[Buffer]:
    """In the order of the schedule, as a program without foresight would allocate."""
    return sorted(buffers, key=lambda buffer: (buffer.lower, -buffer.size, buffer.name))


def by_conflicts(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Most bytes live beside it first."""
    pressure = {
        buffer.name: sum(other.size for other in buffers if buffer.meets(other)) + buffer.size for buffer in buffers
    }
    return sorted(buffers, key=lambda buffer: (-pressure[buffer.name], -buffer.size, buffer.lower, buffer.name))


def by_peak_and_area(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Those live when most bytes are live first, where there is least room for a mistake; of these the largest area."""
    peak = _peaks(buffers)
    return sorted(by_area(buffers), key=lambda buffer: -peak[buffer.name])


def by_peak_and_lifetime(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Those live when most bytes are live first; of these the longest-lived."""
    peak = _peaks(buffers)
    return sorted(by_lifetime(buffers), key=lambda buffer: -peak[buffer.name])


def by_changes(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Those that see most others come and go first."""
    seen = dict.fromkeys((buffer.name for buffer in buffers), 0)
    for section in sections(Problem(tuple(buffers), capacity=0)):
        for buffer in section.buffers:
            seen[buffer.name] += 1
    return sorted(by_size(buffers), key=lambda buffer: -seen[buffer.name])


def _peaks(buffers: Sequence[Buffer]) -> dict[str, int]:
    """The most bytes that are live together with each buffer, its own among them."""
    peak = dict.fromkeys((buffer.name for buffer in buffers), 0)
    for section in sections(Problem(tuple(buffers), capacity=0)):
        for buffer in section.buffers:
            peak[buffer.name] = max(peak[buffer.name], section.live_bytes)
    return peak


ORDERS: tuple[Order, ...] = (by_size, by_area, by_lifetime, by_start, by_conflicts)


def first_fit(order: Sequence[Buffer]) -> Solution:
    """Place buffers one after the other as the module says; always succeeds, at whatever height."""
    offsets: dict[str, int] = {}
    placed: list[Buffer] = []
    height = 0
    for buffer in order:
        offset = 0
        neighbours = sorted((offsets[other.name], other.size) for other in placed if buffer.meets(other))
        for start, size in neighbours:
            if offset + buffer.size <= start:
                break
            offset = max(offset, -(-(start + size) // buffer.alignment) * buffer.alignment)
        offsets[buffer.name] = offset
        placed.append(buffer)
        height = max(height, offset + buffer.size)
    return Solution(offsets, height)


def best_of_orders(problem: Problem, enough: int) -> Solution:
    """The lowest solution of all orders; stops trying at the first of height `enough` or less."""
    best: Solution | None = None
    for order in ORDERS:
        solution = first_fit(order(problem.buffers))
        if best is None or solution.height < best.height:
            best = solution
        if best.height <= enough:
            break
    assert best is not None, "there is at least one order"
    return best
