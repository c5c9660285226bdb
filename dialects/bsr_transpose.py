"""The op of the `bsr` level that moves channels into pixels or back: between tokens as a model has them, and maps."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from dialects.bsr_attributes import TENSOR, encoding_of, int_array, map_type, shape_of
from dialects.bsr_base import INTS, BsrOp, ints_of, verify_same_position


@irdl_op_definition
class TransposeOp(BsrOp):
    """
    The integers in the order of the axes `permutation`, seen with the shape `split` before and its own after.

        %y = bsr.transpose(%x) {split = array<i64: 2, 49, 32>, permutation = array<i64: 0, 2, 1>}
             : (tensor<1x2x49x32xi8, #bsr.fixed<4>>) -> tensor<1x64x1x49xi8, #bsr.fixed<4>>
    """

    name = "bsr.transpose"

    input = operand_def(TENSOR)
    split_attr = prop_def(INTS, prop_name="split")
    permutation_attr = prop_def(INTS, prop_name="permutation")
    result = result_def(TENSOR)

    assembly_format = "`(` $input `)` attr-dict `:` functional-type(operands, results)"

    def __init__(self, input: SSAValue, split: Sequence[int], permutation: Sequence[int], shape: Sequence[int]):
        super().__init__(
            operands=[input],
            properties={"split": int_array(split), "permutation": int_array(permutation)},
            result_types=[map_type(shape, encoding_of(input.type))],
        )

    @property
    def split(self) -> tuple[int, ...]:
        """The shape whose axes change places."""
        return ints_of(self.split_attr)

    @property
    def permutation(self) -> tuple[int, ...]:
        """Which axis comes first, which one next, and so on."""
        return ints_of(self.permutation_attr)

    def verify_(self) -> None:
        shapes = {"the operand": shape_of(self.input.type), "the result": shape_of(self.result.type)}
        for what, shape in shapes.items():
            if prod(shape) != prod(self.split):
                raise VerifyException(f"split is {list(self.split)}, and {what} has the shape {list(shape)}")
        if sorted(self.permutation) != list(range(len(self.split))):
            raise VerifyException(f"permutation is {list(self.permutation)} for {len(self.split)} axes")
        verify_same_position("transpose", self.input.type, self.result.type)
