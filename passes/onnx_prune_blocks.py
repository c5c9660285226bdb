"""
Make weights block sparse: in each eligible layer the least important 8 x 8 blocks of channels become zero.

    %w = onnx.Constant {value = #bsr.blob<"w", …>}     →     %w = onnx.Constant {value = #bsr.blob<"w/pruned", …>}

The rule is in `compiler/sparsity/blocks.py`. Layers are Conv, Gemm and MatMul with constant weights. A Gemm that reads
a flattened map is pruned as the convolution over that map which it is, so its block is 8 outputs x 8 channels x height
x width. Weights behind a DequantizeLinear are pruned as the int8 numbers they are.

Left dense: the first convolution and the final classifier, unless `prune_first` or `prune_last`; a convolution whose
groups are not made of whole blocks (all depth-wise ones). Nothing else changes, in particular no shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from compiler.errors import InputError
from compiler.onnxio.exporter import main_function
from compiler.sparsity.blocks import BLOCK, prune_blocks
from dialects.onnx import ConstantOp, OnnxOp, is_operator
from dialects.onnx_fixed_point import NotFixedPoint, linear_of
from passes.graph import ConstantMaker, node_of, nodes_of, static_shape, sweep, value_name


@dataclass(frozen=True)
class OnnxPruneBlocksPass(ModulePass):
    """See the module."""

    name = "onnx-prune-blocks"

    ratio: int | float = 0.5
    importance: Literal["l2", "l1", "variance"] = "l2"
    prune_first: bool = False
    prune_last: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not 0 <= self.ratio <= 1:
            raise InputError(f"onnx-prune-blocks: ratio must lie between 0 and 1, but is {self.ratio}")
        layers = [node for node in nodes_of(op) if _is_layer(node)]
        skipped: set[OnnxOp] = set()
        if not self.prune_first:
            skipped.update([node for node in layers if is_operator(node, "Conv")][:1])
        if not self.prune_last:
            skipped.update(node for node in layers[-1:] if _is_classifier(node, op))
        maker = ConstantMaker(op)
        pruned: dict[tuple[ConstantOp, tuple[int, ...]], SSAValue] = {}
        for node in layers:
            if node not in skipped and _has_whole_blocks(node):
                self._prune(node, pruned, maker)
        sweep(op)

    def _prune(
        self, node: OnnxOp, pruned: dict[tuple[ConstantOp, tuple[int, ...]], SSAValue], maker: ConstantMaker
    ) -> None:
        """Replace the weight of one layer; layers that share a weight share the pruned one."""
        constant = weight_of(node)
        assert constant is not None, f"{node.describe()} was selected for its constant weight"
        weights = constant.array()
        reader = node_of(node.inputs[1], "DequantizeLinear")
        zeros = _zero_points(reader, weights.ndim)
        shape = _convolution_shape(node, weights)
        key = (constant, shape)
        if key not in pruned:
            transposed = is_operator(node, "Gemm", "MatMul") and not node.integer("transB", 0)
            centred = weights if zeros is None else weights.astype(np.int16) - zeros
            matrix = centred.T if transposed else centred
            values: npt.NDArray[Any] = prune_blocks(matrix.reshape(shape), float(self.ratio), self.importance)
            values = values.reshape(matrix.shape)
            values = np.ascontiguousarray(values.T if transposed else values)
            values = values if zeros is None else (values + zeros).astype(weights.dtype)
            pruned[key] = maker.insert(values, f"{value_name(constant.output) or 'weight'}/pruned", constant)
        holder, index = (reader, 0) if reader is not None else (node, 1)
        holder.operands[index] = pruned[key]


def _is_layer(node: OnnxOp) -> bool:
    """Whether a node has constant weights, one matrix or one kernel for each pair of channels."""
    constant = weight_of(node) if is_operator(node, "Conv", "Gemm", "MatMul") else None
    return constant is not None and (not is_operator(node, "MatMul") or constant.array().ndim == 2)


def weight_of(node: OnnxOp) -> ConstantOp | None:
    """The constant that holds the weight of a Conv or Gemm, float or behind a DequantizeLinear."""
    value = node.inputs[1]
    dequantize = node_of(value, "DequantizeLinear")
    owner = (dequantize.inputs[0] if dequantize is not None else value).owner
    return owner if isinstance(owner, ConstantOp) and owner.is_numeric else None


def _zero_points(dequantize: OnnxOp | None, rank: int) -> npt.NDArray[np.int16] | None:
    """The integers that mean zero in a quantised weight, None where that is 0."""
    if dequantize is None:
        return None
    try:
        says = linear_of(dequantize)
    except NotFixedPoint as reason:
        raise InputError(f"the weight cannot be pruned: {reason}") from reason
    zeros = says.zero_points.astype(np.int16)
    if not zeros.any():
        return None
    return says.along(zeros, rank) if zeros.size > 1 else zeros


def _has_whole_blocks(node: OnnxOp) -> bool:
    """Whether the blocks of the weight are blocks of the layer: no groups, or groups of whole blocks."""
    group = node.integer("group", 1)
    if group == 1:
        return True
    shape = static_shape(node.inputs[1])
    assert shape is not None, f"the weight of {node.describe()} is a constant"
    outputs, inputs = shape[:2]
    return (outputs // group) % BLOCK == 0 and inputs % BLOCK == 0


def _convolution_shape(node: OnnxOp, weights: npt.NDArray[Any]) -> tuple[int, ...]:
    """The weight as O x I x kh x kw."""
    if is_operator(node, "Conv"):
        return weights.shape
    outputs, features = weights.shape if node.integer("transB", 0) else weights.shape[::-1]
    flatten = node_of(node.inputs[0], "Flatten", "Reshape")
    quantized = node_of(node.inputs[0], "DequantizeLinear")
    if flatten is None and quantized is not None:
        source = node_of(quantized.inputs[0], "QuantizeLinear")
        flatten = node_of(source.inputs[0], "Flatten", "Reshape") if source is not None else None
    shape = static_shape(flatten.inputs[0]) if flatten is not None else None
    if shape is not None and len(shape) == 4 and shape[0] == 1 and int(np.prod(shape)) == features:
        return (outputs, *shape[1:])
    return (outputs, features, 1, 1)


def _is_classifier(node: OnnxOp, module: ModuleOp) -> bool:
    """Whether the last layer gives one score per class: its result leaves as a vector, and not through a max pool."""
    if any(is_operator(other, "MaxPool") for other in _after(node, module)):
        return False
    returned = main_function(module).body.block.last_op
    assert returned is not None, "a function ends in its return"
    shapes = [static_shape(value) for value in returned.operands]
    return all(shape is not None and all(size == 1 for size in shape[2:]) for shape in shapes)


def _after(node: OnnxOp, module: ModuleOp) -> list[OnnxOp]:
    nodes = nodes_of(module)
    return nodes[nodes.index(node) + 1 :]
