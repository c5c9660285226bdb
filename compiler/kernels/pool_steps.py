"""
How the pools divide the pixels of an output row, and by what an average divides.

The kernel bodies make the same choices (`bodies.pool_columns`, `bodies.pool`, `bodies.average`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.kernels.parameters import Parameter
from compiler.kernels.row_steps import GROUP, row_steps

P = Parameter

LARGEST_FAST_STRIDE = 2
"""Windows of a row further apart, in columns, are reduced cell by cell by the maximum pool."""

MAXIMUM_STEP = 16
"""Pixels of a step of a maximum pool on the map."""

FEWEST_ON_MAP = 8
"""Pixels of a row that a maximum pool takes so: a step of fewer would have more than SURPLUS_PIXELS."""

FEWEST_NEIGHBOURS = GROUP
"""Pixels of a row that an average takes as neighbours. As many blocks at once are as fast with fewer of them."""

AVERAGE_STEPS = (20, 8)
"""Pixels of their steps: a rest of more than 8 is a long one, and no step has more than SURPLUS_PIXELS."""

BLOCKS_TOGETHER = 8
"""Blocks of one pixel in a step of an average."""

MOST_CELLS = 128
"""Of a window whose sum a product divides: with more, it would not be exact in 32 bits."""

MOST_QUOTIENT_SHIFT = 8
"""Of a sum or a divisor that a product divides."""


@dataclass(frozen=True)
class PoolSteps:
    """Steps of one row of one block of a maximum pool."""

    bordering: int
    """Groups of four pixels, cell by cell."""
    together: int
    """Steps on the map."""


def pool_steps(params: npt.NDArray[np.int32]) -> PoolSteps:
    """Before those on the map whole groups of four are left out at the left."""
    stride, origin, width = (int(params[each]) for each in (P.COLUMN_STRIDE, P.COLUMN_ORIGIN, P.WIDTH))
    if stride > LARGEST_FAST_STRIDE:
        return PoolSteps(-(-width // GROUP), 0)
    before = max(0, -(origin // stride))
    first = min(-(-before // GROUP) * GROUP, width)
    beyond = (int(params[P.MAP_WIDTH]) - int(params[P.KERNEL_WIDTH]) - origin) // stride + 1
    inside = min(beyond, width) - first
    if inside < FEWEST_ON_MAP:
        inside = 0
    return PoolSteps(-(-first // GROUP) - (-(width - first - inside) // GROUP), -(-inside // MAXIMUM_STEP))


@dataclass(frozen=True)
class AverageSteps:
    """Pixels of one call of the average."""

    by_products: bool
    """Whether its sums are divided by products."""
    neighbours: tuple[int, ...]
    """Steps of each size of a row's pixels between its borders."""
    columns: tuple[int, ...]
    """For each other pixel of a row, how many columns of its window lie on the map."""


def average_steps(params: npt.NDArray[np.int32]) -> AverageSteps:
    """The division of a row."""
    stride, origin, width = (int(params[each]) for each in (P.COLUMN_STRIDE, P.COLUMN_ORIGIN, P.WIDTH))
    kernel, map_width = int(params[P.KERNEL_WIDTH]), int(params[P.MAP_WIDTH])
    shifts = params[[P.NUMERATOR_SHIFT, P.DENOMINATOR_SHIFT]]
    by_products = bool(int(params[P.TAPS]) * kernel <= MOST_CELLS and shifts.max() <= MOST_QUOTIENT_SHIFT)
    first, last = max(0, -origin), min(map_width - kernel - origin + 1, width)
    if stride > 1 or last - first < FEWEST_NEIGHBOURS or not by_products:
        first = last = 0
    starts = [origin + stride * pixel for pixel in range(width) if not first <= pixel < last]
    columns = tuple(min(start + kernel, map_width) - max(start, 0) for start in starts)
    return AverageSteps(by_products, row_steps(last - first, AVERAGE_STEPS), columns)
