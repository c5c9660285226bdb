"""
The `aievec` dialect: the two vector operations of an AI Engine core that our programs may hold.

`aievec.srs` shifts accumulators right, rounds, saturates and narrows them. Its presence in a core's own body is also
what makes upstream set saturation and half-up rounding at the core's entry.

Beside it stand two operations of MLIR's `vector` dialect that xDSL does not have. They are registered here, under
their own names, because programs for upstream use them.
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import ArrayAttr, VectorType, i32
from xdsl.ir import Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    base,
    eq,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
)


@irdl_op_definition
class ShiftRoundSaturateOp(IRDLOperation):
    """`%q = aievec.srs %acc, %shift : vector<32xi32>, i32, vector<32xi8>`"""

    name = "aievec.srs"
    source = operand_def(VectorType)
    shift = operand_def(eq(i32))
    result = result_def(VectorType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$source `,` $shift attr-dict `:` type($source) `,` type($shift) `,` type($result)"

    def __init__(self, source: SSAValue, shift: SSAValue, result_type: VectorType):
        super().__init__(operands=[source, shift], result_types=[result_type])


@irdl_op_definition
class MatMulOp(IRDLOperation):
    """
    `%n = aievec.matmul %a, %b, %acc : vector<4x8xi8>, vector<8x8xi8> into vector<4x8xi32>`

    Upstream takes a signless i8 left operand as unsigned, so our kernels call the intrinsic instead.
    """

    ACC: ClassVar = VarConstraint("ACC", base(VectorType))
    name = "aievec.matmul"
    lhs = operand_def(VectorType)
    rhs = operand_def(VectorType)
    acc = operand_def(ACC)
    result = result_def(ACC)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$lhs `,` $rhs `,` $acc attr-dict `:` type($lhs) `,` type($rhs) `into` type($result)"


@irdl_op_definition
class ShapeCastOp(IRDLOperation):
    """`vector.shape_cast`: the same elements in another shape."""

    name = "vector.shape_cast"
    source = operand_def(VectorType)
    result = result_def(VectorType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$source attr-dict `:` type($source) `to` type($result)"


@irdl_op_definition
class ExtractStridedSliceOp(IRDLOperation):
    """`vector.extract_strided_slice`: a contiguous part of a vector."""

    name = "vector.extract_strided_slice"
    source = operand_def(VectorType)
    offsets = prop_def(ArrayAttr)
    sizes = prop_def(ArrayAttr)
    strides = prop_def(ArrayAttr)
    result = result_def(VectorType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$source attr-dict `:` type($source) `to` type($result)"


Aievec = Dialect("aievec", [ExtractStridedSliceOp, MatMulOp, ShapeCastOp, ShiftRoundSaturateOp])
