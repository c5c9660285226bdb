"""
Runs a module of the `bsr` level: the meaning of its ops, computed from Γ and the stored blocks.

Convolutions gather, for every block of eight output channels, only the input blocks that Γ marks, and multiply them
with the stored 8×8 blocks; a block that is not stored is never looked at. So an error in Γ, in the order of the blocks
or in their padding shows as wrong numbers against the reference, which knows nothing of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue

from compiler.errors import InputError
from compiler.interpret.bsr_contractions import Array, Values, around_zero, conv2d, gemm, matmul
from compiler.interpret.execution import Arrays, Execution, entry_of
from compiler.interpret.host import run_host_model
from compiler.interpret.moves import move_words
from compiler.quantization.arithmetic import Clamp, Rounding, add_int8, average, requantise, saturate_int8
from compiler.quantization.scaling import multipliers, round_shifts, scale_mean, scale_round
from dialects.bsr import (
    AppendOp,
    AvgPoolOp,
    BsrOp,
    ClampOp,
    ConcatOp,
    Conv2dOp,
    GemmOp,
    HostOp,
    InterleaveOp,
    LutOp,
    MatMulOp,
    MaxOp,
    MaxPoolOp,
    MinOp,
    MoveOp,
    MulOp,
    PadOp,
    RequantiseOp,
    ReshapeOp,
    SumOp,
    TransposeOp,
    WeightsOp,
    is_scaled,
    position_of,
    scale_of,
    shape_of,
    zero_point_of,
)


def interpret_bsr(module: ModuleOp, inputs: Mapping[str, Array]) -> Execution:
    """Run @main on the named inputs; `tensors` are the results of all ops that carry `bsr.tensor`."""
    entry = entry_of(module)
    block = entry.function.body.block
    values: dict[SSAValue, Array] = dict(zip(block.args, entry.bind(inputs), strict=True))
    last_use = {operand: op for op in block.ops for operand in op.operands}
    tensors: Arrays = {}
    for op in block.ops:
        if op is entry.terminator:
            break
        if isinstance(op, WeightsOp):
            continue
        results = run_operation(op, values)
        values.update(zip(op.results, results, strict=True))
        if isinstance(op, BsrOp) and op.tensor_name:
            tensors[op.tensor_name] = results[0]
        for operand in set(op.operands):
            if last_use[operand] is op:
                values.pop(operand, None)
    outputs = [values[value] for value in entry.terminator.arguments]
    return Execution(dict(zip(entry.outputs, outputs, strict=True)), tensors)


def run_operation(op: Operation, values: Values) -> list[Array]:
    """The results of one operation from those of its operands."""
    if isinstance(op, HostOp):
        return run_host_model(op.model_bytes(), [values[operand] for operand in op.inputs])
    if isinstance(op, MoveOp):
        return [move_words(op, [values[operand] for operand in op.inputs])]
    for kind, implementation in IMPLEMENTATIONS.items():
        if isinstance(op, kind):
            return [implementation(op, values)]
    raise InputError(f"'{op.name}' has no meaning at the bsr level; convert the module to bsr first")


def _sum(op: SumOp, values: Values) -> Array:
    if op.is_scaled:
        factors, shift = op.multipliers()
        left, right = (around_zero(values[value], value.type) for value in (op.left, op.right))
        total = round_shifts(left * factors[0] + op.SIGN * right * factors[1], np.array(shift), op.rounding)
        return saturate_int8(zero_point_of(op.result.type) + total, op.clamp)
    return add_int8(
        values[op.left],
        position_of(op.left.type),
        op.SIGN * values[op.right].astype(np.int64),
        position_of(op.right.type),
        position_of(op.result.type),
        op.rounding,
        op.clamp,
    )


def _mul(op: MulOp, values: Values) -> Array:
    left, right = (around_zero(values[value], value.type) for value in (op.left, op.right))
    if op.is_scaled:
        product = scale_round(left * right, op.multipliers(), op.rounding)
        return saturate_int8(zero_point_of(op.result.type) + product, op.clamp)
    return requantise(left * right, op.shift, op.rounding, op.clamp)


def _max(op: MaxOp, values: Values) -> Array:
    return saturate_int8(np.maximum(values[op.left], values[op.right]), op.clamp)


def _min(op: MinOp, values: Values) -> Array:
    return saturate_int8(np.minimum(values[op.left], values[op.right]), op.clamp)


def _windows(padded: Array, op: MaxPoolOp | AvgPoolOp) -> Array:
    """A view (1, channels, rows, columns, kernel height, kernel width) of all windows over a padded map."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, op.kernel, axis=(2, 3))
    return windows[:, :, :: op.strides[0], :: op.strides[1]]


