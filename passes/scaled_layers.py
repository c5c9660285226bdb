"""
How the array computes an op with a general scale: multipliers and zero-points for the scaled kernels, or why it cannot.

The multipliers are those of `bsr`, to the bit; a core splits them into digits and shifts in two steps, which fits all
but a few scales. `unfit` names those.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from compiler.kernels.parameters import FACTOR_DIGIT_BITS, Parameter
from compiler.kernels.rescaling import Rescaling, RescalingError, rescaling_words
from compiler.quantization.scaling import multipliers
from compiler.tiling.chunks import SparseWeights
from dialects.bsr import (
    AppendOp,
    AvgPoolOp,
    BsrOp,
    ConcatOp,
    Conv2dOp,
    GemmOp,
    InterleaveOp,
    MatMulOp,
    MulOp,
    RequantiseOp,
    SumOp,
    contraction_multipliers,
    is_scaled,
    scale_of,
    shape_of,
    zero_point_of,
)
from passes.bsr_mean_by_conv import MOST_CELLS

P = Parameter
Constants = tuple[tuple[Parameter, int], ...]

_LEAST_SHIFT = FACTOR_DIGIT_BITS + 1
"""Of a sum of two operands: what is left when its lowest digit is gone is a right shift."""
_VANISHED = 31
"""A sum of two operands without its lowest digit is below 2^26, and shifted right this far rounds to 0."""


def rescaling_of(op: Conv2dOp | GemmOp) -> Rescaling:
    """What makes int8 of the op's sums. Raises RescalingError if a core cannot."""
    weights = op.weights_op()
    return Rescaling.of(contraction_multipliers(op), weights.bias_values(), _magnitudes(op), op.rounding)


def sparse_weights(op: Conv2dOp | GemmOp) -> SparseWeights:
    """What goes into the chunks of a contraction."""
    weights = op.weights_op()
    gamma, values, bias = weights.gamma_mask(), weights.block_values(), weights.bias_values()
    if not op.is_scaled:
        return SparseWeights(gamma, values, bias)
    rescaling = rescaling_of(op)
    return SparseWeights(gamma, values, rescaling.bias, rescaling, edges_of(op))


def edges_of(op: Conv2dOp | GemmOp) -> npt.NDArray[np.int32]:
    """What a row of the input's zero-points adds, int32[taps, outputs]; no taps if no window sees one."""
    weights, zero = op.weights_op(), zero_point_of(op.input.type)
    if not _sees_rows_of_zeros(op):
        return np.zeros((0, weights.shape[0]), np.int32)
    sums = weights.dense().astype(np.int64).sum(axis=(1, 3))
    return (zero * sums.T).astype(np.int32)


def contraction_constants(op: Conv2dOp | GemmOp) -> Constants:
    """Parameters of a scaled convolution beside its clamp."""
    taps = op.kernel[0] if isinstance(op, Conv2dOp) and _sees_rows_of_zeros(op) else 0
    return (
        (P.SHIFT, rescaling_of(op).shift),
        (P.ZERO_A, zero_point_of(op.input.type)),
        (P.ZERO, zero_point_of(op.result.type)),
        (P.RESCALING_WORDS, rescaling_words(taps)),
    )


def sum_constants(op: SumOp) -> Constants:
    """Parameters of a scaled sum or difference beside its rounding and clamp."""
    factors, shift = op.multipliers()
    return _operand_constants(factors, shift, (op.left, op.right), op.result)


def product_constants(op: MulOp) -> Constants:
    """Parameters of a scaled product beside its rounding and clamp. Raises RescalingError if a core cannot."""
    return _product_constants(op, Rescaling.of_products(op.multipliers(), op.rounding))


def matmul_constants(op: MatMulOp) -> Constants:
    """Those of a scaled matrix product, whose sums have one multiplier. Raises RescalingError if a core cannot."""
    rescaling = Rescaling.of_products(op.multipliers(), op.rounding, op.terms)
    return (*_product_constants(op, rescaling), (P.TERMS, op.terms))


def _product_constants(op: MulOp | MatMulOp, rescaling: Rescaling) -> Constants:
    low, high = rescaling.digits
    return (
        (P.SHIFT, rescaling.shift),
        (P.ZERO_A, zero_point_of(op.left.type)),
        (P.ZERO_B, zero_point_of(op.right.type)),
        (P.ZERO, zero_point_of(op.result.type)),
        (P.FACTOR_A, low),
        (P.FACTOR_B, high),
        (P.TIE_MASK, int(rescaling.masks[0])),
    )


