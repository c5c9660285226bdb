"""The ops of the `bsr` level that change range, scale, values, border or shape of one map."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import StringAttr, TensorType, i8
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from compiler.quantization.scaling import WIDEST_SHIFT
from dialects.bsr_attributes import (
    MAP,
    TENSOR,
    Encoding,
    Rounding,
    encoding_of,
    int_array,
    is_scaled,
    map_type,
    position_of,
    scale_of,
    shape_of,
)
from dialects.bsr_base import (
    FULL_RANGE,
    INTS,
    BsrOp,
    RoundingOp,
    four_of,
    pair_of,
    result_multipliers,
    verify_clamp,
    verify_length,
    verify_same_position,
    verify_shape,
    window_shape,
)
from dialects.bsr_weights import DENSE, array_of
from dialects.constants import dense_attribute


@irdl_op_definition
class ClampOp(BsrOp):
    """
    Values outside the range become its ends; the position stays. `bsr-fuse-clamp` moves it into the producer.

        %y = bsr.clamp(%x) {clamp = array<i64: 0, 127>}
             : (tensor<1x64x56x56xi8, #bsr.fixed<4>>) -> tensor<1x64x56x56xi8, #bsr.fixed<4>>
    """

    name = "bsr.clamp"

    input = operand_def(TENSOR)
    clamp_attr = prop_def(INTS, prop_name="clamp")
    result = result_def(TENSOR)

    assembly_format = "`(` $input `)` attr-dict `:` functional-type(operands, results)"

    def __init__(self, input: SSAValue, clamp: tuple[int, int]):
        super().__init__(operands=[input], properties={"clamp": int_array(clamp)}, result_types=[input.type])

    @property
    def clamp(self) -> tuple[int, int]:
        """Smallest and largest int8 that leave this op."""
        return pair_of(self.clamp_attr)

    def verify_(self) -> None:
        verify_clamp(self.clamp_attr)
        verify_shape("the result", shape_of(self.result.type), shape_of(self.input.type))
        verify_same_position("clamp", self.input.type, self.result.type)


@irdl_op_definition
class RequantiseOp(RoundingOp):
    """
    The same values at another position: rounded if coarser, saturated if finer.

        %y = bsr.requantise(%x)
             : (tensor<1x64x56x56xi8, #bsr.fixed<5>>) -> tensor<1x64x56x56xi8, #bsr.fixed<4>>
    """

    name = "bsr.requantise"

    input = operand_def(TENSOR)
    result = result_def(TENSOR)

    assembly_format = "`(` $input `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        input: SSAValue,
        position: int | Encoding,
        *,
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
    ):
        super().__init__(
            operands=[input],
            properties={"clamp": int_array(clamp), "rounding": StringAttr(rounding)},
            result_types=[map_type(shape_of(input.type), position)],
        )

    @property
    def shift(self) -> int:
        """Binary places to the right; negative is to the left."""
        return position_of(self.input.type) - position_of(self.result.type)

    def verify_(self) -> None:
        super().verify_()
        verify_shape("the result", shape_of(self.result.type), shape_of(self.input.type))
        verify_scale_change(self.input.type, self.result.type)


def verify_scale_change(source: Attribute, result: Attribute) -> None:
    """There is a multiplier from one map to the other."""
    if is_scaled(source) or is_scaled(result):
        result_multipliers(np.array(scale_of(source)), result, WIDEST_SHIFT)


@irdl_op_definition
class LutOp(BsrOp):
    """
    Any function of one value: `table` has the result for each int8 in order, from -128 to 127. Its values mean what the
    type of the result says, whatever the scales are.

        %y = bsr.lut(%x) {table = dense<"0x8182…"> : tensor<256xi8>}
             : (tensor<1x64x56x56xi8, #bsr.fixed<4>>) -> tensor<1x64x56x56xi8, #bsr.fixed<7>>
    """

    name = "bsr.lut"

    input = operand_def(TENSOR)
    table = prop_def(DENSE)
    result = result_def(TENSOR)

    assembly_format = "`(` $input `)` attr-dict `:` functional-type(operands, results)"

    def __init__(self, input: SSAValue, table: npt.NDArray[np.int8], position: int | Encoding):
        super().__init__(
            operands=[input],
            properties={"table": dense_attribute(table, TensorType(i8, table.shape))},
            result_types=[map_type(shape_of(input.type), position)],
        )

    def entries(self) -> npt.NDArray[np.int8]:
        """The results for -128 to 127."""
        return array_of(self.table).reshape(-1)

    def verify_(self) -> None:
        verify_shape("the result", shape_of(self.result.type), shape_of(self.input.type))
        if self.table.type != TensorType(i8, (256,)):
            raise VerifyException(f"a table has one int8 for each of 256 values, it is {self.table.type}")


@irdl_op_definition
class PadOp(BsrOp):
    """
    Zeros (the zero-point of the map) around it: top, left, bottom, right.

        %y = bsr.pad(%x) {pads = array<i64: 1, 1, 1, 1>}
             : (tensor<1x64x56x56xi8, #bsr.fixed<4>>) -> tensor<1x64x58x58xi8, #bsr.fixed<4>>
    """

    name = "bsr.pad"

    input = operand_def(MAP)
    pads_attr = prop_def(INTS, prop_name="pads")
    result = result_def(MAP)

    assembly_format = "`(` $input `)` attr-dict `:` functional-type(operands, results)"

    def __init__(self, input: SSAValue, pads: tuple[int, int, int, int]):
        shape = window_shape(input.type, shape_of(input.type)[1], (1, 1), (1, 1), pads)
        super().__init__(
            operands=[input],
            properties={"pads": int_array(pads)},
            result_types=[map_type(shape, encoding_of(input.type))],
        )

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Zeros around the map: top, left, bottom, right."""
        return four_of(self.pads_attr)

    def verify_(self) -> None:
        verify_length("pads", self.pads_attr, 4, 0)
        expected = window_shape(self.input.type, shape_of(self.input.type)[1], (1, 1), (1, 1), self.pads)
        verify_shape("the result", shape_of(self.result.type), expected)
        verify_same_position("pad", self.input.type, self.result.type)


@irdl_op_definition
class ReshapeOp(BsrOp):
    """
    The same integers in NCHW order under another shape.

        %y = bsr.reshape(%x)
             : (tensor<1x512x7x7xi8, #bsr.fixed<4>>) -> tensor<1x25088xi8, #bsr.fixed<4>>
    """

    name = "bsr.reshape"

    input = operand_def(TENSOR)
    result = result_def(TENSOR)

    assembly_format = "`(` $input `)` attr-dict `:` functional-type(operands, results)"

    def __init__(self, input: SSAValue, shape: Sequence[int]):
        super().__init__(operands=[input], result_types=[map_type(shape, encoding_of(input.type))])

    def verify_(self) -> None:
        source, result = shape_of(self.input.type), shape_of(self.result.type)
        if prod(source) != prod(result):
            raise VerifyException(f"{list(source)} has {prod(source)} elements, {list(result)} has {prod(result)}")
        verify_same_position("reshape", self.input.type, self.result.type)
