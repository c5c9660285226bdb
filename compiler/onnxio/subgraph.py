"""Part of an onnx-level function as a model of its own, for the host to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from compiler.onnxio.exporter import export_model
from dialects.onnx import OPSET, OPSETS, VALUE_NAME, ConstantOp, NoneOp


def subgraph_model(
    module: ModuleOp, operations: Iterable[Operation], inputs: Sequence[SSAValue], outputs: Sequence[SSAValue]
) -> onnx.ModelProto:
    """
    The model that computes `outputs` from `inputs` by `operations` of `module`, in program order.

    Constants that they read are copied into it. Its inputs are called `input0`, `input1`, …, its outputs `output0`, …
    """
    block = Block(arg_types=[value.type for value in inputs])
    copies: dict[SSAValue, SSAValue] = dict(zip(inputs, block.args, strict=True))
    for op in operations:
        for operand in op.operands:
            if operand not in copies and isinstance(operand.owner, ConstantOp | NoneOp):
                block.add_op(operand.owner.clone(copies))
        block.add_op(op.clone(copies))
    for value in outputs:
        if value not in copies and isinstance(value.owner, ConstantOp):
            block.add_op(value.owner.clone(copies))
    block.add_op(ReturnOp(*(copies[value] for value in outputs)))
    function = FuncOp(
        "main",
        ([value.type for value in inputs], [value.type for value in outputs]),
        Region(block),
        arg_attrs=_names("input", len(inputs)),
        res_attrs=_names("output", len(outputs)),
    )
    versions = {name: value for name, value in module.attributes.items() if name in (OPSET, OPSETS)}
    return export_model(ModuleOp([function], versions))


def _names(prefix: str, count: int) -> ArrayAttr[DictionaryAttr]:
    return ArrayAttr([DictionaryAttr({VALUE_NAME: StringAttr(f"{prefix}{index}")}) for index in range(count)])
