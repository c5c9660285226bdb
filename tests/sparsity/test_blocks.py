"""Pruning removes exactly the blocks that the rule names, and nothing else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.sparsity.blocks import BLOCK, block_importance, prune_blocks, pruned_block_count

RATIOS = st.fractions(0, 1, max_denominator=100).map(float)
IMPORTANCES = st.sampled_from(["l2", "l1", "variance"])


@st.composite
def weights(draw: st.DrawFn):
    shape = (draw(st.integers(1, 20)), draw(st.integers(1, 20)), draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    if draw(st.booleans()):
        return rng.integers(1, 128, shape).astype(np.int8)  # no zeros, so that zero blocks are the pruned ones
    return rng.uniform(0.5, 2, shape).astype(np.float32)


def blocks_of(values: np.ndarray) -> list[np.ndarray]:
    rows, columns = range(0, values.shape[0], BLOCK), range(0, values.shape[1], BLOCK)
    return [values[row : row + BLOCK, column : column + BLOCK] for row in rows for column in columns]


@given(values=weights(), ratio=RATIOS, importance=IMPORTANCES)
def test_exactly_the_least_important_blocks_go(values: np.ndarray, ratio: float, importance: str):
    pruned = prune_blocks(values, ratio, importance)
    measure = {"l2": lambda b: np.sqrt((b**2).sum()), "l1": lambda b: np.abs(b).sum(), "variance": np.var}[importance]
    scores = [measure(block.astype(np.float64)) for block in blocks_of(values)]
    np.testing.assert_allclose(block_importance(values, importance).ravel(), scores, rtol=1e-9, atol=1e-9)
    gone = [not block.any() for block in blocks_of(pruned)]
    assert sum(gone) == int(Fraction(str(ratio)) * len(scores) // 1)
    if any(gone) and not all(gone):
        kept_least = min(score for score, zero in zip(scores, gone, strict=True) if not zero)
        assert max(score for score, zero in zip(scores, gone, strict=True) if zero) <= kept_least + 1e-9
    for before, after, zero in zip(blocks_of(values), blocks_of(pruned), gone, strict=True):
        assert zero or np.array_equal(before, after)
    assert pruned.dtype == values.dtype


@pytest.mark.parametrize("importance", ["l2", "l1", "variance"])
def test_equal_blocks_go_in_order(importance: str):
    pruned = prune_blocks(np.ones((16, 24, 1, 1), np.float32), 0.5, importance)
    assert [bool(block.any()) for block in blocks_of(pruned)] == [False] * 3 + [True] * 3


def test_blocks_that_are_zero_already_count():
    values = np.ones((8, 32, 3, 3), np.int8)
    values[:, 16:24] = 0
    pruned = prune_blocks(values, 0.5, "l2")
    assert [bool(block.any()) for block in blocks_of(pruned)] == [False, True, False, True]


@pytest.mark.parametrize(("ratio", "blocks", "count"), [(0.29, 100, 29), (0.5, 5, 2), (0.0, 9, 0), (1.0, 9, 9)])
def test_ratio_is_meant_in_decimal(ratio: float, blocks: int, count: int):
    assert pruned_block_count(blocks, ratio) == count
