"""
The loops over the steps of a row: of each size as long as more is left than the next smaller one covers.

So all steps but the last are the longest, and that one is the shortest that covers the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import Assembler
from compiler.kernels.row_steps import GROUP, STEPS


def step_ends(body: Assembler, sizes: Sequence[int], end: SSAValue) -> list[SSAValue]:
    """Where the steps of each size end in a row that ends at `end`: what is left is covered by the next smaller one."""
    return [*(body.subtract(end, body.index(smaller)) for smaller in sizes[1:]), end]


def step_loops(
    body: Assembler,
    begin: SSAValue,
    sizes: Sequence[int],
    ends: Sequence[SSAValue],
    compute: Callable[[SSAValue, int], None],
) -> None:
    """`compute(pixel, groups)` from `begin` on, for each size until less is left than its `ends`."""
    done = begin
    for size, end in zip(sizes, ends, strict=True):
        with body.loop(done, end, size, carried=[done]) as step:
            compute(step.index, size // GROUP)
            body.yield_(body.add(step.index, body.index(size)))
        done = step.results[0]


SUM_WORDS = 8
"""Partial sums of eight channels of one pixel."""


@dataclass(frozen=True)
class KeptStep:
    """A step whose sums a convolution has kept."""

    size: SSAValue
    """Pixels."""
    first: SSAValue
    """The first of them in the row."""
    sums: SSAValue
    """Where its sums begin: [output block][pixel][8]."""
    words: SSAValue
    """Of the sums of an output block."""


@contextmanager
def kept_steps(body: Assembler, partial: SSAValue, width: SSAValue) -> Generator[KeptStep]:
    """One loop over the steps of a row, whose sums begin at `partial`."""
    longest, *shorter = STEPS
    with body.loop(body.index(0), width, longest) as step:
        left = body.subtract(width, step.index)
        size = body.index(longest)
        for pixels in shorter:
            size = body.select(body.compare(left, "sle", body.index(pixels)), body.index(pixels), size)
        first = body.maximum(body.minimum(step.index, body.subtract(width, size)), body.index(0))
        before = body.multiply(step.index, body.arguments.blocks)
        sums = body.add(partial, body.multiply(before, body.index(SUM_WORDS)))
        yield KeptStep(size, first, sums, body.multiply(size, body.index(SUM_WORDS)))