def _max_pool(op: MaxPoolOp, values: Values) -> Array:
    top, left, bottom, right = op.pads
    padded = np.pad(values[op.input], ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=-128)
    return saturate_int8(_windows(padded, op).max(axis=(4, 5)), op.clamp)


def _avg_pool(op: AvgPoolOp, values: Values) -> Array:
    source = around_zero(values[op.input], op.input.type)
    top, left, bottom, right = op.pads
    around = ((0, 0), (0, 0), (top, bottom), (left, right))
    cells = np.pad(np.ones_like(source[:, :1]), around, constant_values=int(op.count_include_pad))
    total = _windows(np.pad(source, around), op).sum(axis=(4, 5))
    count = _windows(cells, op).sum(axis=(4, 5))
    if op.is_scaled:
        by = op.multipliers()
        mean = scale_mean(total, count, (int(by.factors), int(by.shifts)), op.rounding)
        return saturate_int8(zero_point_of(op.result.type) + mean, op.clamp)
    shift = position_of(op.input.type) - position_of(op.result.type)
    return average(total, count, shift, op.rounding, op.clamp)


def _concat(op: ConcatOp, values: Values) -> Array:
    parts = [_changed(values[value], value.type, op.result.type, op.rounding, op.clamp) for value in op.inputs]
    return np.concatenate(parts, axis=1)


def _append(op: AppendOp, values: Values) -> Array:
    parts = [_changed(values[value], value.type, op.result.type, op.rounding, op.clamp) for value in op.inputs]
    return np.concatenate(parts, axis=op.axis)


def _interleave(op: InterleaveOp, values: Values) -> Array:
    result = np.empty(shape_of(op.result.type), np.int8)
    for value, (row, column) in zip(op.inputs, op.offsets, strict=True):
        part = _changed(values[value], value.type, op.result.type, op.rounding, op.clamp)
        result[:, :, row :: op.steps[0], column :: op.steps[1]] = part
    return result


def _clamp(op: ClampOp, values: Values) -> Array:
    return saturate_int8(values[op.input], op.clamp)


def _requantise(op: RequantiseOp, values: Values) -> Array:
    return _changed(values[op.input], op.input.type, op.result.type, op.rounding, op.clamp)


def _lut(op: LutOp, values: Values) -> Array:
    return op.entries()[values[op.input].astype(np.int64) + 128]


def _changed(values: Array, source: Attribute, result: Attribute, rounding: Rounding, clamp: Clamp) -> Array:
    """Integers of a map of type `source` as those of type `result`."""
    if not is_scaled(source) and not is_scaled(result):
        return requantise(values, position_of(source) - position_of(result), rounding, clamp)
    by = multipliers(np.array(scale_of(source)), scale_of(result))
    return saturate_int8(zero_point_of(result) + scale_round(around_zero(values, source), by, rounding), clamp)


def _pad(op: PadOp, values: Values) -> Array:
    top, left, bottom, right = op.pads
    around = ((0, 0), (0, 0), (top, bottom), (left, right))
    return np.pad(values[op.input], around, constant_values=zero_point_of(op.input.type))


def _reshape(op: ReshapeOp, values: Values) -> Array:
    return values[op.input].reshape(shape_of(op.result.type))


def _transpose(op: TransposeOp, values: Values) -> Array:
    return values[op.input].reshape(op.split).transpose(op.permutation).reshape(shape_of(op.result.type))


IMPLEMENTATIONS: dict[type[Operation], Callable[[Any, Values], Array]] = {
    Conv2dOp: conv2d,
    GemmOp: gemm,
    SumOp: _sum,
    MulOp: _mul,
    MatMulOp: matmul,
    MaxOp: _max,
    MinOp: _min,
    MaxPoolOp: _max_pool,
    AvgPoolOp: _avg_pool,
    AppendOp: _append,
    ConcatOp: _concat,
    InterleaveOp: _interleave,
    ClampOp: _clamp,
    RequantiseOp: _requantise,
    LutOp: _lut,
    PadOp: _pad,
    ReshapeOp: _reshape,
    TransposeOp: _transpose,
}
