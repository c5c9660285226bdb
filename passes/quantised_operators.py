"""
How each ONNX operator between Dequantize and QuantizeLinear becomes ops of the `bsr` level.

    %q = onnx.QuantizeLinear(onnx.Relu(onnx.Conv(dequantised…)))   ->   %y = bsr.conv2d(%x, %w) {clamp = [0, 127]}

One function per operator: it gets the node, the position of the QuantizeLinear after it and the clamp that Relu and
Clip in between amount to. It refuses, by `Unrepresentable`, whatever it cannot express exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from compiler.quantization.arithmetic import INT8_RANGE, LARGEST_ACCUMULATOR, Clamp, accumulator_bound
from dialects.bsr import (
    AddOp,
    AvgPoolOp,
    ClampOp,
    ConcatOp,
    Conv2dOp,
    GemmOp,
    InterleaveOp,
    PadOp,
    RequantiseOp,
    ReshapeOp,
    WeightsOp,
    encoding_of,
    map_type,
    scale_of,
    shape_of,
    zero_point_of,
)
from dialects.bsr_attributes import Encoding, as_map
from dialects.bsr_weights import Scales
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import constant_of
from dialects.onnx_moves import MOVES
from dialects.onnx_reductions import reduced_axes, reduced_count, reduced_into
from dialects.onnx_transposed import phase_weights, transposed_window, weights_by_output
from dialects.onnx_window import window_of
from passes.fixed_point_operands import (
    SHAPE_OPERATORS,
    UNBOUNDED,
    Operands,
    Unrepresentable,
    bounds_of,
    integer_clamp,
    linear_encoding,
    require_rules,
    static_shape,
)
from passes.pixel_phases import phases_of


@dataclass(frozen=True)
class Target:
    """What the QuantizeLinear at the end asks for."""

    value: SSAValue
    """What is quantised: one of the results of the node."""
    encoding: Encoding
    clamp: Clamp
    name: str


Lowering: TypeAlias = Callable[[Operands, OnnxOp, Target], SSAValue]


def lower_quantize(operands: Operands, quantize: OnnxOp, name: str) -> SSAValue:
    """The bsr value that equals the result of a QuantizeLinear; `name` is free for its weights."""
    encoding = linear_encoding(quantize)
    value, bounds = quantize.inputs[0], UNBOUNDED
    while isinstance(value.owner, OnnxOp) and is_operator(value.owner, "Relu", "Clip"):
        inner = bounds_of(value.owner)
        bounds = (max(bounds[0], min(bounds[1], inner[0])), min(bounds[1], max(bounds[0], inner[1])))
        value = value.owner.inputs[0]
    node = value.owner
    if not isinstance(node, OnnxOp):
        raise Unrepresentable("the network's input arrives in floating point and is quantised on the host")
    if not is_operator(node, "DequantizeLinear"):
        require_rules(node)
    clamp = integer_clamp(bounds, map_type((), encoding), operands.rounding)
    return LOWERINGS[node.operator](operands, node, Target(value, encoding, clamp, name))


def _same_values(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """Dequantised and quantised again, perhaps moved in between."""
    return _requantised(operands, node, operands.map(target.value), target)


def _requantised(operands: Operands, node: OnnxOp, source: SSAValue, target: Target) -> SSAValue:
    if encoding_of(source.type) != target.encoding:
        op = RequantiseOp(source, target.encoding, clamp=target.clamp, rounding=operands.rounding)
        return operands.emit(op, node)
    if target.clamp != INT8_RANGE:
        return operands.emit(ClampOp(source, target.clamp), node)
    return source


def _max_pool(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    if encoding_of(operands.map(node.inputs[0]).type) == target.encoding:
        return operands.max_pool(node, target.clamp)
    return _requantised(operands, node, operands.max_pool(node, INT8_RANGE), target)


def _conv(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    window = window_of(node)
    assert window is not None, f"{node.describe()} reads a map, as its rules demand"
    source = operands.map(node.inputs[0])
    weights, scales = operands.weights(node.inputs[1], 0)
    full = ungrouped(weights, node.integer("group", 1))
    constant = _constant(operands, node, target, source, full, scales)
    return operands.build(
        lambda: Conv2dOp(
            source,
            constant,
            target.encoding,
            strides=window.strides,
            pads=window.pads,
            dilations=window.dilations,
            clamp=target.clamp,
            rounding=operands.rounding,
        ),
        node,
    )


def _conv_transpose(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """A convolution for each phase, and their pixels in turn."""
    window = transposed_window(node)
    assert window is not None, f"{node.describe()} reads a map, as its rules demand"
    source = operands.map(node.inputs[0])
    weights, scales = operands.weights(node.inputs[1], 1)
    groups = node.integer("group", 1)
    if scales.size > 1 and groups > 1:
        raise Unrepresentable(f"its {groups} groups have a scale for each of their channels")
    full = ungrouped(weights_by_output(weights, groups), groups)
    parts: list[SSAValue] = []
    for number, (rows, columns) in enumerate(window.phases()):
        phase = replace(target, name=f"{target.name}.phase{number}")
        constant = _constant(operands, node, phase, source, phase_weights(full, rows, columns), scales)
        pads = (rows.pads[0], columns.pads[0], rows.pads[1], columns.pads[1])
        conv = partial(
            Conv2dOp, source, constant, target.encoding, pads=pads, clamp=target.clamp, rounding=operands.rounding
        )
        parts.append(operands.build(conv, node))
    if len(parts) == 1:
        return parts[0]
    return operands.build(lambda: InterleaveOp(parts, window.steps, target.encoding), node)


def ungrouped(weights: npt.NDArray[np.int8], groups: int) -> npt.NDArray[np.int8]:
    """
    The weights of a grouped convolution as those of an ordinary one: zero between different groups.

    Exact for any group size; Γ keeps the zeros out of memory and time wherever whole blocks of 8×8 channels are zero.
    """
    if groups == 1:
        return weights
    outputs, per_group = len(weights) // groups, weights.shape[1]
    full = np.zeros((len(weights), groups * per_group, *weights.shape[2:]), np.int8)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        full[rows, group * per_group : (group + 1) * per_group] = weights[rows]
    return full


def _constant(
    operands: Operands, node: OnnxOp, target: Target, source: SSAValue, weights: npt.NDArray[np.int8], scales: Scales
) -> SSAValue:
    """
    Weights and bias of one layer that reads `source`.

    Its zero-point goes into the bias: Σ (x - z)·w + b = Σ x·w + (b - z·Σ w), over all taps, as pads hold z.
    """
    products = scale_of(source.type) * scales.astype(np.float64)
    bias = operands.bias(node, products, len(weights)).astype(np.int64)
    bias -= zero_point_of(source.type) * weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int64)
    bound = accumulator_bound(weights, bias)
    if bound > LARGEST_ACCUMULATOR:
        raise Unrepresentable(f"its accumulator can reach {bound}, and int32 holds {LARGEST_ACCUMULATOR}")
    position = _position(scales, len(weights))
    constant = WeightsOp.from_dense(weights, bias.astype(np.int32), position, f"{target.name}.blocks")
    return operands.emit(constant, node)


def _position(scales: Scales, outputs: int) -> int | Scales:
    """The binary position of weights, or else a scale for each output channel."""
    mantissa, exponent = np.frexp(scales)
    if scales.size == 1 and mantissa[0] == 0.5:
        return int(1 - exponent[0])
    return np.broadcast_to(scales, outputs).astype(np.float32)


def _gemm(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    by_rows = bool(node.integer("transB", 0))
    weights, scales = operands.weights(node.inputs[1], 0 if by_rows else 1)
    source = operands.map(node.inputs[0])
    by_output = weights if by_rows else np.ascontiguousarray(weights.T)
    if isinstance(source.owner, ReshapeOp) and len(shape_of(source.owner.input.type)) == 4:
        source = source.owner.input  # a Flatten: contract the map itself, so that blocks are of its channels
    shape = (*shape_of(source.type)[1:], 1, 1)[:3]
    constant = _constant(operands, node, target, source, by_output.reshape(len(by_output), *shape), scales)
    op = GemmOp(source, constant, target.encoding, clamp=target.clamp, rounding=operands.rounding)
    return operands.emit(op, node)


def _add(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    left, right = operands.map(node.inputs[0]), operands.map(node.inputs[1])
    return operands.emit(AddOp(left, right, target.encoding, clamp=target.clamp, rounding=operands.rounding), node)


def _average_pool(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    window = window_of(node)
    assert window is not None, f"{node.describe()} reads a map, as its rules demand"
    include_pad = bool(node.integer("count_include_pad", 0))
    source = operands.map(node.inputs[0])
    return operands.build(
        lambda: AvgPoolOp(
            source,
            target.encoding,
            window.kernel,
            strides=window.strides,
            pads=window.reach,
            count_include_pad=include_pad,
            clamp=target.clamp,
            rounding=operands.rounding,
        ),
        node,
    )


def _reduce_mean(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    source = operands.map(node.inputs[0])
    shape = shape_of(source.type)
    if len(shape) != 4 or shape[0] != 1 or reduced_axes(node) != (2, 3):
        return _sum(operands, node, target, (reduced_count(node) or 1).bit_length() - 1)
    kernel = (shape[2], shape[3])
    mean = AvgPoolOp(source, target.encoding, kernel, clamp=target.clamp, rounding=operands.rounding)
    result = operands.emit(mean, node)
    wanted = static_shape(node.output)
    return result if len(wanted) == 4 else operands.emit(ReshapeOp(result, wanted), node)


def _reduce_sum(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    return _sum(operands, node, target, 0)


def _sum(operands: Operands, node: OnnxOp, target: Target, places: int) -> SSAValue:
    """Sums by a matrix of ones at position `places`: over a number of elements that is 2**places, their mean."""
    source, axes, result = operands.map(node.inputs[0]), reduced_axes(node), static_shape(node.output)
    shape = shape_of(source.type)
    assert axes is not None, f"{node.describe()} has constant axes, as its rules demand"
    ones = np.zeros((prod(result), prod(shape)), np.int8)
    ones[reduced_into(axes, shape), np.arange(prod(shape))] = 1
    if len(shape) != 4 or shape[0] != 1:
        source = operands.shaped(source, (1, prod(shape)), node)
    constant = _constant(
        operands, node, target, source, ones.reshape(len(ones), *as_map(shape)), np.full(1, 2.0**-places, np.float32)
    )
    total = GemmOp(source, constant, target.encoding, clamp=target.clamp, rounding=operands.rounding)
    return operands.shaped(operands.emit(total, node), result, node)


def _concat(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    parts, shape = [operands.map(value) for value in node.inputs], static_shape(node.output)
    in_channels = len(shape) == 4 and shape[0] == 1
    if not in_channels:
        parts = [operands.shaped(part, (1, prod(shape_of(part.type)), 1, 1), node) for part in parts]
    whole = operands.build(
        lambda: ConcatOp(parts, target.encoding, clamp=target.clamp, rounding=operands.rounding), node
    )
    return whole if in_channels else _in_order(operands, node, whole, target)


def _in_order(operands: Operands, node: OnnxOp, whole: SSAValue, target: Target) -> SSAValue:
    """The elements of all operands, one operand after the other, in the order of the concatenation."""
    places: list[npt.NDArray[np.int64]] = []
    for value in node.inputs:
        first = sum(part.size for part in places)
        shape = static_shape(value)
        places.append(first + np.arange(prod(shape)).reshape(shape))
    order, shape = np.concatenate(places, axis=node.integer("axis", 1)), static_shape(node.output)
    phases = phases_of(order.reshape(-1, 1, 1), (order.size, 1, 1))
    if phases is None:
        raise Unrepresentable(f"its {order.size} elements are more than the array can put in order")
    (phase,) = phases.phases
    return operands.shaped(operands.phase(whole, phase, f"{target.name}.order", node), shape, node)


def _pad(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    source, pads = operands.map(node.inputs[0]), constant_of(node.inputs[1])
    assert pads is not None, f"{node.describe()} has constant pads, as its rules demand"
    top, left, bottom, right = (int(pad) for pad in pads[[2, 3, 6, 7]])
    padded = operands.build(lambda: PadOp(source, (top, left, bottom, right)), node)
    return _requantised(operands, node, padded, target)


LOWERINGS: dict[str, Lowering] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _gemm,
    "Add": _add,
    "Sum": _add,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _average_pool,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "Concat": _concat,
    "Pad": _pad,
    "DequantizeLinear": _same_values,
    **dict.fromkeys((*SHAPE_OPERATORS, *MOVES), _same_values),
}
