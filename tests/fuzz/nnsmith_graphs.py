"""
Float ONNX models of NNSmith's making (Liu et al., ASPLOS 2023; `pip install 'blockloom[fuzz]'`).

NNSmith grows a graph operator by operator and lets a solver choose every shape and attribute such that all of them fit.
Only that is taken from it: how its operators are spelled in ONNX is written down here, so that none of the frameworks
it usually goes through is needed. Tensors of rank 4 have batch 1, and all tensors are small.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from nnsmith.abstract import op as kinds
from nnsmith.abstract.tensor import AbsTensor
from nnsmith.gir import GraphIR
from nnsmith.graph_gen import SymbolicGen
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
LARGEST_SIDE = 14
LARGEST_TENSOR = 4000
MOST_CHANNELS = 64
LARGEST_KERNEL = 7
SIMPLE = {
    kinds.ReLU: "Relu",
    kinds.LeakyReLU: "LeakyRelu",
    kinds.Sigmoid: "Sigmoid",
    kinds.GELU: "Gelu",
    kinds.Abs: "Abs",
    kinds.Neg: "Neg",
    kinds.Add: "Add",
    kinds.Sub: "Sub",
    kinds.Mul: "Mul",
    kinds.Max: "Max",
    kinds.Min: "Min",
    kinds.MatMul: "MatMul",
}
"""Operators without attributes."""
REDUCTIONS = {kinds.ReduceMean: "ReduceMean", kinds.ReduceSum: "ReduceSum", kinds.ReduceMax: "ReduceMax"}


class _Small(SymbolicGen):
    """Adds what the array wants of a network, batch 1, and small sides: a solver likes the largest numbers."""

    def tensor_type_constraints(self, atensor: AbsTensor) -> list[Any]:
        shape, limits = atensor.shape, super().tensor_type_constraints(atensor)
        if len(shape) == 4:
            limits += [shape[0] == 1, shape[1] <= MOST_CHANNELS]
            shape = shape[2:]
        return [*limits, *(side <= LARGEST_SIDE for side in shape)]


class _Conv(kinds.NCHWConv2d):
    """A convolution whose weights are not many more than its maps' pixels."""

    def requires(self, input_shapes: list[AbsTensor]) -> list[Any]:
        sizes = (self.kernel_h_size, self.kernel_w_size)
        return [*super().requires(input_shapes), *(size <= LARGEST_KERNEL for size in sizes)]


