"""
Contiguous runs of output blocks whose heaviest is as light as possible: who gets which slice of the weights.

A stream of weights must be a run of blocks, because a core writes its outputs as one. Among all ways to cut a row of
weights into runs, the best one is found exactly: with the first j blocks in p runs, the heaviest run of the best cut is

    best(p, j) = min over i <= j of max(best(p-1, i), weight of blocks i to j)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.tiling.layer import Range


def balanced_runs(weights: Sequence[int], parts: int) -> list[Range]:
    """`parts` half-open runs that cover all weights, some empty where there are fewer weights than parts."""
    sums = np.concatenate(([0], np.cumsum(np.asarray(weights, np.int64))))
    runs = np.where(np.tri(len(sums), dtype=np.bool_).T, sums[None, :] - sums[:, None], sums[-1] + 1)
    best, choices = runs[0], list[np.ndarray[tuple[int], np.dtype[np.int64]]]()
    for _ in range(parts - 1):
        heaviest = np.maximum(best[:, None], runs)
        # of equal ones the longest first runs, so that it is the last ones which are shorter or empty
        choices.append(len(weights) - heaviest[::-1].argmin(axis=0))
        best = heaviest.min(axis=0)
    ends = [len(weights)]
    for choice in reversed(choices):
        ends.append(int(choice[ends[-1]]))
    ends.append(0)
    return [(first, last) for last, first in zip(ends[-2::-1], ends[:0:-1], strict=True)]
