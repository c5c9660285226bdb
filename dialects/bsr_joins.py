"""The ops of the `bsr` level that make one map of several: one after the other, side by side, or pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, product

from xdsl.dialects.builtin import I64, IntegerAttr, StringAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, prop_def, result_def, var_operand_def
from xdsl.utils.exceptions import VerifyException

from dialects.bsr_attributes import MAP, Encoding, Rounding, int_array, map_type, shape_of
from dialects.bsr_base import FULL_RANGE, INTS, RoundingOp, pair_of, verify_length, verify_shape
from dialects.bsr_maps import verify_scale_change


class JoinOp(RoundingOp):
    """An op that copies maps into parts of one map, each rounded to the result's position (a left shift saturates)."""

    inputs = var_operand_def(MAP)
    result = result_def(MAP)

    def verify_(self) -> None:
        super().verify_()
        if not self.inputs:
            raise VerifyException(f"{self.name.split('.')[1]} needs at least one operand")
        for value in self.inputs:
            verify_scale_change(value.type, self.result.type)


@irdl_op_definition
class ConcatOp(JoinOp):
    """
    Maps one after the other along the channels; each is rounded to the result's position (a left shift saturates).

        %y = bsr.concat(%a, %b)
             : (tensor<1x64x27x27xi8, #bsr.fixed<5>>, tensor<1x64x27x27xi8, #bsr.fixed<4>>)
             -> tensor<1x128x27x27xi8, #bsr.fixed<4>>
    """

    name = "bsr.concat"

    assembly_format = "`(` $inputs `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        position: int | Encoding,
        *,
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
    ):
        shapes = [shape_of(value.type) for value in inputs]
        super().__init__(
            operands=[list(inputs)],
            properties={"clamp": int_array(clamp), "rounding": StringAttr(rounding)},
            result_types=[map_type((1, sum(shape[1] for shape in shapes), *shapes[0][2:]), position)],
        )

    def verify_(self) -> None:
        super().verify_()
        shapes = [shape_of(value.type) for value in self.inputs]
        for index, shape in enumerate(shapes):
            verify_shape(f"operand {index}", (shape[0], *shape[2:]), (1, *shapes[0][2:]))
        expected = (1, sum(shape[1] for shape in shapes), *shapes[0][2:])
        verify_shape("the result", shape_of(self.result.type), expected)


@irdl_op_definition
class AppendOp(JoinOp):
    """
    Maps one below the other (axis 2) or side by side (axis 3).

        %y = bsr.append(%above, %below) {axis = 2 : i64}
             : (tensor<1x64x1x27xi8, #bsr.fixed<4>>, tensor<1x64x27x27xi8, #bsr.fixed<5>>)
             -> tensor<1x64x28x27xi8, #bsr.fixed<4>>
    """

    name = "bsr.append"

    axis_attr = prop_def(IntegerAttr[I64], prop_name="axis")

    assembly_format = "`(` $inputs `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        axis: int,
        position: int | Encoding,
        *,
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
    ):
        super().__init__(
            operands=[list(inputs)],
            properties={
                "clamp": int_array(clamp),
                "rounding": StringAttr(rounding),
                "axis": IntegerAttr(axis, i64),
            },
            result_types=[map_type(_appended(inputs, axis), position)],
        )

    @property
    def axis(self) -> int:
        """2: rows are added; 3: columns."""
        return self.axis_attr.value.data

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """The first pixel of each operand."""
        sizes = (shape_of(value.type)[self.axis] for value in self.inputs)
        firsts = accumulate(sizes, initial=0)
        pixels = ((first, 0) if self.axis == 2 else (0, first) for first in firsts)
        return tuple(pixel for pixel, _ in zip(pixels, self.inputs, strict=False))

    def verify_(self) -> None:
        super().verify_()
        if self.axis not in (2, 3):
            raise VerifyException(f"axis is {self.axis}; maps are appended along 2, the rows, or 3, the columns")
        expected = _appended(self.inputs, self.axis)
        for index, value in enumerate(self.inputs):
            own = shape_of(value.type)
            wanted = (*expected[: self.axis], own[self.axis], *expected[self.axis + 1 :])
            verify_shape(f"operand {index}", own, wanted)
        verify_shape("the result", shape_of(self.result.type), expected)


def _appended(inputs: Sequence[SSAValue], axis: int) -> tuple[int, ...]:
    first, *others = (shape_of(value.type) for value in inputs)
    return (*first[:axis], first[axis] + sum(other[axis] for other in others), *first[axis + 1 :])


@irdl_op_definition
class InterleaveOp(JoinOp):
    """
    Maps pixel by pixel: with `steps` (s, t), operand i·t + j has the pixels (y·s + i, x·t + j) of the result.

        %y = bsr.interleave(%a, %b, %c, %d) {steps = array<i64: 2, 2>} : (…) -> tensor<1x64x54x54xi8, #bsr.fixed<4>>

    The operands may be a row or a column shorter at the end, where the result has no multiple of the steps. Depth to
    space, transposed convolutions and nearest-neighbour enlargement end in one.
    """

    name = "bsr.interleave"

    steps_attr = prop_def(INTS, prop_name="steps")

    assembly_format = "`(` $inputs `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        steps: tuple[int, int],
        position: int | Encoding,
        *,
        clamp: tuple[int, int] = FULL_RANGE,
        rounding: Rounding = "half_even",
    ):
        shapes = [shape_of(value.type) for value in inputs]
        rows = sum(shape[2] for shape in shapes[:: steps[1]])
        columns = sum(shape[3] for shape in shapes[: steps[1]])
        super().__init__(
            operands=[list(inputs)],
            properties={"clamp": int_array(clamp), "rounding": StringAttr(rounding), "steps": int_array(steps)},
            result_types=[map_type((1, shapes[0][1], rows, columns), position)],
        )

    @property
    def steps(self) -> tuple[int, int]:
        """Operands in a column and in a row."""
        return pair_of(self.steps_attr)

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """The first pixel of each operand."""
        return tuple(product(range(self.steps[0]), range(self.steps[1])))

    def verify_(self) -> None:
        verify_length("steps", self.steps_attr, 2, 1)
        super().verify_()
        if len(self.inputs) != self.steps[0] * self.steps[1]:
            wanted = self.steps[0] * self.steps[1]
            raise VerifyException(f"steps {list(self.steps)} take {wanted} operands, there are {len(self.inputs)}")
        _, channels, *size = shape_of(self.result.type)
        for index, offset in enumerate(self.offsets):
            rows, columns = (-(-(size[axis] - offset[axis]) // self.steps[axis]) for axis in (0, 1))
            verify_shape(f"operand {index}", shape_of(self.inputs[index].type), (1, channels, rows, columns))
