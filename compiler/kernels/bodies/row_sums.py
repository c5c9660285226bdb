"""
Sums of rows, each times a power of two, requantised: an addition or a subtraction, and the skip that a convolution adds
to its result.

A row is one run of words, [block][pixel][8 channels]. A left shift is a product with a multiple of the identity matrix,
64 bytes at a time; the last step may read and write up to 56 bytes beyond the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import W8, Assembler
from compiler.kernels.bodies.vector_unit import Requantiser, Widener, zeros

LANE_WORDS = 8
"""32 int8 values."""

STEP_WORDS = 16
"""64 int8 values: what is clamped at once."""

Group = Callable[[SSAValue], SSAValue]
"""int32[32] of the 8 words at a distance from the rows' start."""

Row = tuple[SSAValue, Widener]
"""Where a row begins, and what its values are in the sum."""


def requantise_row(
    body: Assembler, requantiser: Requantiser, words: SSAValue, out: SSAValue, step_words: int, group: Group
) -> None:
    """Write the groups of a row of `words` to `out`, requantised."""
    with body.loop(body.index(0), words, step_words) as step:
        places = [body.add(step.index, body.index(far)) for far in range(0, step_words, LANE_WORDS)]
        requantiser.store([group(place) for place in places], body.add(out, step.index))


def sum_rows(
    body: Assembler,
    requantiser: Requantiser,
    rows: Sequence[Row],
    words: SSAValue,
    out: SSAValue,
) -> None:
    """Write the sum of `rows`, requantised, to `out`, which may be where one of them is."""
    none = zeros(body)

    def group(place: SSAValue) -> SSAValue:
        total = none
        for row, widener in rows:
            total = widener.accumulate(body.load(body.add(row, place), W8), total)
        return total

    requantise_row(body, requantiser, words, out, STEP_WORDS, group)
