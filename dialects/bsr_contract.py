"""The two ops that contract over input channels with a `bsr.weights`: `bsr.conv2d` and `bsr.gemm`."""

from __future__ import annotations

from xdsl.dialects.builtin import (
    IntegerAttr,
    StringAttr,
    i64,
)
from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from compiler.quantization.scaling import WIDEST_SHIFT, Multipliers
from dialects.bsr_attributes import (
    MAP,
    VECTOR_OR_MAP,
    WEIGHTS,
    Encoding,
    Rounding,
    int_array,
    map_type,
    position_of,
    scale_of,
    shape_of,
)
from dialects.bsr_base import (
    FULL_RANGE,
    FULL_RANGE_ATTR,
    INTS,
    NO_PADS,
    ONES,
    RoundingOp,
    four_of,
    pair_of,
    result_multipliers,
    verify_alignment,
    verify_clamp,
    verify_length,
    verify_shape,
    window_shape,
)
from dialects.bsr_weights import WeightsOp, weights_of


@irdl_op_definition
class Conv2dOp(RoundingOp):
    """
    A convolution with bias, rounding, clamp and, optionally, a residual addition. Groups have become zero blocks of Γ.

        %y = bsr.conv2d(%x, %w) {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>, clamp = array<i64: 0, 127>}
             : (tensor<1x3x224x224xi8, #bsr.fixed<5>>, tensor<64x3x7x7xi8, #bsr.blocks<7, 8 of 8>>)
             -> tensor<1x64x112x112xi8, #bsr.fixed<4>>
        %z = bsr.conv2d(%x, %w, %skip) {inner_position = 4 : i64} : (…, …, …) -> …

    With a skip, the convolution is first rounded to int8 at `inner_position` and clamped to `inner_clamp`, as the
    separate convolution was; then skip is added, rounded to the result's position and clamped. So the fusion changes
    no bit. `pads` is top, left, bottom, right, and each pad cell is the zero-point of the input.

    With a general scale somewhere, `multipliers` takes the place of the shift:
    y = clamp(int8(zero_y + round(acc · m · 2^-s))), with m and s for each output channel. There is no skip then.
    """

    name = "bsr.conv2d"

    input = operand_def(MAP)
    weights = operand_def(WEIGHTS)
    skip = opt_operand_def(MAP)
    strides_attr = prop_def(INTS, ONES, prop_name="strides")
    pads_attr = prop_def(INTS, NO_PADS, prop_name="pads")
    dilations_attr = prop_def(INTS, ONES, prop_name="dilations")
    inner_position_attr = opt_prop_def(IntegerAttr.constr(i64), prop_name="inner_position")
    inner_clamp_attr = prop_def(INTS, FULL_RANGE_ATTR, prop_name="inner_clamp")
    result = result_def(MAP)

    assembly_format = "`(` $input `,` $weights (`,` $skip^)? `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        position: int | Encoding,
        *,
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilations: tuple[int, int] = (1, 1),
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
        skip: SSAValue | None = None,
        inner_position: int | None = None,
        inner_clamp: tuple[int, int] = FULL_RANGE,
    ):
        outputs, _, *kernel = shape_of(weights.type)
        shape = window_shape(input.type, outputs, (kernel[0], kernel[1]), strides, pads, dilations)
        super().__init__(
            operands=[input, weights, skip],
            properties={
                "strides": int_array(strides),
                "pads": int_array(pads),
                "dilations": int_array(dilations),
                "clamp": int_array(clamp),
                "rounding": StringAttr(rounding),
                "inner_clamp": int_array(inner_clamp),
                **({} if inner_position is None else {"inner_position": IntegerAttr(inner_position, i64)}),
            },
            result_types=[map_type(shape, position)],
        )

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel height and width."""
        _, _, height, width = shape_of(self.weights.type)
        return height, width

    @property
    def strides(self) -> tuple[int, int]:
        """Vertical and horizontal step."""
        return pair_of(self.strides_attr)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Zeros around the map: top, left, bottom, right."""
        return four_of(self.pads_attr)

    @property
    def dilations(self) -> tuple[int, int]:
        """Distance between kernel elements."""
        return pair_of(self.dilations_attr)

    @property
    def inner_position(self) -> int:
        """Position at which the convolution itself is rounded: the skip's addition comes after it."""
        inner = self.inner_position_attr
        return position_of(self.result.type) if inner is None else inner.value.data

    @property
    def inner_clamp(self) -> tuple[int, int]:
        """Clamp of the convolution before the skip is added."""
        return pair_of(self.inner_clamp_attr)

    @property
    def shift(self) -> int:
        """Binary places from the accumulator to the convolution's own int8 result."""
        return position_of(self.input.type) + position_of(self.weights.type) - self.inner_position

    def weights_op(self) -> WeightsOp:
        """The constant that feeds this op."""
        return weights_of(self.weights)

    def verify_(self) -> None:
        super().verify_()
        verify_length("strides", self.strides_attr, 2, 1)
        verify_length("dilations", self.dilations_attr, 2, 1)
        verify_length("pads", self.pads_attr, 4, 0)
        verify_clamp(self.inner_clamp_attr)
        outputs, inputs, _, _ = shape_of(self.weights.type)
        if shape_of(self.input.type)[1] != inputs:
            raise VerifyException(f"the map has {shape_of(self.input.type)[1]} channels, the weights {inputs}")
        expected = window_shape(self.input.type, outputs, self.kernel, self.strides, self.pads, self.dilations)
        verify_shape("the result", shape_of(self.result.type), expected)
        if (self.skip is None) != (self.inner_position_attr is None):
            raise VerifyException("inner_position belongs to a skip operand: give both or neither")
        if self.skip is None and self.inner_clamp != FULL_RANGE:
            raise VerifyException("inner_clamp belongs to a skip operand: without one, use clamp")
        if self.skip is not None:
            verify_shape("skip", shape_of(self.skip.type), expected)
            if self.is_scaled:
                raise VerifyException("a skip is added in fixed point; with general scales, add apart")
            verify_alignment(self.inner_position, position_of(self.skip.type))
        verify_rescaling(self)


