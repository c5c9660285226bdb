"""Layers of the planners from ops of the `bsr` level that combine two maps value by value."""

from __future__ import annotations

from compiler.kernels.parameters import LARGEST_WEIGHT_SHIFT, Kernel, Parameter
from compiler.tiling.layer import Layer, MapShape
from dialects.bsr import ExtremumOp, MaxOp, MulOp, SumOp, position_of
from passes.array_layers import SATURATED, VANISHED, map_shape, rounding_constants
from passes.scaled_layers import product_constants, sum_constants

P = Parameter


def pair_layer(op: SumOp | MulOp | ExtremumOp, name: str) -> Layer:
    """An op of two maps, each of whose rows a core gets with the other's."""
    match op:
        case SumOp():
            return _sum(op, name)
        case MulOp():
            return _product(op, name)
        case _:
            kernel = Kernel.MAXIMUM if isinstance(op, MaxOp) else Kernel.MINIMUM
            shape = map_shape(op.result.type)
            return Layer(name, kernel, shape, shape, constants=rounding_constants("half_even", op.clamp))


def _sum(op: SumOp, name: str) -> Layer:
    shape, less = map_shape(op.result.type), op.SIGN < 0
    if op.is_scaled:
        kernel = Kernel.SCALED_SUBTRACT if less else Kernel.SCALED_ADD
        constants = (*sum_constants(op), *rounding_constants(op.rounding, op.clamp))
        return Layer(name, kernel, shape, shape, constants=constants)
    positions, position = (position_of(op.left.type), position_of(op.right.type)), position_of(op.result.type)
    kernel = Kernel.SUBTRACT if less else Kernel.ADD
    return sum_layer(name, shape, positions, position, op.rounding, op.clamp, kernel)


def _product(op: MulOp, name: str) -> Layer:
    """Left shifts are shared out between the operands, as far as a product that is not 0 is within int8."""
    shape, rounding = map_shape(op.result.type), rounding_constants(op.rounding, op.clamp)
    if op.is_scaled:
        constants = (*product_constants(op), *rounding)
        return Layer(name, Kernel.SCALED_MULTIPLY, shape, shape, constants=constants)
    left = min(max(-op.shift, 0), SATURATED)
    first = min(left, LARGEST_WEIGHT_SHIFT)
    shifts = ((P.SHIFT_A, first), (P.SHIFT_B, left - first), (P.SHIFT, min(max(op.shift, 0), VANISHED)))
    return Layer(name, Kernel.MULTIPLY, shape, shape, constants=(*shifts, *rounding))


def sum_layer(
    name: str,
    shape: MapShape,
    positions: tuple[int, int],
    position: int,
    rounding: str,
    clamp: tuple[int, int],
    kernel: Kernel = Kernel.ADD,
) -> Layer:
    """
    a·2^-positions[0] ± b·2^-positions[1] at `position`: both brought to the finer position, then rounded once.

    At a position that is finer still the sum moves left. From 8 places on, a sum that is not 0 saturates; and from 8
    places apart, an operand that is not 0 outweighs the other and saturates. So further makes no difference, and the
    sum fits 32 bits.
    """
    finer = max(positions)
    left, right = (finer - own for own in positions)
    if position > finer:
        moved = min(position - finer, SATURATED)
        left, right = min(left, SATURATED) + moved, min(right, SATURATED) + moved
    constants = (
        (P.SHIFT_A, left),
        (P.SHIFT_B, right),
        (P.SHIFT, min(max(finer - position, 0), VANISHED)),
        *rounding_constants(rounding, clamp),
    )
    return Layer(name, kernel, shape, shape, constants=constants)
