"""
How a pool divides the pixels of an output row: groups whose windows lie on the map, and others, cell by cell.

The kernel bodies make the same choices (`bodies.pool_columns`, `bodies.pool`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.kernels.parameters import Parameter
from compiler.kernels.row_steps import GROUP

P = Parameter

LARGEST_FAST_STRIDE = 2
"""Windows of a row further apart, in columns, are reduced cell by cell."""


@dataclass(frozen=True)
class PoolSteps:
    """Steps of one call of a pool."""

    blocks: int
    """Output blocks whose rows are taken pixel by pixel."""
    bordering: int
    """Groups of four pixels of a row, cell by cell."""
    together: int
    """Groups of a row in the map."""
    blocks_together: int = 0
    """Groups of blocks whose only pixels are computed together."""


def pixels_on_map(params: npt.NDArray[np.int32], together: int) -> tuple[int, int]:
    """Pixels [first, last), whole groups of four and a multiple of `together`, whose windows lie on the map."""
    stride, origin, width = (int(params[each]) for each in (P.COLUMN_STRIDE, P.COLUMN_ORIGIN, P.WIDTH))
    if stride > LARGEST_FAST_STRIDE:
        return 0, 0
    before = max(0, -(origin // stride))
    first = min(-(-before // GROUP) * GROUP, width)
    beyond = (int(params[P.MAP_WIDTH]) - int(params[P.KERNEL_WIDTH]) - origin) // stride + 1
    return first, first + max(min(beyond, width) - first, 0) // together * together


def pool_steps(
    params: npt.NDArray[np.int32], blocks: int, together: int, largest_stride: int, as_pixels: bool
) -> PoolSteps:
    """Steps of a pool that has fast loads up to `largest_stride`, and may take blocks `as_pixels`."""
    width, origin = int(params[P.WIDTH]), int(params[P.COLUMN_ORIGIN])
    first, last = pixels_on_map(params, together)
    if int(params[P.COLUMN_STRIDE]) > largest_stride:
        last = first
    taken = 0
    if as_pixels and width == 1 and 0 <= origin <= int(params[P.MAP_WIDTH]) - int(params[P.KERNEL_WIDTH]):
        taken = blocks // together
    bordering = -(-first // GROUP) - (-(width - last) // GROUP)
    return PoolSteps(blocks - taken * together, bordering, (last - first) // together, taken)
