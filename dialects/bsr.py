"""
The block-sparse level: int8 networks whose numbers are all decided, before anything is decided about the machine.

A value is a builtin int8 tensor with its binary position as encoding (`dialects.bsr_attributes`). Weights are one
constant: Γ, the mask of the 8×8 channel blocks that hold anything, and the values of those blocks; dense weights are
the same op with a full Γ. Zero blocks are found, never declared. Every op rounds once, saturates to int8 and then
clamps, so one op is one trip of its output through the array.

Arithmetic (`compiler.quantization.arithmetic`), with p() the position of a type and acc an int32:
    conv2d, gemm   acc = Σ x·w + bias, the bias at p(x) + p(w);  y = clamp(int8(round(acc · 2^-(p(x) + p(w) - p(y)))))
    add, sub       y = clamp(int8(round(a ± b))), both operands brought to the finer position first
    mul            y = clamp(int8(round(a · b · 2^-(p(a) + p(b) - p(y)))))
    matmul         y = clamp(int8(round(Σ a·b · 2^-(p(a) + p(b) - p(y))))), both operands maps
    max, min       y = clamp(max(a, b)), all three at one position
    move           y = words of any tensors in other places, no numbers at all
    lut            y = table[x], any function of one value
    avg_pool       y = clamp(int8(round(Σ x / n · 2^(p(y) - p(x)))), an exact fraction, rounded once

A map with a general scale has it, and its zero-point, in the type instead. Then x means x - zero_x, the power of two
is a multiplier and a shift (`compiler.quantization.scaling`), and zero_y is added after rounding; a zero-point takes
part before int8 saturates. A contraction has a multiplier for each output channel, a sum or difference one for each
operand, a product one.

A function is `func.func @main` on ONNX's shapes. What the array cannot do is a `bsr.host` with the reason, and so are
the quantisation of the network's input and the dequantisation of its output. Locations are ONNX node names. The
discardable attribute `bsr.tensor` on an op names the tensor of the quantised ONNX graph (the output of its
QuantizeLinear) that the op's result equals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, StringAttr, TensorType
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import irdl_op_definition, opt_prop_def, prop_def, var_operand_def, var_result_def
from xdsl.utils.exceptions import VerifyException

from dialects.blob import BlobAttr
from dialects.bsr_attributes import (
    BLOCK,
    Blocks,
    BlocksAttr,
    FixedAttr,
    FixedTensorType,
    Rounding,
    Scaled,
    ScaledAttr,
    blocks_of,
    encoding_of,
    fixed_type,
    is_fixed,
    is_map,
    is_scaled,
    map_type,
    position_of,
    scale_of,
    shape_of,
    weights_type,
    zero_point_of,
)
from dialects.bsr_base import FULL_RANGE, TENSOR_NAME, BsrOp, ClampedOp, RoundingOp, window_shape
from dialects.bsr_contract import Conv2dOp, GemmOp, contraction_multipliers
from dialects.bsr_joins import AppendOp, ConcatOp, InterleaveOp
from dialects.bsr_maps import ClampOp, LutOp, PadOp, RequantiseOp, ReshapeOp
from dialects.bsr_matmul import MatMulOp
from dialects.bsr_moves import MoveAttr, MoveOp
from dialects.bsr_pairs import AddOp, ExtremumOp, MaxOp, MinOp, MulOp, SubOp, SumOp
from dialects.bsr_pools import AvgPoolOp, MaxPoolOp
from dialects.bsr_transpose import TransposeOp
from dialects.bsr_weights import CONSTANT, WeightsOp, array_of
from dialects.constants import constant_attribute

__all__ = [
    "BLOCK",
    "FULL_RANGE",
    "TENSOR_NAME",
    "AddOp",
    "AppendOp",
    "AvgPoolOp",
    "Blocks",
    "BlocksAttr",
    "Bsr",
    "BsrOp",
    "ClampOp",
    "ClampedOp",
    "ConcatOp",
    "Conv2dOp",
    "ExtremumOp",
    "FixedAttr",
    "FixedTensorType",
    "GemmOp",
    "HostNode",
    "HostOp",
    "InterleaveOp",
    "LutOp",
    "MatMulOp",
    "MaxOp",
    "MaxPoolOp",
    "MinOp",
    "MoveOp",
    "MulOp",
    "PadOp",
    "RequantiseOp",
    "ReshapeOp",
    "Rounding",
    "RoundingOp",
    "Scaled",
    "ScaledAttr",
    "SubOp",
    "SumOp",
    "TransposeOp",
    "WeightsOp",
    "blocks_of",
    "contraction_multipliers",
    "encoding_of",
    "fixed_type",
    "is_fixed",
    "is_map",
    "is_scaled",
    "map_type",
    "position_of",
    "scale_of",
    "shape_of",
    "weights_type",
    "window_shape",
    "zero_point_of",
]


@dataclass(frozen=True)
class HostNode:
    """One node of a host segment: its ONNX name, the tensor it computes first, its operator, and why it is there."""

    node: str
    tensor: str
    operator: str
    reason: str


@irdl_op_definition
class HostOp(BsrOp):
    """
    Part of the network that runs on the host: an ONNX model, executed by ONNX Runtime, and why the array does not run
    it.

        %y = bsr.host(%x) {model = #bsr.blob<"softmaxout_1", "…">, node = "softmax",
                           operator = "DequantizeLinear, Softmax", reason = "Softmax is computed in floating point"}
             : (tensor<1x1000xi8, #bsr.fixed<3>>) -> tensor<1x1000xf32>

    Operands and results are the model's inputs and outputs in order: int8 tensors are its int8 tensors, the others
    are as ONNX has them. `nodes` says of each of its nodes why it is there, `reason` why the segment is.
    """

    name = "bsr.host"

    inputs = var_operand_def(TensorType)
    model = prop_def(CONSTANT)
    node = prop_def(StringAttr)
    operator = prop_def(StringAttr)
    reason = prop_def(StringAttr)
    nodes = opt_prop_def(ArrayAttr[DictionaryAttr])
    outputs = var_result_def(TensorType)

    assembly_format = "`(` $inputs `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        *,
        model: bytes,
        key: str,
        node: str,
        operator: str,
        reason: str,
        nodes: Sequence[HostNode] = (),
    ):
        """`model` is a serialised ModelProto; a large one becomes the blob `key`."""
        super().__init__(
            operands=[list(inputs)],
            result_types=[list(result_types)],
            properties={
                "model": constant_attribute(np.frombuffer(model, np.uint8), key),
                "node": StringAttr(node),
                "operator": StringAttr(operator),
                "reason": StringAttr(reason),
                "nodes": ArrayAttr(
                    [
                        DictionaryAttr({name: StringAttr(text) for name, text in asdict(entry).items()})
                        for entry in nodes
                    ]
                )
                if nodes
                else None,
            },
        )

    def host_nodes(self) -> tuple[HostNode, ...]:
        """The nodes of the segment in order; the segment itself where the graph it comes from has told no more."""
        if self.nodes is None:
            return (HostNode(self.node.data, self.tensor_name, self.operator.data, self.reason.data),)
        return tuple(
            HostNode(**{name: cast(StringAttr, text).data for name, text in entry.data.items()})
            for entry in self.nodes.data
        )

    def model_bytes(self) -> bytes:
        """The serialised ONNX ModelProto."""
        return array_of(self.model).tobytes()

    def verify_(self) -> None:
        if not self.reason.data:
            raise VerifyException("a host segment says why it is one: reason is empty")


Bsr = Dialect(
    "bsr",
    [
        WeightsOp,
        Conv2dOp,
        GemmOp,
        AddOp,
        AppendOp,
        SubOp,
        MulOp,
        MaxOp,
        MinOp,
        MatMulOp,
        MaxPoolOp,
        AvgPoolOp,
        ConcatOp,
        InterleaveOp,
        ClampOp,
        RequantiseOp,
        LutOp,
        PadOp,
        ReshapeOp,
        TransposeOp,
        MoveOp,
        HostOp,
    ],
    [FixedAttr, ScaledAttr, BlocksAttr, BlobAttr, MoveAttr],
)