@irdl_op_definition
class GemmOp(RoundingOp):
    """
    A fully connected layer: contracts the whole vector, or the whole map with weights as large as it (a Flatten
    before a Gemm).

        %y = bsr.gemm(%x, %w) {clamp = array<i64: 0, 127>}
             : (tensor<1x512x7x7xi8, #bsr.fixed<4>>, tensor<4096x512x7x7xi8, #bsr.blocks<9, 16384 of 32768>>)
             -> tensor<1x4096xi8, #bsr.fixed<3>>
    """

    name = "bsr.gemm"

    input = operand_def(VECTOR_OR_MAP)
    weights = operand_def(WEIGHTS)
    result = result_def(VECTOR_OR_MAP)

    assembly_format = "`(` $input `,` $weights `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        position: int | Encoding,
        *,
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
    ):
        super().__init__(
            operands=[input, weights],
            properties={"clamp": int_array(clamp), "rounding": StringAttr(rounding)},
            result_types=[map_type((1, shape_of(weights.type)[0]), position)],
        )

    @property
    def shift(self) -> int:
        """Binary places from the accumulator to the int8 result."""
        return position_of(self.input.type) + position_of(self.weights.type) - position_of(self.result.type)

    def weights_op(self) -> WeightsOp:
        """The constant that feeds this op."""
        return weights_of(self.weights)

    def verify_(self) -> None:
        super().verify_()
        outputs, *contracted = shape_of(self.weights.type)
        shape = (*shape_of(self.input.type)[1:], 1, 1)[:3]
        verify_shape("the weights", contracted, shape)
        verify_shape("the result", shape_of(self.result.type), (1, outputs))
        verify_rescaling(self)


def contraction_multipliers(op: Conv2dOp | GemmOp) -> Multipliers:
    """Multiplier and shift of every output channel, from the accumulator to the result."""
    products = scale_of(op.input.type) * op.weights_op().scale_values()
    return result_multipliers(products, op.result.type, WIDEST_SHIFT)


def verify_rescaling(op: Conv2dOp | GemmOp) -> None:
    """The shift or, with general scales, every multiplier is one that the arithmetic has."""
    if not op.is_scaled:
        verify_shift(op.shift)
    else:
        contraction_multipliers(op)


def verify_shift(shift: int) -> None:
    """The accumulator is at least as fine as the result."""
    if not 0 <= shift <= 31:
        raise VerifyException(f"p(x) + p(w) - p(y) is {shift}; an int32 accumulator shifts right by 0..31")
