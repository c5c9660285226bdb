"""
Which QuantizeLinear and DequantizeLinear are fixed point: one scale for the tensor, a power of two, and zero-point 0.

    QuantizeLinear(x, scale = 2**-5, zero_point = 0 : int8)       position 5: real = q * 2**-5

Bias is the same with int32. Everything else (scales per channel that differ, general scales, zero-points, uint8) is
ordinary ONNX.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from dialects.onnx import ConstantOp, NoneOp, OnnxOp


class NotFixedPoint(Exception):
    """Why a Quantize or DequantizeLinear has no binary position."""


def constant_of(value: SSAValue) -> npt.NDArray[Any] | None:
    """The values of a constant, or None if `value` is computed."""
    return value.owner.array() if isinstance(value.owner, ConstantOp) else None


def is_absent(value: SSAValue) -> bool:
    """Whether an optional input is left out."""
    return isinstance(value.owner, NoneOp)


def position_of_linear(op: OnnxOp) -> int:
    """The binary position of a QuantizeLinear or DequantizeLinear. Raises NotFixedPoint with the reason."""
    scales = constant_of(op.inputs[1])
    if scales is None:
        raise NotFixedPoint(f"the scale of {op.describe()} is computed")
    if scales.size == 0 or np.any(scales != scales.reshape(-1)[0]):
        raise NotFixedPoint(f"{op.describe()} has one scale per channel or block; one position per tensor is supported")
    scale = float(scales.reshape(-1)[0])
    mantissa, exponent = math.frexp(scale)
    if mantissa != 0.5:
        raise NotFixedPoint(f"the scale {scale:g} of {op.describe()} is not a power of two")
    if len(op.inputs) > 2 and not is_absent(op.inputs[2]):
        zero_points = constant_of(op.inputs[2])
        if zero_points is None or zero_points.any():
            raise NotFixedPoint(f"{op.describe()} has a zero-point other than 0")
    return 1 - exponent
