"""
What QuantizeLinear and DequantizeLinear say: real = scale · (q - zero_point), per tensor or per index of one axis.

    QuantizeLinear(x, scale = 2**-5, zero_point = 0 : int8)       position 5: real = q * 2**-5

One scale for the tensor that is a power of two, with zero-point 0, is fixed point: the array shifts. Everything else
needs multipliers. Bias is the same with int32. Scales that are computed or given per block are ordinary ONNX.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from dialects.onnx import ConstantOp, NoneOp, OnnxOp, is_operator


class NotFixedPoint(Exception):
    """Why a Quantize or DequantizeLinear has no constant scale per tensor or channel, or no binary position."""


@dataclass(frozen=True)
class Linear:
    """Scales (float32, positive) and zero-points, one each or one for every index of `axis`."""

    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    axis: int
    label: str

    @property
    def scale(self) -> float:
        """The one scale of the tensor."""
        if self.scales.size == 0 or np.any(self.scales != self.scales[0]):
            raise NotFixedPoint(f"{self.label} has one scale per channel or block; one per tensor is supported here")
        return float(self.scales[0])

    @property
    def zero_point(self) -> int:
        """The one zero-point of the tensor."""
        if np.any(self.zero_points != self.zero_points[0]):
            raise NotFixedPoint(f"{self.label} has one zero-point per channel; one per tensor is supported here")
        return int(self.zero_points[0])

    @property
    def position(self) -> int:
        """The binary position. Raises NotFixedPoint when there is none."""
        mantissa, exponent = math.frexp(self.scale)
        if mantissa != 0.5:
            raise NotFixedPoint(f"the scale {self.scale:g} of {self.label} is not a power of two")
        if self.zero_points.any():
            raise NotFixedPoint(f"{self.label} has a zero-point other than 0")
        return 1 - exponent

    def along(self, values: npt.NDArray[Any], rank: int) -> npt.NDArray[Any]:
        """Scales or zero-points in a shape that broadcasts over a tensor of `rank` dimensions."""
        return values.reshape([-1 if index == self.axis % rank else 1 for index in range(rank)] if rank else ())


def constant_of(value: SSAValue) -> npt.NDArray[Any] | None:
    """The values of a constant, or None if `value` is computed."""
    return value.owner.array() if isinstance(value.owner, ConstantOp) else None


def is_absent(value: SSAValue) -> bool:
    """Whether an optional input is left out."""
    return isinstance(value.owner, NoneOp)


def is_constant(value: SSAValue) -> bool:
    """Whether a value is a constant, perhaps dequantised."""
    if isinstance(value.owner, OnnxOp) and is_operator(value.owner, "DequantizeLinear"):
        value = value.owner.inputs[0]
    return isinstance(value.owner, ConstantOp)


def linear_of(op: OnnxOp) -> Linear:
    """What a QuantizeLinear or DequantizeLinear says. Raises NotFixedPoint with the reason if it is not constant."""
    scales = constant_of(op.inputs[1])
    if scales is None:
        raise NotFixedPoint(f"the scale of {op.describe()} is computed")
    if scales.ndim > 1 or op.integer("block_size", 0) or scales.dtype != np.float32:
        raise NotFixedPoint(f"{op.describe()} has scales per block or in {scales.dtype}")
    if scales.size == 0 or not np.all(np.isfinite(scales) & (scales > 0)):
        raise NotFixedPoint(f"{op.describe()} has a scale that is not positive")
    zeros = np.zeros(1, np.int64)
    if len(op.inputs) > 2 and not is_absent(op.inputs[2]):
        given = constant_of(op.inputs[2])
        if given is None:
            raise NotFixedPoint(f"the zero-point of {op.describe()} is computed")
        if given.dtype.kind not in "iu" or given.size not in (1, scales.size):
            raise NotFixedPoint(f"{op.describe()} has zero-points in {given.dtype} of shape {list(given.shape)}")
        zeros = given.astype(np.int64).reshape(-1)
    return Linear(scales.reshape(-1), zeros, op.integer("axis", 1), op.describe())


def position_of_linear(op: OnnxOp) -> int:
    """The binary position of a QuantizeLinear or DequantizeLinear. Raises NotFixedPoint with the reason."""
    return linear_of(op).position
