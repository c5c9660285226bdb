"""
Two ways to load input pixels, chosen by how far apart they lie.

Neighbours are one load for four pixels, every second pixel two loads and a shuffle. What differs is where the loads of
a group lie and how they become one operand, so a loop over them is written once. The distances are sums made before
that loop: in it, a load adds one of them to the address by its own addressing mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import I32, VectorType
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import W8, Assembler
from compiler.kernels.row_steps import GROUP

PIXEL_WORDS = 2
"""Eight channels of one pixel."""

_SECOND_PIXELS = [0, 1, 4, 5, 8, 9, 12, 13]


@dataclass(frozen=True)
class PixelLoads:
    """The loads of some groups of four pixels."""

    body: Assembler
    kind: VectorType[I32]
    distances: Sequence[Sequence[SSAValue]]
    """For each group, where its loads lie, counted from the address that is given for it."""
    joined: Callable[[Sequence[SSAValue]], SSAValue]
    """What was loaded as one operand of eight words."""

    def group(self, number: int, address: SSAValue) -> SSAValue:
        """Load a group whose distances count from `address`."""
        body = self.body
        return self.joined([body.load(body.add(address, far), self.kind) for far in self.distances[number]])


Loads = Callable[[Assembler, SSAValue, int], PixelLoads]
"""Prepare the loads of several groups, from the distance of the first pixel on."""


def _constant_steps(body: Assembler, start: SSAValue, step: int, count: int) -> list[SSAValue]:
    return [body.add(start, body.index(step * number)) for number in range(count)]


def neighbours(body: Assembler, start: SSAValue, groups: int) -> PixelLoads:
    """One load per group."""
    distances = _constant_steps(body, start, GROUP * PIXEL_WORDS, groups)
    return PixelLoads(body, W8, [[far] for far in distances], lambda loaded: loaded[0])


def every_second(body: Assembler, start: SSAValue, groups: int) -> PixelLoads:
    """Two loads per group, which bring a pixel that is left out with each that is wanted."""
    halves = _constant_steps(body, start, GROUP * PIXEL_WORDS, 2 * groups)
    pairs = [halves[2 * group : 2 * group + 2] for group in range(groups)]
    return PixelLoads(body, W8, pairs, lambda both: body.shuffle(both[0], both[1], _SECOND_PIXELS, W8))
