"""Operations on two maps of one shape, element by element, as calls."""

from __future__ import annotations

from xdsl.ir import SSAValue

from compiler.native.calls import Call, Code, Layouts, first_pixel, strides_of
from compiler.native.conv import Narrowing
from compiler.native.dot_products import DotProducts
from compiler.native.pointwise import ScaledSumCode, SumCode, Term
from compiler.native.products import ExtremumCode, Maps, ProductCode, ScaledProductCode
from dialects.bsr import ExtremumOp, MaxOp, MulOp, SumOp, position_of


def _pair_maps(
    op: SumOp | MulOp | ExtremumOp, layouts: Layouts
) -> tuple[tuple[int, int, int], Maps, tuple[tuple[SSAValue, int], ...]]:
    """Blocks, rows and columns, the strides of both operands and the result, and where these begin."""
    values = (op.left, op.right, op.result)
    left, right, result = (strides_of(layouts[value]) for value in values)
    whole = layouts[op.result]
    places = tuple(first_pixel(layouts, value) for value in values)
    return (whole.blocks, whole.rows, whole.columns), (left, right, result), places


def sum_calls(op: SumOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    """The call of a sum or a difference."""
    shape, maps, places = _pair_maps(op, layouts)
    code: Code
    if op.is_scaled:
        factors, shift = op.multipliers()
        first, second = (layouts[value].zero_point for value in (op.left, op.right))
        terms = (Term(maps[0], first, factors[0]), Term(maps[1], second, op.SIGN * factors[1]))
        zero_point = layouts[op.result].zero_point
        code = ScaledSumCode(*shape, terms, maps[2], shift, zero_point, op.clamp, op.rounding)
    else:
        positions = position_of(op.left.type), position_of(op.right.type)
        finer = max(positions)
        shifts = finer - positions[0], finer - positions[1]
        narrowing = Narrowing(finer - position_of(op.result.type), op.clamp)
        code = SumCode(*shape, *maps, shifts, narrowing, op.rounding, op.SIGN)
    return [Call(code, places)]


def product_calls(op: MulOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    """The call of a product."""
    shape, maps, places = _pair_maps(op, layouts)
    if not op.is_scaled:
        return [Call(ProductCode(shape, maps, Narrowing(op.shift, op.clamp), op.rounding), places)]
    by, (left, right, result) = (
        op.multipliers(),
        (layouts[value].zero_point for value in (op.left, op.right, op.result)),
    )
    factor, shift = int(by.factors), int(by.shifts)
    return [Call(ScaledProductCode(shape, maps, (left, right, result), factor, shift, op.clamp, op.rounding), places)]


def extremum_calls(op: ExtremumOp, layouts: Layouts, dots: DotProducts) -> list[Call]:
    """The call of a maximum or a minimum."""
    shape, maps, places = _pair_maps(op, layouts)
    return [Call(ExtremumCode(shape, maps, "max" if isinstance(op, MaxOp) else "min", op.clamp), places)]
