"""What the cores of a convolution's launch have to do, however the weights are cut into chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.kernels.parameters import Parameter
from compiler.tiling.core_parameters import common_parameters, own_parameters
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Range

P = Parameter


@dataclass(frozen=True)
class Share:
    """What one core of a launch has to do."""

    blocks: Range
    rows: int
    taps: int
    """Taps that lie on the map, over all its rows."""
    stream_rows: int
    to_the_end: bool
    """Whether the last output row needs the last row of the stream."""
    present: int
    """Non-zero blocks of weights."""

    def covers(self, other: Share) -> bool:
        """Whether a core with this share has as much to do in every respect as one with the other."""
        mine, others = (
            (one.blocks[1] - one.blocks[0], one.rows, one.taps, one.stream_rows, one.to_the_end, one.present)
            for one in (self, other)
        )
        return all(own >= its for own, its in zip(mine, others, strict=True))


def shares(launch: Launch) -> list[Share]:
    """Of all cores but those that have less to do than another in every respect."""
    common = common_parameters(launch)
    present = {blocks: int(launch.layer.gamma[slice(*blocks)].sum()) for blocks in launch.slices}
    taps = common[P.ROW_STEP] * np.arange(common[P.TAPS])
    rows: dict[tuple[int, int, int], tuple[int, bool]] = {}
    found: dict[Share, None] = {}
    for work in launch.cores:
        own = own_parameters(launch, work)
        origin, stream_rows = own[P.ROW_ORIGIN], own[P.STREAM_ROWS]
        key = (work.rows, origin, stream_rows)
        if key not in rows:
            tops = origin + common[P.ROW_STRIDE] * np.arange(work.rows)
            seen = tops[:, None] + taps
            to_the_end = int(tops[-1]) + common[P.WINDOW] >= stream_rows > 0
            rows[key] = int(((seen >= 0) & (seen < stream_rows)).sum()), to_the_end
        on_map, to_the_end = rows[key]
        found[Share(work.blocks, work.rows, on_map, stream_rows, to_the_end, present[work.blocks])] = None
    kept: list[Share] = []
    for share in sorted(found, key=lambda one: (one.present, one.taps, one.stream_rows, one.rows), reverse=True):
        if not any(other.covers(share) for other in kept):
            kept.append(share)
    return kept
