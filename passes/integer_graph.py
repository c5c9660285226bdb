"""
Graphs of integer arithmetic in ONNX, in which the host computes what the array does to the same bit.

Multiplication by a multiplier or a power of two, rounding and zero-points are int64 arithmetic. ONNX has no shift of
signed integers: a quotient by 2^s is (p - p mod 2^s) / 2^s with the Python-like Mod, and what Mod leaves over says on
which side of a tie p lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from xdsl.ir import Attribute, Operation

from compiler.quantization.arithmetic import Clamp, Rounding
from compiler.quantization.scaling import Multipliers, multipliers
from dialects.bsr import is_scaled, position_of, scale_of, shape_of, zero_point_of

_OPSET = 21
_IR_VERSION = 10
FAR = 32
"""Places: an int32 this far right rounds to 0, and an integer this far left saturates or is 0, as they do further."""
Pads = tuple[int, int, int, int]


class IntegerGraph:
    """A graph under construction; every method appends nodes and returns the name of what they compute."""

    def __init__(self, op: Operation, inputs: Sequence[Attribute]):
        self.op = op
        self.types = tuple(inputs)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node with one result."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: npt.NDArray[Any]) -> str:
        """A known tensor."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def number(self, value: int) -> str:
        """A known int64."""
        return self.constant(np.array(value, np.int64))

    def wide(self, value: str) -> str:
        """As int64."""
        return self.node("Cast", [value], to=TensorProto.INT64)

    def around_zero(self, index: int) -> str:
        """Input `index` less its zero-point, as int64."""
        return self.node("Sub", [self.wide(f"x{index}"), self.number(zero_point_of(self.types[index]))])

    def padded(self, index: int, pads: Pads) -> str:
        """Input `index`, a map, with its zero-point around it."""
        if not any(pads):
            return f"x{index}"
        top, left, bottom, right = pads
        amounts = self.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
        zero = self.constant(np.array(zero_point_of(self.types[index]), np.int8))
        return self.node("Pad", [f"x{index}", amounts, zero])

    def divided(self, value: str, divisor: npt.NDArray[np.int64], rounding: Rounding) -> str:
        """An int64 over a positive constant up to 2^62, rounded: up if twice the rest, and one on a tie, exceeds it."""
        by, two = self.constant(divisor), self.number(2)
        rest = self.node("Mod", [value, by])
        quotient = self.node("Div", [self.node("Sub", [value, rest]), by])
        tie = self.number(1) if rounding == "half_up" else self.node("Mod", [quotient, two])
        up = self.node("Greater", [self.node("Add", [self.node("Mul", [rest, two]), tie]), by])
        return self.node("Add", [quotient, self.wide(up)])

    def scaled(self, value: str, by: Multipliers, rounding: Rounding) -> str:
        """An int64 times m · 2^-s, rounded."""
        product = self.node("Mul", [value, self.constant(by.factors)])
        return self.divided(product, np.int64(1) << by.shifts, rounding)

    def moved(self, value: str, places: int, rounding: Rounding) -> str:
        """An int32 as int64, by so many binary places to the right, rounded; only sums below 2^30 move left."""
        if places <= 0:
            return self.node("Mul", [value, self.number(1 << min(-places, FAR))])
        return self.divided(value, np.array(1 << min(places, FAR), np.int64), rounding)

    def saturated(self, value: str, zero_point: int, clamp: Clamp) -> str:
        """An int64 around a zero-point as int8 within `clamp`."""
        moved = self.node("Add", [value, self.number(zero_point)])
        return self.node("Cast", [self.node("Clip", [moved, *map(self.number, clamp)])], to=TensorProto.INT8)

    def changed(self, index: int, result: Attribute, rounding: Rounding, clamp: Clamp) -> str:
        """Input `index` with the position or the scale of another map."""
        if not is_scaled(self.types[index]) and not is_scaled(result):
            moved = self.moved(self.wide(f"x{index}"), position_of(self.types[index]) - position_of(result), rounding)
            return self.saturated(moved, 0, clamp)
        by = multipliers(np.array(scale_of(self.types[index])), scale_of(result))
        return self.saturated(self.scaled(self.around_zero(index), by, rounding), zero_point_of(result), clamp)

    def model(self, result: str) -> bytes:
        """The model, whose output is `result`."""
        nodes = [*self.nodes, helper.make_node("Identity", [result], ["y"])]
        inputs = [
            helper.make_tensor_value_info(f"x{index}", TensorProto.INT8, list(shape_of(type)))
            for index, type in enumerate(self.types)
        ]
        output = helper.make_tensor_value_info("y", TensorProto.INT8, list(shape_of(self.op.results[0].type)))
        graph = helper.make_graph(nodes, "integers", inputs, [output], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        return model.SerializeToString(deterministic=True)
