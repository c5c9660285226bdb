"""Exact ties, in both roundings, at every level: where the two ways to round differ, and only there."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from strategies_graphs import GraphBuilder

from compiler.api import compile_model
from compiler.quantization.arithmetic import ROUNDINGS, Rounding

EXPECTED = {
    "half_even": lambda odd: np.rint(odd / 2),
    "half_up": lambda odd: np.floor(odd / 2 + 0.5),
}


def network() -> tuple[GraphBuilder, onnx.ModelProto]:
    """Halves of odd numbers, by an identity convolution and by a sum; the input is exact at position 0."""
    builder = GraphBuilder()
    x = builder.input((1, 8, 4, 4), 0)
    identity = builder.weight(np.eye(8, dtype=np.int8)[:, :, None, None], 0)
    halved = builder.quantise(builder.node("Conv", [x.name, identity]), x.shape, -1)
    nothing = builder.weight(np.zeros((8, 8, 1, 1), np.int8), 0)
    zeros = builder.quantise(builder.node("Conv", [x.name, nothing]), x.shape, 0)
    return builder, builder.model(halved, builder.add(x, zeros, -1))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_halves_of_odd_numbers(rounding: Rounding, tmp_path_factory: pytest.TempPathFactory) -> None:
    builder, model = network()
    compilation = compile_model(model, target="mesh-1x1", rounding=rounding)
    odd = (2 * np.arange(-64, 64) + 1)[:128].astype(np.float32).clip(-127, 127).reshape(1, 8, 4, 4)
    folder = tmp_path_factory.mktemp("inputs")
    (name,) = builder.feed()
    np.save(folder / "x.npy", odd)
    for level in ("onnx", "bsr", "mem", "aie"):
        for output in compilation.run({name: folder / "x.npy"}, level=level).outputs.values():
            np.testing.assert_array_equal(output / 2, EXPECTED[rounding](odd), err_msg=level)
    assert all(comparison.holds for comparison in compilation.check())
