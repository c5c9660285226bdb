"""
Resize with the nearest element: which element of the input each one of the result is, axis by axis.

The formulas are those of the ONNX specification. Where float32 and float64 fall to different sides of a tie, runtimes
differ, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dialects.onnx import OnnxOp
from dialects.onnx_fixed_point import constant_of, is_absent

Coordinates = npt.NDArray[np.floating]
Number = type[np.float32] | type[np.float64]

_ROUNDINGS: dict[str, Callable[[Coordinates], Coordinates]] = {
    "round_prefer_floor": lambda x: np.ceil(x - x.dtype.type(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + x.dtype.type(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


def nearest_indices(
    node: OnnxOp, source: tuple[int, ...], result: tuple[int, ...]
) -> tuple[npt.NDArray[np.int64], ...] | None:
    """By axis, the places in the input that the result holds; None if it is interpolated, or they are not certain."""
    plain = node.string("mode", "nearest") == "nearest" and not node.integers("axes", ())
    if not plain or node.string("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    mode, rounding = (
        node.string("coordinate_transformation_mode", "half_pixel"),
        _ROUNDINGS.get(node.string("nearest_mode", "round_prefer_floor")),
    )
    scales = scales_of(node, source, result)
    if scales is None or rounding is None or len(scales) != len(source):
        return None
    found: list[npt.NDArray[np.int64]] = []
    for size, count, scale in zip(source, result, scales, strict=True):
        ways = [_coordinates(mode, size, count, scale, number) for number in (np.float32, np.float64)]
        near, far = (None if way is None else np.clip(rounding(way), 0, size - 1).astype(np.int64) for way in ways)
        if near is None or far is None or not np.array_equal(near, far):
            return None
        found.append(near)
    return tuple(found)


def scales_of(node: OnnxOp, source: tuple[int, ...], result: tuple[int, ...]) -> list[float] | None:
    """By axis, the size of the result over that of the input."""
    if len(node.inputs) > 2 and not is_absent(node.inputs[2]):
        given = constant_of(node.inputs[2])
        if given is None:
            return None
        if given.size:
            return [float(scale) for scale in given]
    return [count / size for size, count in zip(source, result, strict=True)]


def _coordinates(mode: str, size: int, count: int, by: float, number: Number) -> Coordinates | None:
    """Where in an axis of `size` elements each of `count` lies, computed with such numbers."""
    places, half, scale, last = np.arange(count, dtype=number), number(0.5), number(by), number(max(count - 1, 1))
    match mode:
        case "half_pixel":
            return (places + half) / scale - half
        case "pytorch_half_pixel":
            return (places + half) / scale - half if count > 1 else places
        case "align_corners":
            return places * number(size - 1) / last
        case "asymmetric":
            return places / scale
        case _:
            return None
