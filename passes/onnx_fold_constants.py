"""
Compute what depends on constants only, once, on the host: by the same code that would compute it later.

    %s = onnx.Shape(%x)                    →  %s = onnx.Constant {value = dense<[1, 64, 7, 7]> …}
    %w = onnx.Reshape(%k, %shape)          →  %w = onnx.Constant {value = …}

Shape and Size need only the type of their operand. All other foldable nodes are evaluated together as one model.
Quantised constants stay quantised: a DequantizeLinear is never folded, for its int8 operand is the weight. Random
operators, nodes with subgraphs, and results that are or may be enormous are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, NoneType, TensorType, UnrankedTensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import ModulePass

from compiler.errors import InputError
from compiler.onnxio.exporter import export_model
from compiler.onnxio.host import HostModel
from dialects.constants import element_type_of
from dialects.onnx import CAPTURED_NAMES, OPSET, OPSETS, ConstantOp, CustomOp, NoneOp, OnnxOp, is_operator
from dialects.onnx_attributes import ProtoAttr
from passes.graph import ConstantMaker, nodes_of, replace_node, static_shape, sweep, value_name

LARGEST_FOLDED = 1 << 28
"""Elements of a constant that is computed here; the largest layer of VGG has 1 << 27."""
_GROWING = ("ConstantOfShape", "EyeLike", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile", "Upsample")
"""Operators whose result may be far larger than their operands."""
_NEVER = ("DequantizeLinear", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli")


@dataclass(frozen=True)
class OnnxFoldConstantsPass(ModulePass):
    """See the module."""

    name = "onnx-fold-constants"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        maker = ConstantMaker(op)
        for node in nodes_of(op):
            if is_operator(node, "Shape", "Size"):
                _fold_shape(node, maker)
        foldable = _foldable(op)
        if foldable:
            _evaluate(op, foldable, maker)
        sweep(op)


def _fold_shape(node: OnnxOp, maker: ConstantMaker) -> None:
    """Replace a Shape or Size of a tensor whose type is static."""
    shape = static_shape(node.inputs[0])
    if shape is None:
        return
    if is_operator(node, "Size"):
        values = np.array(np.prod(shape, dtype=np.int64))
    else:
        values = np.array(shape, np.int64)[node.integer("start", 0) : node.integer("end", len(shape))]
    replace_node(node, [], maker.insert(values, value_name(node.output) or "shape", node))


def _foldable(module: ModuleOp) -> list[OnnxOp]:
    """The nodes that depend on constants only, in order."""
    found: list[OnnxOp] = []
    known: set[SSAValue] = set()
    for node in nodes_of(module):
        if is_operator(node, *_NEVER) or isinstance(node, CustomOp) or CAPTURED_NAMES in node.attributes:
            continue
        if any(isinstance(attribute, ProtoAttr) for attribute in node.attributes.values()):
            continue
        if any(not _is_bounded(value, node) for value in node.outputs):
            continue
        if all(value in known or isinstance(value.owner, ConstantOp | NoneOp) for value in node.inputs):
            found.append(node)
            known.update(node.outputs)
    return found


def _is_bounded(value: SSAValue, node: OnnxOp) -> bool:
    """Whether a result is a tensor known not to be too large to compute it now."""
    if not isinstance(value.type, TensorType | UnrankedTensorType | NoneType):
        return False
    shape = static_shape(value)
    return not is_operator(node, *_GROWING) if shape is None else prod(shape) <= LARGEST_FOLDED


def _evaluate(module: ModuleOp, foldable: list[OnnxOp], maker: ConstantMaker) -> None:
    """Run the nodes as a model of their own and put constants in place of those results that others read."""
    inside = set(foldable)
    wanted = [
        result
        for node in foldable
        for result in node.outputs
        if any(use.operation not in inside for use in result.uses)
    ]
    block = Block()
    copies: dict[SSAValue, SSAValue] = {}
    for node in foldable:
        for value in node.inputs:
            if value not in copies and isinstance(value.owner, ConstantOp | NoneOp):
                block.add_op(value.owner.clone(copies))
        block.add_op(node.clone(copies))
    block.add_op(ReturnOp(*(copies[value] for value in wanted)))
    function = FuncOp("main", ([], [value.type for value in wanted]), Region(block))
    versions = {name: value for name, value in module.attributes.items() if name in (OPSET, OPSETS)}
    model = export_model(ModuleOp([function], versions))
    try:
        computed = HostModel(model).run({})
    except InputError:
        return  # nothing here can compute them; the host says so when the network runs
    for value, array in zip(wanted, computed, strict=True):
        node = value.owner
        assert isinstance(node, OnnxOp), "a computed constant has a node"
        if element_type_of(array.dtype) is not None:
            value.replace_all_uses_with(maker.insert(array, value_name(value) or "folded", node))
