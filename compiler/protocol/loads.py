"""
What many launches load, as one task of each shim: parameter blocks, and with those of a DEEP launch the weights that
come on the same channel. It sends those of one launch after those of the other, as the MemTile asks for them.

Maps from DDR come on this channel, too, and would wait behind what is sent ahead of them. So where maps are filled
between two launches, a task ends before the second one and begins anew after it, whose parameters may be pushed before
the fill or after it; and its weights, which come behind the fill, are a task of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from compiler.hardware.routes import SHIM_FILL, SHIM_ROW
from compiler.protocol.image import WEIGHTS, Image, linear
from compiler.protocol.tasks import Descriptor, Task
from dialects import mem
from dialects.aie import DMAChannelDir


def launches_behind_fills(invocation: mem.InvokeOp) -> frozenset[int]:
    """Numbers of the launches before which maps are filled while another one may run."""
    found, number = set[int](), 0
    for op in (op for segment in invocation.segments for op in segment.body.block.ops):
        if isinstance(op, mem.CopyOp) and op.fills and number > 0:
            found.add(number)
        number += isinstance(op, mem.LaunchOp)
    return frozenset(found - {number})


def loaded_together(launches: int, filled: frozenset[int]) -> list[range]:
    """Launches of an invocation that one task loads, by their numbers; before those that are `filled` maps come."""
    cuts = sorted({0, *filled, *(number + 1 for number in filled)} - {launches})
    return [range(*pair) for pair in zip(cuts, (*cuts[1:], launches), strict=True)] if launches else []


def load_task(column: int, parts: Sequence[npt.NDArray[np.int32]], image: Image) -> Task:
    """The task of a column's shim that sends `parts`, one after the other."""
    start = image.append(*parts)
    window = linear(start, sum(part.size for part in parts))
    return Task((column, SHIM_ROW), DMAChannelDir.MM2S, SHIM_FILL, (Descriptor(WEIGHTS, window),))
