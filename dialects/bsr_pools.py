"""The pools of the `bsr` level: the maximum and the mean of a sliding window."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import BoolAttr, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from compiler.quantization.scaling import LARGEST_WINDOW, MEAN_SHIFT, Multipliers
from dialects.bsr_attributes import MAP, Encoding, Rounding, encoding_of, int_array, map_type, scale_of, shape_of
from dialects.bsr_base import (
    FULL_RANGE,
    INTS,
    NO_PADS,
    ONES,
    ClampedOp,
    RoundingOp,
    four_of,
    pair_of,
    result_multipliers,
    verify_length,
    verify_same_position,
    verify_shape,
    window_shape,
)


@irdl_op_definition
class MaxPoolOp(ClampedOp):
    """
    The maximum of each window; cells of the pads never win. Rounds nothing, so the position stays.

        %y = bsr.max_pool(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>}
             : (tensor<1x64x112x112xi8, #bsr.fixed<4>>) -> tensor<1x64x56x56xi8, #bsr.fixed<4>>
    """

    name = "bsr.max_pool"

    input = operand_def(MAP)
    kernel_attr = prop_def(INTS, prop_name="kernel")
    strides_attr = prop_def(INTS, ONES, prop_name="strides")
    pads_attr = prop_def(INTS, NO_PADS, prop_name="pads")
    result = result_def(MAP)

    assembly_format = "`(` $input `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        input: SSAValue,
        kernel: tuple[int, int],
        *,
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        clamp: tuple[int, int] = FULL_RANGE,
    ):
        shape = window_shape(input.type, shape_of(input.type)[1], kernel, strides, pads)
        super().__init__(
            operands=[input],
            properties={
                "kernel": int_array(kernel),
                "strides": int_array(strides),
                "pads": int_array(pads),
                "clamp": int_array(clamp),
            },
            result_types=[map_type(shape, encoding_of(input.type))],
        )

    @property
    def kernel(self) -> tuple[int, int]:
        """Window height and width."""
        return pair_of(self.kernel_attr)

    @property
    def strides(self) -> tuple[int, int]:
        """Vertical and horizontal step."""
        return pair_of(self.strides_attr)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Cells around the map that never win: top, left, bottom, right."""
        return four_of(self.pads_attr)

    def verify_(self) -> None:
        super().verify_()
        verify_window(self)
        verify_same_position("max_pool", self.input.type, self.result.type)


@irdl_op_definition
class AvgPoolOp(RoundingOp):
    """
    The mean of each window as an exact fraction, rounded once. A global pool has a window as large as the map.

        %y = bsr.avg_pool(%x) {kernel = array<i64: 7, 7>}
             : (tensor<1x2048x7x7xi8, #bsr.fixed<3>>) -> tensor<1x2048x1x1xi8, #bsr.fixed<4>>

    The divisor is the number of the window's cells inside the map or, with `count_include_pad`, inside the map with
    its pads.
    """

    name = "bsr.avg_pool"

    input = operand_def(MAP)
    kernel_attr = prop_def(INTS, prop_name="kernel")
    strides_attr = prop_def(INTS, ONES, prop_name="strides")
    pads_attr = prop_def(INTS, NO_PADS, prop_name="pads")
    count_include_pad_attr = prop_def(BoolAttr, BoolAttr.from_bool(False), prop_name="count_include_pad")
    result = result_def(MAP)

    assembly_format = "`(` $input `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        input: SSAValue,
        position: int | Encoding,
        kernel: tuple[int, int],
        *,
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        count_include_pad: bool = False,
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
    ):
        shape = window_shape(input.type, shape_of(input.type)[1], kernel, strides, pads)
        super().__init__(
            operands=[input],
            properties={
                "kernel": int_array(kernel),
                "strides": int_array(strides),
                "pads": int_array(pads),
                "count_include_pad": BoolAttr.from_bool(count_include_pad),
                "clamp": int_array(clamp),
                "rounding": StringAttr(rounding),
            },
            result_types=[map_type(shape, position)],
        )

    @property
    def kernel(self) -> tuple[int, int]:
        """Window height and width."""
        return pair_of(self.kernel_attr)

    @property
    def strides(self) -> tuple[int, int]:
        """Vertical and horizontal step."""
        return pair_of(self.strides_attr)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Zeros around the map: top, left, bottom, right."""
        return four_of(self.pads_attr)

    @property
    def count_include_pad(self) -> bool:
        """Whether cells of the pads count in the divisor."""
        return bool(self.count_include_pad_attr)

    def multipliers(self) -> Multipliers:
        """With general scales: multiplier and shift of the exact mean."""
        return result_multipliers(np.array(scale_of(self.input.type)), self.result.type, MEAN_SHIFT)

    def verify_(self) -> None:
        super().verify_()
        verify_window(self)
        if not self.is_scaled:
            return
        if self.kernel[0] * self.kernel[1] > LARGEST_WINDOW:
            raise VerifyException(f"a mean with general scales has at most {LARGEST_WINDOW} cells; {self.kernel} given")
        self.multipliers()


def verify_window(op: MaxPoolOp | AvgPoolOp) -> None:
    """Every window of a pool overlaps the map, and the result has the shape the windows give."""
    verify_length("kernel", op.kernel_attr, 2, 1)
    verify_length("strides", op.strides_attr, 2, 1)
    verify_length("pads", op.pads_attr, 4, 0)
    (kernel_height, kernel_width), (top, left, bottom, right) = op.kernel, op.pads
    if max(top, bottom) >= kernel_height or max(left, right) >= kernel_width:
        raise VerifyException(
            f"pads {list(op.pads)} hold a whole {kernel_height}x{kernel_width} window, which pools nothing"
        )
    _, channels, _, _ = shape_of(op.input.type)
    expected = window_shape(op.input.type, channels, op.kernel, op.strides, op.pads)
    verify_shape("the result", shape_of(op.result.type), expected)