def requantise_constants(input: SSAValue, result: SSAValue) -> Constants:
    """Parameters of a scaled requantisation beside its rounding and clamp."""
    by = multipliers(np.array(scale_of(input.type)), scale_of(result.type))
    return _operand_constants((int(by.factors),), int(by.shifts), (input,), result)


def unfit(op: BsrOp) -> str:
    """Why the array cannot compute a scaled op, or an empty string."""
    match op:
        case Conv2dOp() | GemmOp():
            try:
                rescaling_of(op)
            except RescalingError as error:
                return str(error)
            return ""
        case SumOp():
            return _too_far(op.multipliers()[1], "operands")
        case MulOp() | MatMulOp():
            try:
                Rescaling.of_products(op.multipliers(), op.rounding, op.terms if isinstance(op, MatMulOp) else 1)
            except RescalingError as error:
                return str(error)
            return ""
        case RequantiseOp():
            return _unfit_change(op.input, op.result)
        case ConcatOp():
            if any(shape_of(value.type)[1] % 8 for value in op.inputs[:-1]):
                return (
                    "its operands do not end on a block of 8 channels, and a core places channels only of scales that "
                    "are less than 32 times that of the result"
                )
            return _unfit_changes(op)
        case AppendOp() | InterleaveOp():
            return _unfit_changes(op)
        case AvgPoolOp():
            return (
                "its mean needs a quotient of 64 bits, which a core does not have; windows of up to "
                f"{MOST_CELLS} cells, as many in each, whose sums a multiplier rounds as the quotient does, would be a "
                "convolution with ones"
            )
        case _:
            return ""


def changes_scale(input: SSAValue, result: SSAValue) -> bool:
    """Whether going from one map to another takes a multiplier or a zero-point."""
    scaled = is_scaled(input.type) or is_scaled(result.type)
    return scaled and (scale_of(input.type), zero_point_of(input.type)) != (
        scale_of(result.type),
        zero_point_of(result.type),
    )


def _unfit_changes(op: AppendOp | ConcatOp | InterleaveOp) -> str:
    return next(filter(None, (_unfit_change(value, op.result) for value in op.inputs)), "")


def _unfit_change(input: SSAValue, result: SSAValue) -> str:
    if not changes_scale(input, result):
        return ""
    return _too_far(int(multipliers(np.array(scale_of(input.type)), scale_of(result.type)).shifts), "input")


def _too_far(shift: int, what: str) -> str:
    if shift >= _LEAST_SHIFT:
        return ""
    return (
        f"the scale of its {what} is 2^{30 - shift} times that of its result or more, and a core multiplies by less "
        f"than 2^{31 - _LEAST_SHIFT}"
    )


def _operand_constants(factors: Sequence[int], shift: int, inputs: Sequence[SSAValue], result: SSAValue) -> Constants:
    names = ((P.FACTOR_A, P.ZERO_A), (P.FACTOR_B, P.ZERO_B))
    constants: list[tuple[Parameter, int]] = [
        (P.SHIFT, min(shift - FACTOR_DIGIT_BITS, _VANISHED)),
        (P.ZERO, zero_point_of(result.type)),
    ]
    for (factor, zero), number, value in zip(names, factors, inputs, strict=False):
        constants += [(factor, number), (zero, zero_point_of(value.type))]
    return tuple(constants)


def _sees_rows_of_zeros(op: Conv2dOp | GemmOp) -> bool:
    """Whether windows reach above or below the map, where the zero-point is not 0."""
    if not isinstance(op, Conv2dOp) or zero_point_of(op.input.type) == 0:
        return False
    return _reaches_out(op)


def _reaches_out(op: Conv2dOp) -> bool:
    rows, height = shape_of(op.result.type)[2], shape_of(op.input.type)[2]
    last = (rows - 1) * op.strides[0] - op.pads[0] + (op.kernel[0] - 1) * op.dilations[0]
    return op.pads[0] > 0 or last >= height


def _magnitudes(op: Conv2dOp | GemmOp) -> npt.NDArray[np.int64]:
    """Σ |w| of each output channel."""
    weights = op.weights_op()
    gamma, values = weights.gamma_mask(), weights.block_values()
    each = np.abs(values, dtype=np.int16, casting="unsafe").sum(axis=(1, 2, 3), dtype=np.int64)
    total = np.zeros((gamma.shape[0], 8), np.int64)
    np.add.at(total, np.nonzero(gamma)[0], each)
    return total.reshape(-1)[: weights.shape[0]]
