"""
Which blocks of a weight matter least, and the weight without them.

A weight is O x I x kh x kw. Its blocks are 8 output x 8 input channels with all taps, the last ones ragged where
a channel count is no multiple of 8. Pruning at ratio R sets the floor(R · blocks) least important blocks to
zero; of equally important ones those with the lower row-major index go first. Blocks that are zero already count, and
go first.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

BLOCK = 8
Importance = Literal["l2", "l1", "variance"]
Weights = TypeVar("Weights", bound=npt.NDArray[Any])


def block_importance(weights: npt.NDArray[Any], importance: Importance) -> npt.NDArray[np.float64]:
    """Importance of each block, (ceil(O/8), ceil(I/8)); the variance is over the elements that exist."""
    outputs, inputs = weights.shape[:2]
    scores = np.empty((-(-outputs // BLOCK), -(-inputs // BLOCK)))
    for row in range(len(scores)):  # row by row, so that a float64 copy of the whole weight is never made
        values = weights[row * BLOCK : (row + 1) * BLOCK].astype(np.float64)
        match importance:
            case "l1":
                scores[row] = _column_sums(np.abs(values))
            case "l2":
                scores[row] = np.sqrt(_column_sums(values * values))
            case "variance":
                count = _column_sums(np.ones_like(values))
                mean = _column_sums(values) / count
                scores[row] = np.maximum(_column_sums(values * values) / count - mean * mean, 0)
    return scores


def pruned_block_count(blocks: int, ratio: float) -> int:
    """floor(ratio · blocks) for the ratio as it is written in decimal: 0.29 of 100 blocks is 29."""
    return math.floor(Fraction(repr(ratio)) * blocks)


def prune_blocks(weights: Weights, ratio: float, importance: Importance) -> Weights:
    """A copy of O x I x kh x kw weights whose least important blocks are zero."""
    scores = block_importance(weights, importance)
    order = np.argsort(scores, axis=None, kind="stable")
    keep = np.ones(scores.size, bool)
    keep[order[: pruned_block_count(scores.size, ratio)]] = False
    mask = keep.reshape(scores.shape).repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    outputs, inputs = weights.shape[:2]
    pruned = weights.copy()
    pruned[~mask[:outputs, :inputs]] = 0
    return pruned


def _column_sums(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum over each block of one row of blocks."""
    inputs = values.shape[1]
    per_channel = values.reshape(len(values), inputs, -1).sum(axis=(0, 2))
    return np.pad(per_channel, (0, -inputs % BLOCK)).reshape(-1, BLOCK).sum(axis=1)
