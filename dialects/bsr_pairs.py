"""The ops of the `bsr` level that combine two maps of one shape, value by value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from compiler.quantization.scaling import WIDEST_SHIFT, Multipliers, ScaleError, sum_multipliers
from dialects.bsr_attributes import (
    TENSOR,
    Encoding,
    Rounding,
    encoding_of,
    int_array,
    map_type,
    position_of,
    scale_of,
    shape_of,
)
from dialects.bsr_base import (
    FULL_RANGE,
    ClampedOp,
    RoundingOp,
    result_multipliers,
    verify_alignment,
    verify_same_position,
    verify_shape,
)

_FORMAT = "`(` $left `,` $right `)` attr-dict `:` functional-type(operands, results)"


def _verify_shapes(left: Attribute, right: Attribute, result: Attribute) -> None:
    verify_shape("the second operand", shape_of(right), shape_of(left))
    verify_shape("the result", shape_of(result), shape_of(left))


class RoundedPairOp(RoundingOp):
    """Two maps of one shape into a third, rounded once."""

    left = operand_def(TENSOR)
    right = operand_def(TENSOR)
    result = result_def(TENSOR)

    def __init__(
        self,
        left: SSAValue,
        right: SSAValue,
        position: int | Encoding,
        *,
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
    ):
        super().__init__(
            operands=[left, right],
            properties={"clamp": int_array(clamp), "rounding": StringAttr(rounding)},
            result_types=[map_type(shape_of(left.type), position)],
        )

    def verify_(self) -> None:
        super().verify_()
        _verify_shapes(self.left.type, self.right.type, self.result.type)


class SumOp(RoundedPairOp):
    """A sum or a difference: both operands at the finer position, then rounded once."""

    SIGN: ClassVar[int]
    """Of the second operand."""

    def verify_(self) -> None:
        super().verify_()
        if not self.is_scaled:
            verify_alignment(position_of(self.left.type), position_of(self.right.type))
            return
        try:
            self.multipliers()
        except ScaleError as error:
            raise VerifyException(str(error)) from error

    def multipliers(self) -> tuple[tuple[int, ...], int]:
        """With general scales: the multipliers of both operands and the shift after their sum."""
        return sum_multipliers((scale_of(self.left.type), scale_of(self.right.type)), scale_of(self.result.type))


@irdl_op_definition
class AddOp(SumOp):
    """
    The sum of two maps of one shape, rounded once.

        %y = bsr.add(%a, %b) {clamp = array<i64: 0, 127>}
             : (tensor<1x64x56x56xi8, #bsr.fixed<5>>, tensor<1x64x56x56xi8, #bsr.fixed<4>>)
             -> tensor<1x64x56x56xi8, #bsr.fixed<4>>
    """

    name = "bsr.add"
    SIGN: ClassVar[int] = 1
    assembly_format = _FORMAT


@irdl_op_definition
class SubOp(SumOp):
    """
    The first map less the second one, rounded once.

        %y = bsr.sub(%a, %b)
             : (tensor<1x64x56x56xi8, #bsr.fixed<5>>, tensor<1x64x56x56xi8, #bsr.fixed<4>>)
             -> tensor<1x64x56x56xi8, #bsr.fixed<4>>
    """

    name = "bsr.sub"
    SIGN: ClassVar[int] = -1
    assembly_format = _FORMAT


@irdl_op_definition
class MulOp(RoundedPairOp):
    """
    The product of two maps of one shape, rounded once; with general scales, by one multiplier.

        %y = bsr.mul(%a, %b)
             : (tensor<1x64x56x56xi8, #bsr.fixed<5>>, tensor<1x64x56x56xi8, #bsr.fixed<7>>)
             -> tensor<1x64x56x56xi8, #bsr.fixed<5>>
    """

    name = "bsr.mul"
    assembly_format = _FORMAT

    @property
    def shift(self) -> int:
        """Binary places to the right from a product of the operands to the result."""
        return position_of(self.left.type) + position_of(self.right.type) - position_of(self.result.type)

    def verify_(self) -> None:
        super().verify_()
        if self.is_scaled:
            self.multipliers()

    def multipliers(self) -> Multipliers:
        """With general scales: what takes products to the result."""
        products = np.array(scale_of(self.left.type) * scale_of(self.right.type))
        return result_multipliers(products, self.result.type, WIDEST_SHIFT)


class ExtremumOp(ClampedOp):
    """The larger or the smaller of two values. Rounds nothing, so both operands and the result mean the same."""

    left = operand_def(TENSOR)
    right = operand_def(TENSOR)
    result = result_def(TENSOR)

    def __init__(self, left: SSAValue, right: SSAValue, *, clamp: tuple[int, int] = FULL_RANGE):
        super().__init__(
            operands=[left, right],
            properties={"clamp": int_array(clamp)},
            result_types=[map_type(shape_of(left.type), encoding_of(left.type))],
        )

    def verify_(self) -> None:
        super().verify_()
        _verify_shapes(self.left.type, self.right.type, self.result.type)
        for value in (self.left, self.right):
            verify_same_position(self.name.split(".")[1], value.type, self.result.type)


@irdl_op_definition
class MaxOp(ExtremumOp):
    """
    The larger value of two maps.

        %y = bsr.max(%a, %b)
             : (tensor<1x64x56x56xi8, #bsr.fixed<4>>, tensor<1x64x56x56xi8, #bsr.fixed<4>>)
             -> tensor<1x64x56x56xi8, #bsr.fixed<4>>
    """

    name = "bsr.max"
    assembly_format = _FORMAT


@irdl_op_definition
class MinOp(ExtremumOp):
    """
    The smaller value of two maps.

        %y = bsr.min(%a, %b)
             : (tensor<1x64x56x56xi8, #bsr.fixed<4>>, tensor<1x64x56x56xi8, #bsr.fixed<4>>)
             -> tensor<1x64x56x56xi8, #bsr.fixed<4>>
    """

    name = "bsr.min"
    assembly_format = _FORMAT
