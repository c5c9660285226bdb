"""
How each ONNX operator between Dequantize and QuantizeLinear becomes ops of the `bsr` level.

    %q = onnx.QuantizeLinear(onnx.Relu(onnx.Conv(dequantised…)))   ->   %y = bsr.conv2d(%x, %w) {clamp = [0, 127]}

One function per operator: it gets the node, the position of the QuantizeLinear after it and the clamp that Relu and
Clip in between amount to. It refuses, by `Unrepresentable`, whatever it cannot express exactly.
"""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from compiler.quantization.arithmetic import INT8_RANGE
from dialects.bsr import (
    AppendOp,
    AvgPoolOp,
    ConcatOp,
    LutOp,
    PadOp,
    ReshapeOp,
    encoding_of,
    map_type,
    shape_of,
)
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import constant_of
from dialects.onnx_functions import ONLY_IN_FUNCTIONS, function_of
from dialects.onnx_moves import MOVES
from dialects.onnx_reductions import reduced_axes, reduced_count
from dialects.onnx_window import window_of
from passes.fixed_point_operands import SHAPE_OPERATORS, Operands
from passes.fixed_point_values import (
    UNBOUNDED,
    Unrepresentable,
    bounds_of,
    integer_clamp,
    linear_encoding,
    require_rules,
    static_shape,
)
from passes.function_tables import table_of
from passes.interpolated_maps import interpolated
from passes.interpolations import interpolates
from passes.pixel_phases import phases_of
from passes.quantised_pairs import PAIRS
from passes.quantised_products import conv, conv_transpose, matmul, weighted_sum
from passes.quantised_target import Lowering, Target, requantised


def lower_quantize(operands: Operands, quantize: OnnxOp, name: str) -> SSAValue:
    """The bsr value that equals the result of a QuantizeLinear; `name` is free for its weights."""
    encoding = linear_encoding(quantize)
    function = function_of(quantize.inputs[0])
    if function is not None:
        last = quantize.inputs[0].owner
        assert isinstance(last, OnnxOp), "a function has nodes"
        source = operands.map(function.source)
        return operands.emit(LutOp(source, table_of(function, quantize), encoding), last)
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
    return requantised(operands, node, operands.map(target.value), target)


def _max_pool(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    if encoding_of(operands.map(node.inputs[0]).type) == target.encoding:
        return operands.max_pool(node, target.clamp)
    return requantised(operands, node, operands.max_pool(node, INT8_RANGE), target)


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
        return weighted_sum(operands, node, target, (reduced_count(node) or 1).bit_length() - 1)
    kernel = (shape[2], shape[3])
    mean = AvgPoolOp(source, target.encoding, kernel, clamp=target.clamp, rounding=operands.rounding)
    result = operands.emit(mean, node)
    wanted = static_shape(node.output)
    return result if len(wanted) == 4 else operands.emit(ReshapeOp(result, wanted), node)


def _reduce_sum(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    return weighted_sum(operands, node, target, 0)


def _concat(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    parts, shape = [operands.map(value) for value in node.inputs], static_shape(node.output)
    in_channels, axis = len(shape) == 4 and shape[0] == 1, node.integer("axis", 1) % len(shape)
    if in_channels and axis > 1:
        append = partial(AppendOp, parts, axis, target.encoding, clamp=target.clamp, rounding=operands.rounding)
        return operands.build(append, node)
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
    return requantised(operands, node, padded, target)


def _resize(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    return (interpolated if interpolates(node) else _same_values)(operands, node, target)


def _no_function(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    raise Unrepresentable(f"{node.describe()} is no function of one int8 tensor with the nodes before it")


LOWERINGS: dict[str, Lowering] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": matmul,
    "MatMul": matmul,
    **PAIRS,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _average_pool,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "Concat": _concat,
    "Pad": _pad,
    "DequantizeLinear": _same_values,
    **dict.fromkeys(ONLY_IN_FUNCTIONS, _no_function),
    **dict.fromkeys((*SHAPE_OPERATORS, *MOVES), _same_values),
    "Resize": _resize,
}
