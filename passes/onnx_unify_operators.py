"""
Write each computation with the one operator that later passes know it by; exporters choose differently.

    ReduceMean(x, axes = [2, 3])                    →  GlobalAveragePool(x), flattened unless keepdims
    MatMul(x, w)  with a matrix w of constants      →  Gemm(x, w)          x is one row
    Add(Gemm(x, w), b)  with a vector b             →  Gemm(x, w, b)       the sum has no other reader
    Gemm(x, w, b) {alpha, beta}                     →  Gemm(x, alpha · w, beta · b)

Constants are float32. Anything that does not match exactly stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, TensorType, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from dialects.onnx import NoneOp, OnnxOp, is_operator, operator
from passes.graph import (
    ConstantMaker,
    constant_of,
    node_of,
    nodes_of,
    only_user,
    replace_node,
    static_shape,
    sweep,
    value_name,
)


@dataclass(frozen=True)
class OnnxUnifyOperatorsPass(ModulePass):
    """See the module."""

    name = "onnx-unify-operators"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        maker = ConstantMaker(op)
        for node in nodes_of(op):
            if is_operator(node, "ReduceMean"):
                _pool(node)
            elif is_operator(node, "MatMul"):
                _multiply(node)
        for node in nodes_of(op):
            if is_operator(node, "Add"):
                _add_bias(node)
        for node in nodes_of(op):
            if is_operator(node, "Gemm"):
                _scale(node, maker)
        sweep(op)


def _pool(node: OnnxOp) -> None:
    """A mean over height and width is a global average pool."""
    shape = static_shape(node.inputs[0])
    axes = constant_of(node.inputs[1]) if len(node.inputs) > 1 else np.array(node.integers("axes", ()))
    if shape is None or len(shape) != 4 or axes is None or sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        return
    keeps = bool(node.integer("keepdims", 1))
    pooled = TensorType(_element(node.inputs[0]), (*shape[:2], 1, 1))
    names = [f"{name}/pooled" for name in node.output_names] if not keeps else []
    pool = operator("GlobalAveragePool")([node.inputs[0]], [pooled], node_name=node.node_name, output_names=names)
    if keeps:
        replace_node(node, [pool], pool.output)
        return
    flatten = operator("Flatten")([pool.output], [node.output.type], {"axis": IntegerAttr(1, i64)})
    replace_node(node, [pool, flatten], flatten.output)


def _multiply(node: OnnxOp) -> None:
    """A row times a constant matrix is a Gemm."""
    shape, weights = static_shape(node.inputs[0]), constant_of(node.inputs[1])
    if shape is None or len(shape) != 2 or shape[0] != 1 or constant_of(node.inputs[0]) is not None:
        return
    if weights is not None and weights.ndim == 2 and weights.dtype == np.float32:
        gemm = operator("Gemm")(node.inputs, [node.output.type])
        replace_node(node, [gemm], gemm.output)


def _add_bias(node: OnnxOp) -> None:
    """A vector added to a Gemm without bias is its bias."""
    for source, other in ((0, 1), (1, 0)):
        gemm, bias = node_of(node.inputs[source], "Gemm"), constant_of(node.inputs[other])
        if gemm is None or bias is None or only_user(gemm.output) is not node or not _is_missing(gemm, 2):
            continue
        columns = static_shape(gemm.output)
        if columns is None or bias.dtype != np.float32 or bias.shape not in ((columns[1],), (1, columns[1])):
            continue
        attributes = {key: value for key, value in gemm.attributes.items() if "." not in key and key != "beta"}
        inputs = [*gemm.inputs[:2], node.inputs[other]]
        fused = operator("Gemm")(inputs, [node.output.type], attributes, node_name=gemm.node_name)
        replace_node(node, [fused], fused.output)
        return


def _scale(node: OnnxOp, maker: ConstantMaker) -> None:
    """Factors of a Gemm belong into its constants."""
    alpha, beta = np.float32(node.number("alpha", 1.0)), np.float32(node.number("beta", 1.0))
    weights = constant_of(node.inputs[1])
    has_bias = not _is_missing(node, 2)
    bias = constant_of(node.inputs[2]) if has_bias else None
    if (alpha, beta if has_bias else 1) == (1, 1) and not ({"alpha", "beta"} & set(node.attributes)):
        return
    if weights is None or weights.dtype != np.float32 or (has_bias and (bias is None or bias.dtype != np.float32)):
        return
    if alpha != 1:
        node.operands[1] = maker.insert(weights * alpha, f"{value_name(node.inputs[1]) or 'weight'}/scaled", node)
    if bias is not None and beta != 1:
        node.operands[2] = maker.insert(bias * beta, f"{value_name(node.inputs[2]) or 'bias'}/scaled", node)
    for name in ("alpha", "beta"):
        node.attributes.pop(name, None)


def _is_missing(node: OnnxOp, index: int) -> bool:
    """Whether an optional input is left out."""
    return len(node.inputs) <= index or isinstance(node.inputs[index].owner, NoneOp)


def _element(value: SSAValue) -> Attribute:
    """The element type of a tensor."""
    type = value.type
    assert isinstance(type, TensorType), "a value with a static shape is a tensor"
    return cast("TensorType[Attribute]", type).element_type
