"""
One network with every operation of the `bsr` level, and a quantised graph with every one that takes general scales.

Tests of what has a case for each operation meet all cases with them, however few networks are drawn.
"""

from __future__ import annotations

import numpy as np
from bsr_networks import (
    Add,
    Append,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Extremum,
    Gemm,
    Input,
    Interleave,
    Lut,
    MatMul,
    MaxPool,
    Mul,
    Network,
    Pad,
    Requantise,
    Reshape,
    Rounding,
    Sub,
)
from onnx import TensorProto
from onnx.helper import make_tensor_value_info
from strategies_scaled import Pair, ScaledBuilder, ScaledGraph


def every_operation(rounding: Rounding) -> Network:
    """
    Of nine channels the second block has one; of eleven columns the last run of eight is moved back.

    All values are outputs, so a difference is seen where it begins.
    """
    layers = (
        Conv(0, 9, (3, 3), (1, 1), (1, 1, 1, 1), rounding=rounding),  # 3
        Conv(1, 9, mask="diagonal", rounding=rounding, skip=3, inner_position=5),
        Add(3, 4, 3, rounding=rounding),  # 5
        Sub(3, 1, 5, rounding=rounding),
        Mul(5, 6, 4, rounding=rounding),
        Extremum("max", 3, 4, (-100, 90)),  # 8
        Extremum("min", 8, 7),
        MaxPool(9, (3, 2), (1, 1), (1, 0, 1, 1), (-60, 127)),
        AvgPool(10, (2, 3), (2, 2), (1, 1, 0, 0), rounding=rounding),
        Lut(11, 5),
        Append((11, 12), 3, 5, rounding=rounding),  # 13
        Interleave((13, 13), (1, 2), 3, rounding=rounding),
        Clamp(14, (-7, 99)),
        Requantise(15, 2, rounding=rounding),
        Gemm(16, 13, rounding=rounding),
        Concat((0, 3), 4, rounding=rounding),  # 18
        Pad(18, (1, 0, 0, 2)),
        Reshape(19, (1, 18, 13, 6)),
        MatMul(2, 2, heads=2, transposed=True, position=-2, rounding=rounding),  # 21
        MatMul(21, 2, heads=2, position=-5, rounding=rounding),
    )
    inputs = (Input(9, 5, 11), Input(9, 5, 11, position=6), Input(32, 1, 16))
    return Network(5, inputs, layers, tuple(range(len(inputs), len(inputs) + len(layers))))


def every_scaled_operation() -> ScaledGraph:
    """A convolution, every operation on two maps, each of the map before, and a concatenation of whole blocks."""
    builder, shape = ScaledBuilder(0), (1, 8, 4, 7)
    builder.inputs.append(make_tensor_value_info("x", TensorProto.FLOAT, list(shape)))
    left, scale = builder.pair("x", shape, Pair(0.037, -9))
    weight = builder.scaled_weight(np.arange(-32, 32, dtype=np.int8).reshape(8, 8, 1, 1), np.float32(0.011))
    bias = builder.scaled_weight(np.arange(8, dtype=np.int32), np.float32(0.011) * np.float32(scale))
    right, _ = builder.pair(builder.node("Conv", [left.name, weight, bias]), shape, Pair(0.091, 5))
    for number, operator in enumerate(("Add", "Sub", "Mul", "Max", "Min")):
        name = builder.node(operator, [left.name, right.name])
        right, _ = builder.pair(name, shape, Pair(0.05 + 0.007 * number, 3 * number - 4))
    both = builder.node("Concat", [left.name, right.name], axis=1)
    result, _ = builder.pair(both, (1, 16, 4, 7), Pair(0.044, 1))
    return ScaledGraph(builder.model(result), builder.feed())
