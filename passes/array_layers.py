"""Layers of the planners from ops of the `bsr` level: shapes, windows, Γ, and shifts from positions."""

from __future__ import annotations

from xdsl.dialects.builtin import NameLoc
from xdsl.ir import Attribute, Operation, SSAValue

from compiler.errors import InputError
from compiler.kernels.parameters import Kernel, Parameter, Rounding
from compiler.tiling.layer import Destination, Layer, MapShape, Product
from dialects.bsr import (
    AvgPoolOp,
    ClampOp,
    Conv2dOp,
    GemmOp,
    MatMulOp,
    MaxPoolOp,
    RequantiseOp,
    is_scaled,
    position_of,
    shape_of,
)
from dialects.bsr_attributes import as_map
from passes.scaled_layers import changes_scale, contraction_constants, matmul_constants, requantise_constants

P = Parameter
Constants = tuple[tuple[Parameter, int], ...]

SATURATED = 8
"""An int8 shifted left this far is 0 or saturates: further makes no difference, and 32 bits hold it."""
VANISHED = 31
"""A 32-bit sum below 2**30 shifted right this far rounds to 0: further makes no difference."""


def map_shape(type: Attribute) -> MapShape:
    """Shape of a fixed-point tensor as a map; what is no map of one image is a map of one pixel."""
    return MapShape(*as_map(shape_of(type)))


def rounding_constants(rounding: str, clamp: tuple[int, int]) -> Constants:
    """Rounding and clamp as parameters."""
    return ((P.ROUNDING, Rounding[rounding.upper()]), (P.CLAMP_LOW, clamp[0]), (P.CLAMP_HIGH, clamp[1]))


def shift_constants(shift: int) -> Constants:
    """A right shift, or for a negative one a left shift of the first operand."""
    if shift >= 0:
        return ((P.SHIFT, min(shift, VANISHED)),)
    return ((P.SHIFT_A, min(-shift, SATURATED)),)


def conv_layer(op: Conv2dOp, name: str) -> Layer:
    """The convolution alone: with a skip, it ends at the inner position."""
    clamp = op.clamp if op.skip is None else op.inner_clamp
    kernel, constants = _contraction(op)
    return Layer(
        name,
        kernel,
        map_shape(op.input.type),
        map_shape(op.result.type),
        op.kernel,
        op.strides,
        op.pads,
        op.dilations,
        op.weights_op().gamma_mask(),
        (*constants, *rounding_constants(op.rounding, clamp)),
    )


def _contraction(op: Conv2dOp | GemmOp) -> tuple[Kernel, Constants]:
    """The kernel that makes int8 of its sums, and by what."""
    if op.is_scaled:
        return Kernel.SCALED_CONV, contraction_constants(op)
    return Kernel.CONV, shift_constants(op.shift)


def gemm_layer(op: GemmOp, name: str) -> Layer:
    """A matrix product is a convolution whose kernel is the whole map."""
    shape = map_shape(op.input.type)
    kernel, constants = _contraction(op)
    return Layer(
        name,
        kernel,
        shape,
        map_shape(op.result.type),
        (shape.height, shape.width),
        gamma=op.weights_op().gamma_mask(),
        constants=(*constants, *rounding_constants(op.rounding, op.clamp)),
    )


def matmul_layer(op: MatMulOp, name: str) -> Layer:
    """A matrix product of two maps of one row."""
    left, right = map_shape(op.left.type), map_shape(op.right.type)
    kernel, numbers = Kernel.MATMUL, ()
    if op.is_scaled:
        kernel, numbers = Kernel.SCALED_MATMUL, matmul_constants(op)
    else:
        numbers = shift_constants(op.shift)
    constants = (
        *numbers,
        (P.DEPTH, left.blocks // op.heads),
        (P.TRANSPOSED, int(op.transposed)),
        *rounding_constants(op.rounding, op.clamp),
    )
    product = Product(right, op.heads, op.transposed)
    return Layer(name, kernel, left, map_shape(op.result.type), constants=constants, product=product)


def requantise_layer(
    name: str,
    input: SSAValue,
    result: SSAValue,
    rounding: str,
    clamp: tuple[int, int],
    destination: Destination = Destination(),
) -> Layer:
    """A map as another one means it, as the part of its destination that `destination` says."""
    shape = map_shape(input.type)
    kernel, constants = Kernel.REQUANTISE, ()
    if changes_scale(input, result):
        kernel, constants = Kernel.SCALED_REQUANTISE, requantise_constants(input, result)
    elif not is_scaled(result.type):
        constants = shift_constants(position_of(input.type) - position_of(result.type))
    constants = (*constants, *rounding_constants(rounding, clamp))
    return Layer(name, kernel, shape, shape, constants=constants, destination=destination)


def pool_layer(op: MaxPoolOp | AvgPoolOp, name: str) -> Layer:
    """A maximum or an average; the divisor's cells are given on the map, a core shifts them to its own rows."""
    shape = map_shape(op.input.type)
    if isinstance(op, MaxPoolOp):
        kernel, constants = Kernel.MAX_POOL, rounding_constants("half_even", op.clamp)
    else:
        top, left, bottom, right = op.pads if op.count_include_pad else (0, 0, 0, 0)
        apart = _places_of(op)
        kernel = Kernel.AVG_POOL
        if overflow := overflow_of(op):
            raise InputError(f"average pool '{name}': {overflow}; bsr-unfit-on-host moves it to the host")
        constants = (
            *rounding_constants(op.rounding, op.clamp),
            (P.COUNT_TOP, -top),
            (P.COUNT_BOTTOM, shape.height + bottom),
            (P.COUNT_LEFT, -left),
            (P.COUNT_RIGHT, shape.width + right),
            (P.NUMERATOR_SHIFT, max(apart, 0)),
            (P.DENOMINATOR_SHIFT, min(max(-apart, 0), SATURATED + 1)),
        )
    return Layer(name, kernel, shape, map_shape(op.result.type), op.kernel, op.strides, op.pads, constants=constants)


def _places_of(op: AvgPoolOp) -> int:
    """Binary places by which a mean is finer than its cells, as far as that makes a difference."""
    apart = position_of(op.result.type) - position_of(op.input.type)
    # a sum that is not 0 is at least 1, and moved so far its mean saturates
    return min(apart, SATURATED + (op.kernel[0] * op.kernel[1]).bit_length())


def overflow_of(op: AvgPoolOp) -> str:
    """Why a core cannot sum the cells of an average pool in fixed point; empty if it can."""
    apart = _places_of(op)
    largest = op.kernel[0] * op.kernel[1] << 7 + max(apart, 0)
    if largest < 1 << 31:
        return ""
    return (
        f"a window of {op.kernel[0]}x{op.kernel[1]} cells moved {apart} binary places finer sums to {largest}, a core "
        f"counts to {(1 << 31) - 1}; a coarser output position would fit"
    )


def unary_layer(op: ClampOp | RequantiseOp, name: str) -> Layer:
    """A clamp or a change of position."""
    rounding = op.rounding if isinstance(op, RequantiseOp) else "half_even"
    return requantise_layer(name, op.input, op.result, rounding, op.clamp)


def name_of(op: Operation, default: str) -> str:
    """The ONNX node an op comes from, or its tensor, or `default`."""
    location = op.location
    if isinstance(location, NameLoc) and location.desc.data:
        return location.desc.data
    return default
