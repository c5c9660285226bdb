"""Sums of products between Dequantize and QuantizeLinear: convolutions, matrix products and sums over axes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from compiler.quantization.arithmetic import LARGEST_ACCUMULATOR, accumulator_bound
from dialects.bsr import (
    Conv2dOp,
    GemmOp,
    InterleaveOp,
    MatMulOp,
    ReshapeOp,
    WeightsOp,
    scale_of,
    shape_of,
    zero_point_of,
)
from dialects.bsr_attributes import as_map
from dialects.bsr_weights import Scales
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import constant_of
from dialects.onnx_reductions import reduced_axes, reduced_into
from dialects.onnx_transposed import phase_weights, transposed_window, weights_by_output
from dialects.onnx_window import window_of
from passes.fixed_point_constants import bias_integers, weight_integers
from passes.fixed_point_operands import Operands
from passes.fixed_point_values import Unrepresentable, static_shape
from passes.matrix_operands import constant_map, operand_map, right_operand, stack_of, tensor_of
from passes.quantised_target import Target
from passes.token_rows import has_rows, is_transposed_map


def conv(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    window = window_of(node)
    assert window is not None, f"{node.describe()} reads a map, as its rules demand"
    source = operands.map(node.inputs[0])
    weights, scales = weight_integers(node.inputs[1], 0)
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


def conv_transpose(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """A convolution for each phase, and their pixels in turn."""
    window = transposed_window(node)
    assert window is not None, f"{node.describe()} reads a map, as its rules demand"
    source = operands.map(node.inputs[0])
    weights, scales = weight_integers(node.inputs[1], 1)
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
    bias = bias_integers(node, products, len(weights)).astype(np.int64)
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


def gemm(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    by_rows = bool(node.integer("transB", 0))
    weights, scales = weight_integers(node.inputs[1], 0 if by_rows else 1)
    source = operands.map(node.inputs[0])
    by_output = weights if by_rows else np.ascontiguousarray(weights.T)
    if isinstance(source.owner, ReshapeOp) and len(shape_of(source.owner.input.type)) == 4:
        source = source.owner.input  # a Flatten: contract the map itself, so that blocks are of its channels
    shape = (*shape_of(source.type)[1:], 1, 1)[:3]
    constant = _constant(operands, node, target, source, by_output.reshape(len(by_output), *shape), scales)
    op = GemmOp(source, constant, target.encoding, clamp=target.clamp, rounding=operands.rounding)
    return operands.emit(op, node)


def matmul(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """
    A product by constant weights, of a vector or of each row; or one of two stacks of matrices that are computed.

    Zero-points stay in the ops of two maps, which take them off; those of weights go into the bias.
    """
    if not _is_constant(node.inputs[1]):
        return _of_two_maps(operands, node, target)
    shape = static_shape(node.inputs[0])
    return gemm(operands, node, target) if len(shape) == 2 and shape[0] == 1 else _by_rows(operands, node, target)


def _is_constant(value: SSAValue) -> bool:
    owner = value.owner
    if isinstance(owner, OnnxOp) and is_operator(owner, "DequantizeLinear"):
        value = owner.inputs[0]
    return constant_of(value) is not None


def _of_two_maps(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    stacks = [stack_of(static_shape(value)) for value in node.inputs]
    left = operand_map(operands, node.inputs[0], stacks[0], node, key=f"{target.name}.left")
    right, transposed = right_operand(operands, node.inputs[1], stacks[1], node, key=f"{target.name}.right")
    heads = stacks[0][0]
    product = operands.build(
        lambda: MatMulOp(
            left,
            right,
            target.encoding,
            heads=heads,
            transposed=transposed,
            clamp=target.clamp,
            rounding=operands.rounding,
        ),
        node,
    )
    return tensor_of(operands, product, heads, static_shape(node.output), node)


def _by_rows(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """A dense layer on each of several rows, which are the pixels of a map: a convolution."""
    by_output = bool(node.integer("transB", 0))
    weights, scales = weight_integers(node.inputs[1], 0 if by_output else 1)
    columns = weights if by_output else np.ascontiguousarray(weights.T)
    heads, rows, terms = stack_of(static_shape(node.inputs[0]))
    source = operand_map(operands, node.inputs[0], (1, heads * rows, terms), node, key=f"{target.name}.rows")
    constant = _constant(operands, node, target, source, columns[:, :, None, None], scales)
    made = operands.build(
        lambda: Conv2dOp(source, constant, target.encoding, clamp=target.clamp, rounding=operands.rounding), node
    )
    return tensor_of(operands, made, 1, static_shape(node.output), node)


def weighted_sum(operands: Operands, node: OnnxOp, target: Target, places: int) -> SSAValue:
    """Sums by a matrix of ones at position `places`: over a number of elements that is 2**places, their mean."""
    source, axes, result = operands.map(node.inputs[0]), reduced_axes(node), static_shape(node.output)
    shape = shape_of(source.type)
    assert axes is not None, f"{node.describe()} has constant axes, as its rules demand"
    ones = np.zeros((prod(result), prod(shape)), np.int8)
    ones[reduced_into(axes, shape), np.arange(prod(shape))] = 1
    if has_rows(shape) and is_transposed_map(source):
        source = operand_map(operands, node.inputs[0], stack_of(shape), node, key=f"{target.name}.rows")
        ones = ones[:, constant_map(np.arange(prod(shape)).reshape(shape), shape).reshape(-1)]
    elif len(shape) != 4 or shape[0] != 1:
        source = operands.shaped(source, (1, prod(shape)), node)
    weights = ones.reshape(len(ones), *as_map(shape_of(source.type)))
    constant = _constant(operands, node, target, source, weights, np.full(1, 2.0**-places, np.float32))
    total = GemmOp(source, constant, target.encoding, clamp=target.clamp, rounding=operands.rounding)
    return operands.shaped(operands.emit(total, node), result, node)
