"""
Ops of the bsr level as ONNX models in integers, which the host runs to the same bit.

Contractions are ConvInteger and MatMulInteger on int8 with int32 sums; what comes after them is in `integer_graph`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from xdsl.ir import Attribute, Operation

from compiler.quantization.arithmetic import Clamp, Rounding
from compiler.quantization.scaling import Multipliers
from dialects.bsr import (
    AddOp,
    AppendOp,
    AvgPoolOp,
    ClampOp,
    ConcatOp,
    Conv2dOp,
    ExtremumOp,
    GemmOp,
    InterleaveOp,
    LutOp,
    MatMulOp,
    MaxOp,
    MaxPoolOp,
    MinOp,
    MulOp,
    PadOp,
    RequantiseOp,
    ReshapeOp,
    SubOp,
    SumOp,
    TransposeOp,
    contraction_multipliers,
    position_of,
    shape_of,
    zero_point_of,
)
from passes.integer_graph import FAR, IntegerGraph


def _conv2d(graph: IntegerGraph, op: Conv2dOp) -> str:
    weights = op.weights_op()
    sums = graph.node(
        "ConvInteger",
        [graph.padded(0, op.pads), graph.constant(weights.dense())],
        strides=list(op.strides),
        dilations=list(op.dilations),
    )
    made = _finished(graph, op, sums, (1, -1, 1, 1))
    if op.skip is None:
        return made
    operands = (graph.wide(made), op.inner_position), (graph.wide("x1"), position_of(op.skip.type))
    return _sum(graph, operands, op.result.type, op.rounding, op.clamp)


def _gemm(graph: IntegerGraph, op: GemmOp) -> str:
    rows = graph.node("Reshape", ["x0", graph.constant(np.array([1, -1], np.int64))])
    columns = np.ascontiguousarray(op.weights_op().dense().reshape(op.weights_op().shape[0], -1).T)
    sums = graph.node("MatMulInteger", [rows, graph.constant(columns)])
    return _finished(graph, op, sums, (1, -1))


def _finished(graph: IntegerGraph, op: Conv2dOp | GemmOp, sums: str, shape: tuple[int, ...]) -> str:
    """Bias, shift or multiplier, zero-point."""
    bias = graph.constant(op.weights_op().bias_values().astype(np.int64).reshape(shape))
    accumulator = graph.node("Add", [graph.wide(sums), bias])
    if not op.is_scaled:
        clamp = op.inner_clamp if isinstance(op, Conv2dOp) and op.skip is not None else op.clamp
        return graph.saturated(graph.moved(accumulator, op.shift, op.rounding), 0, clamp)
    scaled = graph.scaled(accumulator, contraction_multipliers(op).reshaped(*shape), op.rounding)
    return graph.saturated(scaled, zero_point_of(op.result.type), op.clamp)


def _sum(
    graph: IntegerGraph,
    operands: Sequence[tuple[str, int]],
    result: Attribute,
    rounding: Rounding,
    clamp: Clamp,
    operator: str = "Add",
) -> str:
    """Operands at their positions, as int64: brought to the finest one, added or one less the other, rounded once."""
    finest = max(position for _, position in operands)
    terms = [graph.moved(value, position - finest, rounding) for value, position in operands]
    return graph.saturated(graph.moved(graph.node(operator, terms), finest - position_of(result), rounding), 0, clamp)


def _pair(graph: IntegerGraph, op: SumOp) -> str:
    operator = "Add" if op.SIGN > 0 else "Sub"
    if not op.is_scaled:
        operands = [(graph.wide(f"x{index}"), position_of(type)) for index, type in enumerate(graph.types)]
        return _sum(graph, operands, op.result.type, op.rounding, op.clamp, operator)
    factors, shift = op.multipliers()
    terms = [
        graph.node("Mul", [graph.around_zero(index), graph.number(factor)]) for index, factor in enumerate(factors)
    ]
    total = graph.divided(graph.node(operator, terms), np.array(1 << shift, np.int64), op.rounding)
    return graph.saturated(total, zero_point_of(op.result.type), op.clamp)


def _mul(graph: IntegerGraph, op: MulOp) -> str:
    product = graph.node("Mul", [graph.around_zero(index) for index in range(2)])
    if op.is_scaled:
        scaled = graph.scaled(product, op.multipliers(), op.rounding)
        return graph.saturated(scaled, zero_point_of(op.result.type), op.clamp)
    return graph.saturated(graph.moved(product, op.shift, op.rounding), 0, op.clamp)


def _matmul(graph: IntegerGraph, op: MatMulOp) -> str:
    """[head][output][term] by [head][term][pixel]; ONNX Runtime has matrix products of int8, summed in int32."""
    matrices = [
        graph.node("Reshape", [f"x{index}", graph.constant(np.array([op.heads, -1, shape_of(type)[3]], np.int64))])
        for index, type in enumerate(graph.types)
    ]
    if op.transposed:
        matrices[1] = graph.node("Transpose", [matrices[1]], perm=[0, 2, 1])
    zeros = [graph.constant(np.array(zero_point_of(type), np.int8)) for type in graph.types]
    sums = graph.node("MatMulInteger", [*reversed(matrices), *reversed(zeros)])
    total = graph.wide(graph.node("Reshape", [sums, graph.constant(np.array(shape_of(op.result.type), np.int64))]))
    if op.is_scaled:
        scaled = graph.scaled(total, op.multipliers(), op.rounding)
        return graph.saturated(scaled, zero_point_of(op.result.type), op.clamp)
    return graph.saturated(graph.moved(total, op.shift, op.rounding), 0, op.clamp)


def _max(graph: IntegerGraph, op: ExtremumOp) -> str:
    return graph.saturated(graph.node("Max", [graph.wide("x0"), graph.wide("x1")]), 0, op.clamp)


def _min(graph: IntegerGraph, op: ExtremumOp) -> str:
    return graph.saturated(graph.node("Min", [graph.wide("x0"), graph.wide("x1")]), 0, op.clamp)


def _max_pool(graph: IntegerGraph, op: MaxPoolOp) -> str:
    kernel, strides, pads = list(op.kernel), list(op.strides), list(op.pads)
    pooled = graph.node("MaxPool", ["x0"], kernel_shape=kernel, strides=strides, pads=pads)
    return graph.saturated(graph.wide(pooled), 0, op.clamp)


def _avg_pool(graph: IntegerGraph, op: AvgPoolOp) -> str:
    _, channels, height, width = shape_of(op.input.type)
    ones = graph.constant(np.ones((channels, 1, *op.kernel), np.int8))
    sums = graph.node("ConvInteger", [graph.padded(0, op.pads), ones], group=channels, strides=list(op.strides))
    # A pad holds the zero-point as well, so every window has all its cells
    zeros = zero_point_of(op.input.type) * op.kernel[0] * op.kernel[1]
    total = graph.node("Sub", [graph.wide(sums), graph.number(zeros)])
    top, left, bottom, right = op.pads
    cells = np.pad(
        np.ones((height, width), np.int64), ((top, bottom), (left, right)), constant_values=int(op.count_include_pad)
    )
    windows = np.lib.stride_tricks.sliding_window_view(cells, op.kernel)[:: op.strides[0], :: op.strides[1]]
    by = op.multipliers() if op.is_scaled else _shift(position_of(op.input.type) - position_of(op.result.type))
    product = graph.node("Mul", [total, graph.constant(by.factors)])
    mean = graph.divided(product, windows.sum(axis=(2, 3)) << by.shifts, op.rounding)
    return graph.saturated(mean, zero_point_of(op.result.type), op.clamp)


def _shift(places: int) -> Multipliers:
    """A shift to the right, or to the left, as a multiplier that leaves room for the cells of a window."""
    left, right = (min(max(way, 0), FAR) for way in (-places, places))
    return Multipliers(np.array(1 << left, np.int64), np.array(right, np.int64))


def _concat(graph: IntegerGraph, op: ConcatOp) -> str:
    parts = [graph.changed(index, op.result.type, op.rounding, op.clamp) for index in range(len(op.inputs))]
    return graph.node("Concat", parts, axis=1)


def _append(graph: IntegerGraph, op: AppendOp) -> str:
    parts = [graph.changed(index, op.result.type, op.rounding, op.clamp) for index in range(len(op.inputs))]
    return graph.node("Concat", parts, axis=op.axis)


def _interleave(graph: IntegerGraph, op: InterleaveOp) -> str:
    """Operands one short of a step are made longer, and the result is cut where it ends."""
    _, channels, rows, columns = shape_of(op.result.type)
    down, across = -(-rows // op.steps[0]), -(-columns // op.steps[1])
    parts: list[str] = []
    for index, value in enumerate(op.inputs):
        part = graph.changed(index, op.result.type, op.rounding, op.clamp)
        missing = [down - shape_of(value.type)[2], across - shape_of(value.type)[3]]
        parts.append(graph.node("Pad", [part, graph.constant(np.array([0] * 6 + missing, np.int64))]))
    together = graph.node("Concat", parts, axis=1)
    split = graph.constant(np.array([*op.steps, channels, down, across], np.int64))
    apart = graph.node("Transpose", [graph.node("Reshape", [together, split])], perm=[2, 3, 0, 4, 1])
    whole = graph.constant(np.array([1, channels, down * op.steps[0], across * op.steps[1]], np.int64))
    ends = [graph.constant(np.array(bounds, np.int64)) for bounds in ([0, 0], [rows, columns], [2, 3])]
    return graph.node("Slice", [graph.node("Reshape", [apart, whole]), *ends])


def _clamp(graph: IntegerGraph, op: ClampOp) -> str:
    return graph.saturated(graph.wide("x0"), 0, op.clamp)


def _requantise(graph: IntegerGraph, op: RequantiseOp) -> str:
    return graph.changed(0, op.result.type, op.rounding, op.clamp)


def _lut(graph: IntegerGraph, op: LutOp) -> str:
    """ONNX has no shift of an index below 0, so the table begins with its middle: 0 to 127, then -128 to -1."""
    table = graph.constant(np.roll(op.entries(), -128))
    return graph.node("Gather", [table, graph.wide("x0")])


def _pad(graph: IntegerGraph, op: PadOp) -> str:
    return graph.padded(0, op.pads)


def _reshape(graph: IntegerGraph, op: ReshapeOp) -> str:
    return graph.node("Reshape", ["x0", graph.constant(np.array(shape_of(op.result.type), np.int64))])


def _transpose(graph: IntegerGraph, op: TransposeOp) -> str:
    split, shape = (graph.constant(np.array(sizes, np.int64)) for sizes in (op.split, shape_of(op.result.type)))
    moved = graph.node("Transpose", [graph.node("Reshape", ["x0", split])], perm=list(op.permutation))
    return graph.node("Reshape", [moved, shape])


MODELS: dict[type[Operation], tuple[str, Callable[[IntegerGraph, Any], str]]] = {
    Conv2dOp: ("Conv", _conv2d),
    GemmOp: ("Gemm", _gemm),
    AddOp: ("Add", _pair),
    SubOp: ("Sub", _pair),
    MulOp: ("Mul", _mul),
    MatMulOp: ("MatMul", _matmul),
    MaxOp: ("Max", _max),
    MinOp: ("Min", _min),
    MaxPoolOp: ("MaxPool", _max_pool),
    AvgPoolOp: ("AveragePool", _avg_pool),
    AppendOp: ("Concat", _append),
    ConcatOp: ("Concat", _concat),
    InterleaveOp: ("DepthToSpace", _interleave),
    ClampOp: ("Clip", _clamp),
    LutOp: ("Lut", _lut),
    RequantiseOp: ("QuantizeLinear", _requantise),
    PadOp: ("Pad", _pad),
    ReshapeOp: ("Reshape", _reshape),
    TransposeOp: ("Transpose", _transpose),
}
"""The ONNX operator that users know an op by, and what it is in integers."""