@dataclass
class _Writer:
    """An ONNX graph under construction; values are called what NNSmith calls them."""

    graph: GraphIR
    random: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    constants: list[onnx.TensorProto] = field(default_factory=list[onnx.TensorProto])
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list[onnx.ValueInfoProto])

    def shape(self, name: str) -> list[int]:
        return [int(size) for size in self.graph.vars[name].shape]

    def constant(self, values: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values), f"constant{len(self.constants)}"))
        return self.constants[-1].name

    def weights(self, *shape: int) -> str:
        """Such that results are about as large as operands."""
        fan_in = max(1, int(np.prod(shape[1:])))
        return self.constant((self.random.normal(0, 1, shape) / np.sqrt(fan_in)).astype(np.float32))

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=f"n_{output}", **attributes))

    def source(self, name: str) -> None:
        """What nothing computes is an input, and now and then a constant."""
        if self.inputs and self.random.random() < 0.5:
            values = self.random.normal(0, 1, self.shape(name)).astype(np.float32)
            self.constants.append(numpy_helper.from_array(values, name))
        else:
            self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shape(name)))

    def conv(self, op: Any, inputs: Sequence[str], output: str) -> None:
        kernel = [op.kernel_h_size, op.kernel_w_size]
        operands = [inputs[0], self.weights(op.out_channels, op.in_channels, *kernel), self.weights(op.out_channels)]
        dilations, pads = [op.dilation_h, op.dilation_w], [op.padding] * 4
        self.node(
            "Conv", operands, output, dilations=dilations, strides=[op.stride] * 2, pads=pads, kernel_shape=kernel
        )

    def pool(self, op: Any, inputs: Sequence[str], output: str) -> None:
        operator = "MaxPool" if isinstance(op, kinds.MaxPool2d) else "AveragePool"
        counted = {} if operator == "MaxPool" else {"count_include_pad": int(self.random.integers(0, 2))}
        kernel = [op.kernel_h_size, op.kernel_w_size]
        self.node(
            operator, inputs, output, kernel_shape=kernel, strides=[op.stride] * 2, pads=[op.padding] * 4, **counted
        )

    def slice(self, op: Any, inputs: Sequence[str], output: str) -> None:
        axis = op.extra_attrs["axis"]
        end = min(op.end, self.shape(inputs[0])[axis])
        bounds = [self.constant(np.array([number], np.int64)) for number in (op.start, end, axis, op.step)]
        self.node("Slice", [inputs[0], *bounds], output)

    def pad(self, op: Any, inputs: Sequence[str], output: str) -> None:
        rank = len(self.shape(inputs[0]))
        before, after = [0] * rank, [0] * rank
        for number in range(len(op.padding_list) // 2):
            before[rank - 1 - number], after[rank - 1 - number] = op.padding_list[2 * number : 2 * number + 2]
        self.node("Pad", [inputs[0], self.constant(np.array([*before, *after], np.int64))], output)

    def transpose(self, op: Any, inputs: Sequence[str], output: str) -> None:
        order = list(range(len(self.shape(inputs[0]))))
        one, other = op.extra_attrs["dim0"], op.extra_attrs["dim1"]
        order[one], order[other] = order[other], order[one]
        self.node("Transpose", inputs, output, perm=order)

    def resize(self, op: Any, inputs: Sequence[str], output: str) -> None:
        sizes = self.constant(np.array(self.shape(output), np.int64))
        where = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        self.node("Resize", [inputs[0], "", "", sizes], output, mode="nearest", **where)

    def reshape(self, op: Any, inputs: Sequence[str], output: str) -> None:
        self.node("Reshape", [inputs[0], self.constant(np.array(self.shape(output), np.int64))], output)

    def reduce(self, op: Any, inputs: Sequence[str], output: str) -> None:
        axes = self.constant(np.array([op.extra_attrs["reduce_dim"]], np.int64))
        self.node(REDUCTIONS[type(op)], [inputs[0], axes], output, keepdims=0)

    def concat(self, op: Any, inputs: Sequence[str], output: str) -> None:
        self.node("Concat", inputs, output, axis=op.extra_attrs["axis"])

    def softmax(self, op: Any, inputs: Sequence[str], output: str) -> None:
        self.node("Softmax", inputs, output, axis=op.dim)

    def clip(self, op: Any, inputs: Sequence[str], output: str) -> None:
        low, high = (self.constant(np.float32(bound)) for bound in (-1.0, 6.0))
        self.node("Clip", [*inputs, low, high], output)


WRITERS: dict[type, Callable[..., None]] = {
    _Conv: _Writer.conv,
    kinds.MaxPool2d: _Writer.pool,
    kinds.AvgPool2d: _Writer.pool,
    kinds.Slice: _Writer.slice,
    kinds.ConstPad: _Writer.pad,
    kinds.Transpose: _Writer.transpose,
    kinds.NearestInterp: _Writer.resize,
    kinds.Reshape: _Writer.reshape,
    kinds.Squeeze: _Writer.reshape,
    kinds.Softmax: _Writer.softmax,
    kinds.Clip: _Writer.clip,
    **{kind: _Writer.reduce for kind in REDUCTIONS},
    **{kind: _Writer.concat for kind in (kinds.Concat1, kinds.Concat2, kinds.Concat3)},
}
OPERATORS = [*SIMPLE, *WRITERS, _Conv, _Conv, _Conv]


def nnsmith_model(seed: int, most_nodes: int = 8) -> onnx.ModelProto:
    """The checked model of a seed; every value that nothing reads is an output."""
    random.seed(seed)
    grower = _Small(
        OPERATORS,
        seed,
        init_fp=True,
        dtype_choices=["float32"],
        rank_choices=(4, 4, 4, 2),
        max_elem_per_tensor=LARGEST_TENSOR,
    )
    grower.abstract_gen(max_node_size=most_nodes, max_gen_millisec=5000)
    graph = grower.make_concrete()
    writer = _Writer(graph, np.random.default_rng(seed))
    for instruction in graph.insts:
        op, inputs = instruction.iexpr.op, list(instruction.iexpr.args)
        (output,) = instruction.retvals()
        if not inputs:
            writer.source(output)
        elif type(op) in SIMPLE:
            writer.node(SIMPLE[type(op)], inputs, output)
        else:
            WRITERS[type(op)](writer, op, inputs, output)
    computed = [node.output[0] for node in writer.nodes]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, writer.shape(name))
        for name in graph.leaf_var()
        if name in computed
    ]
    body = helper.make_graph(writer.nodes, "nnsmith", writer.inputs, outputs, writer.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model
