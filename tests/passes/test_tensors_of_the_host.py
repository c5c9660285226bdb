"""Quantised tensors of any rank may lie between two host segments; the array only stores them."""

from __future__ import annotations

import numpy as np
import pytest
from strategies_graphs import GraphBuilder

from compiler.api import compile_model


@pytest.mark.parametrize("shape", [(1, 24), (24,), (1, 3, 8), (4, 6), (1, 3, 2, 4, 1), (2, 3, 2, 2)], ids=str)
def test_a_tensor_of_any_rank_is_kept(shape: tuple[int, ...]) -> None:
    builder = GraphBuilder()
    x = builder.softmax(builder.input(shape, 4))
    name = builder.node("Reshape", [x.name, builder.constant("shape", np.array([1, 6, 2, 2]))])
    y = builder.conv(builder.quantise(name, (1, 6, 2, 2), x.position), 5)
    compilation = compile_model(builder.model(x, y), target="mesh-1x2")
    for comparison in compilation.check():
        assert comparison.holds, str(comparison)
