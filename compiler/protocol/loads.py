"""
Parameter blocks of many launches, as one task of each shim: it sends those of one launch after those of the other, as
the MemTile asks for them.

Maps from DDR come on the same channel and would wait behind what is sent ahead of them, and so do weights of a DEEP
launch. So where maps are filled between two launches, or weights come there, a task ends before the second one and
begins anew after it, whose parameters may be pushed before the fill or after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip
from compiler.hardware.routes import SHIM_FILL, SHIM_ROW
from compiler.protocol.image import WEIGHTS, Image, linear
from compiler.protocol.tasks import Descriptor, Task
from dialects import mem
from dialects.aie import DMAChannelDir


def loaded_together(invocation: mem.InvokeOp, chip: Chip) -> list[range]:
    """Launches of an invocation whose parameters one task sends, by their numbers."""
    filled, number = set[int](), 0
    for op in (op for segment in invocation.segments for op in segment.body.block.ops):
        fills = isinstance(op, mem.CopyOp) and op.fills and number > 0
        if fills or (isinstance(op, mem.LaunchOp) and op.rings):
            filled.add(number)
        number += isinstance(op, mem.LaunchOp)
    most = chip.most_turns
    groups: list[range] = []
    for launch in range(number):
        apart = launch in filled or launch - 1 in filled
        if groups and not apart and len(groups[-1]) < most:
            groups[-1] = range(groups[-1].start, launch + 1)
        else:
            groups.append(range(launch, launch + 1))
    return groups


def load_task(column: int, blocks: Sequence[npt.NDArray[np.int32]], image: Image) -> Task:
    """The task of a column's shim that sends `blocks`, the parameters of one launch after those of the other."""
    start, size = image.append(*blocks), blocks[0].size
    window = linear(start, size, len(blocks), size)
    return Task((column, SHIM_ROW), DMAChannelDir.MM2S, SHIM_FILL, (Descriptor(WEIGHTS, window),), len(blocks))
