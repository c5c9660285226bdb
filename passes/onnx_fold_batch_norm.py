"""
Fold batch normalisation, and any chain of scales and shifts per channel, into the convolution in front of it.

    Conv(x, w, b) → BatchNormalization → Mul(·, s) → Add(·, t)     →  Conv(x, w·a, b·a + c)
    Concat(…) → BatchNormalization                                 →  Concat(…) → Conv(·, a, c) 1x1, one channel a group

A chain is made of BatchNormalization (inference), and Mul, Div, Add and Sub with a constant per channel, where each
value has one reader only. Its scale a and shift c are composed in float64 and applied once. A chain that follows
anything but a convolution with one reader becomes a depth-wise 1x1 convolution, which the array can run. A lone shift
of the network's input is left alone, which loses less before it is quantised, and so is what does the same to all
channels, which is a function of one value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, ModuleOp, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from dialects.onnx import NoneOp, OnnxOp, is_operator, operator
from passes.graph import (
    ConstantMaker,
    Floats,
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
class Affine:
    """y = scale · x + shift for each channel."""

    scale: Floats
    shift: Floats

    def then(self, outer: Affine) -> Affine:
        """First this, then `outer`."""
        return Affine(outer.scale * self.scale, outer.scale * self.shift + outer.shift)


@dataclass(frozen=True)
class OnnxFoldBatchNormPass(ModulePass):
    """See the module."""

    name = "onnx-fold-batch-norm"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        maker = ConstantMaker(op)
        done: set[OnnxOp] = set()
        for node in nodes_of(op):
            if node in done or (first := affine_of(node)) is None:
                continue
            chain, affine = [node], first[1]
            while (user := only_user(chain[-1].output)) is not None and (step := affine_of(user)) is not None:
                if step[0] is not chain[-1].output:
                    break
                chain.append(user)
                affine = affine.then(step[1])
            done.update(chain)
            _fold(first[0], chain, affine, maker)
        sweep(op)


def affine_of(node: OnnxOp) -> tuple[SSAValue, Affine] | None:
    """The input and the affine map of a node that scales and shifts the channels of a 4-d tensor."""
    shape = static_shape(node.output)
    if shape is None or len(shape) != 4:
        return None
    channels = shape[1]
    if is_operator(node, "BatchNormalization"):
        parameters = [constant_of(value) for value in node.inputs[1:5]]
        if node.integer("training_mode", 0) or any(values is None for values in parameters):
            return None
        gain, shift, mean, variance = (np.asarray(values, np.float64) for values in parameters)
        scale = gain / np.sqrt(variance + node.number("epsilon", 1e-5))
        return node.inputs[0], Affine(scale, shift - scale * mean)
    if not is_operator(node, "Mul", "Div", "Add", "Sub"):
        return None
    for source, other in ((0, 1), (1, 0)):
        vector = _per_channel(node.inputs[other], channels)
        if vector is None or static_shape(node.inputs[source]) != shape:
            continue
        one, zero = np.ones(channels), np.zeros(channels)
        match node.operator, source:
            case "Mul", _:
                return node.inputs[source], Affine(vector, zero)
            case "Add", _:
                return node.inputs[source], Affine(one, vector)
            case "Div", 0 if vector.all():
                return node.inputs[0], Affine(1 / vector, zero)
            case "Sub", 0:
                return node.inputs[0], Affine(one, -vector)
            case "Sub", 1:
                return node.inputs[1], Affine(-one, vector)
            case _:
                return None
    return None


def _per_channel(value: SSAValue, channels: int) -> Floats | None:
    """A constant that broadcasts along all but the channels, as one number per channel."""
    values = constant_of(value)
    if values is None or not np.issubdtype(values.dtype, np.floating) or values.ndim > 4:
        return None
    shape = (1,) * (4 - values.ndim) + values.shape
    if shape[0] != 1 or shape[2:] != (1, 1) or shape[1] not in (1, channels):
        return None
    return np.broadcast_to(values.astype(np.float64).reshape(-1), (channels,))


def _fold(source: SSAValue, chain: list[OnnxOp], affine: Affine, maker: ConstantMaker) -> None:
    """Put one convolution in place of the chain and, if it can take the map, of the convolution that feeds it."""
    conv = node_of(source, "Conv")
    last = chain[-1]
    if (
        conv is not None
        and only_user(source) is chain[0]
        and (folded := _scaled(conv, affine, last, maker)) is not None
    ):
        replace_node(last, [folded], folded.output)
    elif any(map(_sees_channels, chain)) and (
        node_of(source) is not None or any(not is_operator(node, "Add", "Sub") for node in chain)
    ):
        alone = _depthwise(source, affine, last, maker)
        replace_node(last, [alone], alone.output)


def _sees_channels(node: OnnxOp) -> bool:
    """Whether it may do to one channel what it does not do to another."""
    constants = [constant_of(value) for value in node.inputs]
    return any(values is not None and values.size > 1 for values in constants) or is_operator(
        node, "BatchNormalization"
    )


def _scaled(conv: OnnxOp, affine: Affine, last: OnnxOp, maker: ConstantMaker) -> OnnxOp | None:
    """The convolution with the map applied to its weights and bias; None if they are not constant."""
    weights = constant_of(conv.inputs[1])
    has_bias = len(conv.inputs) > 2 and not isinstance(conv.inputs[2].owner, NoneOp)
    bias = constant_of(conv.inputs[2]) if has_bias else np.zeros(len(affine.shift), np.float32)
    if weights is None or bias is None or weights.dtype != np.float32:
        return None
    scale = affine.scale.astype(np.float32).reshape(-1, 1, 1, 1)
    label = value_name(conv.inputs[1]) or "weights"
    inputs = [
        conv.inputs[0],
        maker.insert(weights * scale, f"{label}/folded", last),
        maker.insert((bias * affine.scale + affine.shift).astype(np.float32), f"{label}/bias", last),
    ]
    attributes = {name: attribute for name, attribute in conv.attributes.items() if "." not in name}
    return operator("Conv")(inputs, [last.output.type], attributes, node_name=conv.node_name)


def _depthwise(source: SSAValue, affine: Affine, last: OnnxOp, maker: ConstantMaker) -> OnnxOp:
    """A 1x1 convolution with one group per channel."""
    channels = len(affine.scale)
    label = value_name(last.output) or "affine"
    weights = affine.scale.astype(np.float32).reshape(channels, 1, 1, 1)
    inputs = [
        source,
        maker.insert(weights, f"{label}/scale", last),
        maker.insert(affine.shift.astype(np.float32), f"{label}/shift", last),
    ]
    attributes: dict[str, Attribute] = {
        "group": IntegerAttr(channels, i64),
        "kernel_shape": DenseArrayBase.from_list(i64, [1, 1]),
    }
    return operator("Conv")(inputs, [last.output.type], attributes, node_name=last.node_name)
