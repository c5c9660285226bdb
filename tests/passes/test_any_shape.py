"""Tensors that are no maps of one image: element by element, moved, joined and summed on the array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from strategies_graphs import GraphBuilder, Tensor

from compiler.checking import check_levels
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from dialects.bsr import HostOp

Make = Callable[[GraphBuilder, Tensor, Tensor], Tensor]


def node(operator: str, shape: tuple[int, ...], *arguments: list, both: bool = False, **attributes: object) -> Make:
    """One node on the first tensor, or on both, at the position of the first."""

    def make(builder: GraphBuilder, a: Tensor, b: Tensor) -> Tensor:
        constants = [builder.constant("argument", np.array(values)) for values in arguments]
        inputs = [a.name, b.name] if both else [a.name, *constants]
        return builder.quantise(builder.node(operator, inputs, **attributes), shape, a.position - 1)

    return make


CASES: dict[str, Make] = {
    "sum": node("Add", (3, 4, 5), both=True),
    "rectified": node("Relu", (3, 4, 5)),
    "transposed": node("Transpose", (5, 3, 4), perm=[2, 0, 1]),
    "cut": node("Slice", (2, 4, 2), [0, 1], [2, 5], [0, 2], [1, 2]),
    "joined in front": node("Concat", (6, 4, 5), both=True, axis=0),
    "joined inside": node("Concat", (3, 4, 10), both=True, axis=-1),
    "repeated": node("Expand", (2, 3, 4, 5), [2, 3, 4, 5]),
    "reshaped": node("Reshape", (12, 5), [12, 5]),
    "summed over one axis": node("ReduceSum", (3, 5), [1], keepdims=0),
    "summed over all": node("ReduceSum", (1, 1, 1), [0, 1, 2]),
    "mean of four": node("ReduceMean", (3, 1, 5), [1]),
}


def hosted(builder: GraphBuilder, y: Tensor, target: str) -> list[str]:
    """Operators on the host, after checking that every level gives the numbers of ONNX Runtime."""
    modules = Pipeline.default(target=target).run(import_model(builder.model(y)))
    for comparison in check_levels(modules, builder.feed(), 0):
        assert comparison.holds, str(comparison)
    segments = [op.operator.data for op in modules["bsr"].walk() if isinstance(op, HostOp)]
    return [operator for operator in segments if operator not in ("QuantizeLinear", "DequantizeLinear")]


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_on_the_array_with_the_numbers_of_onnx_runtime(make: Make) -> None:
    builder = GraphBuilder()
    a, b = (builder.input((3, 4, 5), position) for position in (4, 5))
    assert hosted(builder, make(builder, a, b), "mesh-2x2") == []


def test_a_mean_by_another_number_stays_on_the_host() -> None:
    builder = GraphBuilder()
    a = builder.input((3, 4, 5), 4)
    mean = node("ReduceMean", (3, 4), [2], keepdims=0)(builder, a, a)
    assert len(hosted(builder, mean, "mesh-1x1")) == 1


def test_channels_summed_over_a_map() -> None:
    builder = GraphBuilder()
    x = builder.conv(builder.input((1, 3, 5, 6), 4), 9)
    total = node("ReduceSum", (1, 9), [2, 3], keepdims=0)(builder, x, x)
    assert hosted(builder, total, "npu1") == []
