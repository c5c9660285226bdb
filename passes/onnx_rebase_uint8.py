"""
Quantised uint8 becomes int8 with a zero-point that is 128 less: the same real numbers, and what the array computes.

    QuantizeLinear(x, scale, zero = 128 : uint8)    →    QuantizeLinear(x, scale, zero = 0 : int8)

Constants behind a DequantizeLinear move as well. Where a uint8 tensor enters or leaves the network, or something else
than a DequantizeLinear reads it, it stays uint8, and a pair of QuantizeLinear and DequantizeLinear with one scale
translates: no number changes by that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerType, ModuleOp, Signedness, TensorType, i8
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from compiler.onnxio.exporter import main_function
from dialects.bsr_attributes import element_type_of
from dialects.onnx import ConstantOp, NoneOp, OnnxOp, is_operator, operator
from passes.graph import ConstantMaker, constant_of, nodes_of, replace_node, static_shape, sweep, value_name

_UINT8 = IntegerType(8, Signedness.UNSIGNED)
_OFFSET = 128


@dataclass(frozen=True)
class OnnxRebaseUint8Pass(ModulePass):
    """See the module."""

    name = "onnx-rebase-uint8"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        maker = ConstantMaker(op)
        for node in nodes_of(op):
            if is_operator(node, "QuantizeLinear") and _is_uint8(node.output):
                _rebase_result(node, maker)
        for node in nodes_of(op):
            if is_operator(node, "DequantizeLinear") and _is_uint8(node.inputs[0]):
                _rebase_operand(node, maker)
        main_function(op).update_function_type()
        sweep(op)


def _is_uint8(value: SSAValue) -> bool:
    return element_type_of(value.type) == _UINT8


def _zero_point(node: OnnxOp, maker: ConstantMaker) -> SSAValue | None:
    """The zero-point of a Quantize or DequantizeLinear as int8; None if it is computed."""
    given = node.inputs[2] if len(node.inputs) > 2 and not isinstance(node.inputs[2].owner, NoneOp) else None
    scale = constant_of(node.inputs[1])
    values = np.zeros((), np.uint8) if given is None else constant_of(given)
    if values is None or scale is None or values.dtype != np.uint8:
        return None
    values = np.broadcast_to(values, scale.shape) if values.size == 1 else values
    moved = (values.astype(np.int16) - _OFFSET).astype(np.int8)
    name = value_name(given) if given is not None else ""
    return maker.insert(moved, f"{name or 'zero'}/int8", node)


def _rebase_result(node: OnnxOp, maker: ConstantMaker) -> None:
    """A QuantizeLinear to uint8 goes to int8; readers other than DequantizeLinear get uint8 by a pair behind it."""
    zero, shape = _zero_point(node, maker), static_shape(node.output)
    if zero is None or shape is None:
        return
    scale, given = node.inputs[1], list(node.inputs[1:])
    kept = _attributes(node, "output_dtype")
    quantize = operator("QuantizeLinear")([node.inputs[0], scale, zero], [TensorType(i8, shape)], kept)
    others = [use for use in node.output.uses if not is_operator(use.operation, "DequantizeLinear")]
    new: list[OnnxOp] = [quantize]
    restored: SSAValue | None = None
    if others:
        kept = _attributes(node)
        real = operator("DequantizeLinear")([quantize.output, scale, zero], [node.inputs[0].type], _axis(kept))
        back = operator("QuantizeLinear")([real.output, *given], [node.output.type], kept)
        new += [real, back]
        restored = back.output
    for use in others:
        assert restored is not None, "other readers have got their pair"
        use.operation.operands[use.index] = restored
    readers = [use.operation for use in node.output.uses]
    _replace(node, new, quantize.output)
    for reader in readers:
        if isinstance(reader, OnnxOp):
            _read_int8(reader, maker)


def _replace(node: OnnxOp, new: list[OnnxOp], result: SSAValue) -> None:
    """`replace_node`, where the first of `new` takes the name."""
    assert node.parent is not None, f"{node.describe()} is in no block"
    first, *rest = new
    node.parent.insert_ops_after(rest, node)
    replace_node(node, [first], result)


def _read_int8(node: OnnxOp, maker: ConstantMaker) -> None:
    """A DequantizeLinear whose operand has become int8."""
    zero = _zero_point(node, maker)
    assert zero is not None, f"{node.describe()} reads a tensor whose own zero-point is a constant"
    linear = operator("DequantizeLinear")([*node.inputs[:2], zero], [node.output.type], _attributes(node))
    replace_node(node, [linear], linear.output)


def _rebase_operand(node: OnnxOp, maker: ConstantMaker) -> None:
    """A constant becomes int8; a tensor that stays uint8 is dequantised, quantised to int8 and dequantised again."""
    zero, constant = _zero_point(node, maker), constant_of(node.inputs[0])
    if zero is None:
        return
    if constant is not None and isinstance(node.inputs[0].owner, ConstantOp):
        moved = (constant.astype(np.int16) - _OFFSET).astype(np.int8)
        value = maker.insert(moved, f"{value_name(node.inputs[0]) or 'constant'}/int8", node)
        linear = operator("DequantizeLinear")([value, node.inputs[1], zero], [node.output.type], _attributes(node))
        replace_node(node, [linear], linear.output)
        return
    shape = static_shape(node.output)
    if shape is None:
        return
    real = operator("DequantizeLinear")(list(node.inputs), [node.output.type], _attributes(node))
    name = value_name(node.inputs[0])
    quantize = operator("QuantizeLinear")(
        [real.output, node.inputs[1], zero],
        [TensorType(i8, shape)],
        _attributes(node),
        output_names=[f"{name}/int8"] if name else [],
    )
    linear = operator("DequantizeLinear")(
        [quantize.output, node.inputs[1], zero], [node.output.type], _attributes(node)
    )
    replace_node(node, [real, quantize, linear], linear.output)


def _attributes(node: OnnxOp, *dropped: str) -> dict[str, Attribute]:
    return {key: value for key, value in node.attributes.items() if "." not in key and key not in dropped}


def _axis(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    return {key: value for key, value in attributes.items() if key == "axis"}
