"""
The op of the `bsr` level that multiplies two maps as matrices, head by head: attention's Q·Kᵀ and P·V.

A map of one row is a matrix whose rows are pixels and whose columns are channels: tokens and their features.
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import IntegerAttr, StringAttr, UnitAttr, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_prop_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from compiler.quantization.arithmetic import LARGEST_ACCUMULATOR
from compiler.quantization.scaling import WIDEST_SHIFT, Multipliers
from dialects.bsr_attributes import (
    MAP,
    Encoding,
    Rounding,
    int_array,
    map_type,
    position_of,
    scale_of,
    shape_of,
    zero_point_of,
)
from dialects.bsr_base import FULL_RANGE, RoundingOp, result_multipliers, verify_shape
from dialects.bsr_contract import verify_shift

ONE_HEAD = IntegerAttr(1, i64)


@irdl_op_definition
class MatMulOp(RoundingOp):
    """
    For each head h and pixel t: y[h·N + n, t] = Σ a[h·K + k, t] · b[h·N + n, k], rounded once.

        %y = bsr.matmul(%a, %b) {heads = 2 : i64}
             : (tensor<1x32x1x49xi8, #bsr.fixed<7>>, tensor<1x64x1x16xi8, #bsr.fixed<4>>)
             -> tensor<1x64x1x49xi8, #bsr.fixed<4>>

    Here K is 16, the pixels of %b, and N is 32. With `transposed` the pixels of %b are N, and its channels K for each
    head: y[h·N + n, t] = Σ a[h·K + k, t] · b[h·K + k, n]. With general scales x stands for x less its zero-point, and
    one multiplier takes the sums to the result.
    """

    name = "bsr.matmul"

    left = operand_def(MAP)
    right = operand_def(MAP)
    heads_attr = prop_def(IntegerAttr.constr(i64), ONE_HEAD, prop_name="heads")
    transposed_attr = opt_prop_def(UnitAttr, prop_name="transposed")
    result = result_def(MAP)

    assembly_format = "`(` $left `,` $right `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        left: SSAValue,
        right: SSAValue,
        position: int | Encoding,
        *,
        heads: int = 1,
        transposed: bool = False,
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
    ):
        shape = _result_shape(left.type, right.type, heads, transposed)
        super().__init__(
            operands=[left, right],
            properties={
                "heads": IntegerAttr(heads, i64),
                "transposed": UnitAttr() if transposed else None,
                "clamp": int_array(clamp),
                "rounding": StringAttr(rounding),
            },
            result_types=[map_type(shape, position)],
        )

    @property
    def heads(self) -> int:
        """Matrix products beside each other, each of its own share of the channels."""
        return self.heads_attr.value.data

    @property
    def transposed(self) -> bool:
        """Whether the pixels of the second map become channels of the result."""
        return self.transposed_attr is not None

    @property
    def terms(self) -> int:
        """Products in each sum, K."""
        return shape_of(self.left.type)[1] // self.heads

    @property
    def shift(self) -> int:
        """Binary places to the right from a sum to the result."""
        return position_of(self.left.type) + position_of(self.right.type) - position_of(self.result.type)

    def multipliers(self) -> Multipliers:
        """With general scales: what takes sums to the result."""
        products = np.array(scale_of(self.left.type) * scale_of(self.right.type))
        return result_multipliers(products, self.result.type, WIDEST_SHIFT)

    def verify_(self) -> None:
        super().verify_()
        expected = _result_shape(self.left.type, self.right.type, self.heads, self.transposed)
        verify_shape("the result", shape_of(self.result.type), expected)
        largest = [128 + abs(zero_point_of(value.type)) for value in (self.left, self.right)]
        bound = self.terms * largest[0] * largest[1]
        if bound > LARGEST_ACCUMULATOR:
            raise VerifyException(
                f"{self.terms} products of values up to {largest[0]} and {largest[1]} sum up to {bound}, and int32 "
                f"holds {LARGEST_ACCUMULATOR}; fewer channels would fit"
            )
        if self.is_scaled:
            self.multipliers()
        else:
            verify_shift(self.shift)


def _result_shape(left: Attribute, right: Attribute, heads: int, transposed: bool) -> tuple[int, int, int, int]:
    """The shape that the operands imply. Refuses maps of several rows and what has no share for each head."""
    (_, channels, rows, pixels), (_, others, other_rows, other_pixels) = shape_of(left), shape_of(right)
    if (rows, other_rows) != (1, 1):
        raise VerifyException(f"matrices are maps of one row, these have {rows} and {other_rows}")
    if heads < 1 or channels % heads or others % heads:
        raise VerifyException(f"{heads} heads do not share {channels} and {others} channels evenly")
    terms, found, outputs = channels // heads, other_pixels, others
    if transposed:
        found, outputs = others // heads, heads * other_pixels
    if terms != found:
        what = "channels for each head" if transposed else "pixels"
        raise VerifyException(f"{terms} channels for each head of the first map meet {found} {what} of the second")
    return 1, outputs, 1, pixels
