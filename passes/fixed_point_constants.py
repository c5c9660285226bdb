"""Weights and biases of a quantised ONNX graph as integers, with the scales that say what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from compiler.quantization.arithmetic import INT8_RANGE
from compiler.quantization.scaling import is_bias_scale
from dialects.bsr_weights import Scales
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import Linear, constant_of, is_absent
from passes.fixed_point_values import Unrepresentable, linear


def constant_integers(value: SSAValue, what: str) -> tuple[npt.NDArray[Any], Linear]:
    """Integers of a dequantised constant and what they mean."""
    producer = value.owner
    if isinstance(producer, OnnxOp) and is_operator(producer, "DequantizeLinear"):
        integers = constant_of(producer.inputs[0])
        if integers is not None and integers.dtype.name in ("int8", "int32"):
            return integers, linear(producer)
    raise Unrepresentable(f"{what} is not a constant in int8 or int32 with a DequantizeLinear")


def weight_integers(value: SSAValue, output_axis: int) -> tuple[npt.NDArray[np.int8], Scales]:
    """Integers of constant weights, less their zero-points, and their scales: one, or one for each output."""
    integers, says = constant_integers(value, "its weight")
    if integers.dtype != np.int8:
        raise Unrepresentable(f"its weight is {integers.dtype}, not int8")
    if says.scales.size > 1 and says.axis % integers.ndim != output_axis:
        raise Unrepresentable(f"{says.label} has a scale for each index of axis {says.axis}, not of the outputs")
    if says.zero_points.any():
        zeros = says.along(says.zero_points, integers.ndim) if says.zero_points.size > 1 else says.zero_points
        centred = integers - zeros
        if centred.min(initial=0) < INT8_RANGE[0] or centred.max(initial=0) > INT8_RANGE[1]:
            raise Unrepresentable(
                f"its weight less the zero-point of {says.label} reaches from {centred.min()} to {centred.max()}, "
                "beyond int8; weights with zero-point 0 would fit"
            )
        integers = centred.astype(np.int8)
    return integers, np.unique(says.scales) if np.ptp(says.scales) == 0 else says.scales


def bias_integers(node: OnnxOp, products: npt.NDArray[np.float64], channels: int) -> npt.NDArray[np.int32]:
    """
    The bias, the third input of `node`, as int32 at the scale of the products; zeros if it is left out.

    `products` is that scale, one or one for each channel. A bias at another scale is taken if they are a power of
    two apart and nothing is lost, and one in floating point if the scale of the products is a power of two.
    """
    if len(node.inputs) < 3 or is_absent(node.inputs[2]):
        return np.zeros(channels, np.int32)
    plain = constant_of(node.inputs[2])
    if plain is not None:
        integers, scales = plain.astype(np.float64).reshape(-1), np.ones(1)
    else:
        given, says = constant_integers(node.inputs[2], "its bias")
        if says.zero_points.any():
            raise Unrepresentable(f"its bias has the zero-point {says.zero_points[0]}")
        integers, scales = given.astype(np.float64).reshape(-1), says.scales.astype(np.float64)
    if integers.size not in (1, channels):
        raise Unrepresentable(f"its bias has {integers.size} values for {channels} channels")
    if plain is not None or not is_bias_scale(*np.broadcast_arrays(scales, products)):
        apart = scales / products
        if integers.any() and (apart.size > 1 or np.frexp(apart)[0] != 0.5):
            raise Unrepresentable(
                f"its bias has the scale {scales[0]:g}, which is not that of the products, {products[0]:g}"
            )
        integers = integers * apart[0]
    if np.any(integers != np.rint(integers)) or np.any(np.abs(integers) >= 2**31):
        raise Unrepresentable(f"its bias is no int32 at {_at(products)}, where the products are")
    return np.broadcast_to(integers, channels).astype(np.int32)


def _at(products: npt.NDArray[np.float64]) -> str:
    """A scale in words."""
    mantissa, exponent = np.frexp(products[0])
    return f"position {1 - exponent}" if products.size == 1 and mantissa == 0.5 else "the scale of the input and weight"
