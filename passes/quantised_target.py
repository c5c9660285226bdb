"""What a QuantizeLinear asks of the ops before it, and the ops that only bring a map there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from xdsl.ir import SSAValue

from compiler.quantization.arithmetic import INT8_RANGE, Clamp
from dialects.bsr import ClampOp, RequantiseOp, encoding_of
from dialects.bsr_attributes import Encoding
from dialects.onnx import OnnxOp
from passes.fixed_point_operands import Operands


@dataclass(frozen=True)
class Target:
    """What the QuantizeLinear at the end asks for."""

    value: SSAValue
    """What is quantised: one of the results of the node."""
    encoding: Encoding
    clamp: Clamp
    name: str

    @property
    def unclamped(self) -> Target:
        """The same without a clamp."""
        return replace(self, clamp=INT8_RANGE)


Lowering: TypeAlias = Callable[[Operands, OnnxOp, Target], SSAValue]
"""How a node becomes ops."""


def requantised(operands: Operands, node: OnnxOp, source: SSAValue, target: Target) -> SSAValue:
    """A map with the scale and the clamp that are asked for."""
    if encoding_of(source.type) != target.encoding:
        op = RequantiseOp(source, target.encoding, clamp=target.clamp, rounding=operands.rounding)
        return operands.emit(op, node)
    if target.clamp != INT8_RANGE:
        return operands.emit(ClampOp(source, target.clamp), node)
    return source
