"""
Tokens: tensors of rows that a matrix product gives, which the array has as maps of one row, and sums of such.

    MatMul … x T x C  →  QuantizeLinear, DequantizeLinear  →  Add … x T x C

The map has a pixel for each row and a channel for each column, head by head (`passes.matrix_operands`). What adds such
tensors value by value does so on their maps, however large they are; a tensor that is none lies in memory as one pixel.
"""

from __future__ import annotations

from xdsl.ir import SSAValue

from dialects.bsr import ClampOp, LutOp, RequantiseOp, ReshapeOp, TransposeOp
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_window import shape_of_value

_OF_ONE_VALUE = ("QuantizeLinear", "DequantizeLinear", "Relu", "Clip")
_OF_VALUES = ("Add", "Sum", "Sub", "Mul", "Max", "Min")


def has_rows(shape: tuple[int, ...]) -> bool:
    """Whether a tensor of this shape is rows: no map of one image, and no vector."""
    return len(shape) > 1 and shape[-2] > 1 and not (len(shape) == 4 and shape[0] == 1)


def is_of_tokens(node: OnnxOp) -> bool:
    """Whether an operand has the result's shape, which has rows, and comes of a matrix product or of sums of such."""
    shape = shape_of_value(node.output)
    if shape is None or not has_rows(shape):
        return False
    pending, seen = list(node.inputs), set[SSAValue]()
    while pending:
        value = pending.pop()
        maker = value.owner
        if value in seen or not isinstance(maker, OnnxOp) or shape_of_value(value) != shape:
            continue
        seen.add(value)
        if is_operator(maker, "MatMul", "Gemm"):
            return True
        if is_operator(maker, *_OF_ONE_VALUE):
            pending.append(maker.inputs[0])
        elif is_operator(maker, *_OF_VALUES):
            pending += maker.inputs
    return False


def is_transposed_map(value: SSAValue) -> bool:
    """Whether a value of the `bsr` level is the rows of a map, perhaps with another position, clamp or shape."""
    maker = value.owner
    while isinstance(maker, ReshapeOp | ClampOp | RequantiseOp | LutOp):
        maker = maker.input.owner
    return isinstance(maker, TransposeOp)
