"""
ONNX operators that only move elements: their result is the input with every element in another place, or left out.

`move` does to an array what a node does to its input. On an array of places it says where each element comes from:

    Reshape 1x8x2x2 → 1x2x4x2x2, Transpose (0, 2, 1, 3, 4), Reshape → 1x8x2x2          a channel shuffle
    channels 0 1 2 3 4 5 6 7                                →  channels 0 4 1 5 2 6 3 7
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import constant_of, is_absent
from dialects.onnx_nearest import nearest_indices
from dialects.onnx_window import shape_of_value

RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
MOVES = (*RESHAPES, "Transpose", "Slice", "Split", "Gather", "DepthToSpace", "SpaceToDepth", "Tile", "Expand", "Resize")


MOST_PHASES = 16
"""Of a result whose pixels are computed in turn: each phase is a layer."""
LARGEST_WEIGHTS = 1 << 22
"""Numbers, nearly all 0, that say for a phase what comes from where."""


def move(value: SSAValue, source: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """
    The result `value` of one of MOVES if its first input is `source`, as a view where numpy has one.

    None if its shape or what else it depends on is not known when compiling.
    """
    node, shape = value.owner, shape_of_value(value)
    if not isinstance(node, OnnxOp) or not is_operator(node, *MOVES) or shape is None:
        return None
    match node.operator:
        case "Transpose":
            return source.transpose(node.integers("perm", ()) or None)
        case "Slice":
            return _slice(node, source)
        case "Split":
            return _split(node, value, source, shape)
        case "Gather":
            indices = constant_of(node.inputs[1])
            return None if indices is None else np.take(source, indices, node.integer("axis", 0))
        case "DepthToSpace":
            return _depth_to_space(node, source)
        case "SpaceToDepth":
            return _space_to_depth(node, source)
        case "Tile":
            repeats = constant_of(node.inputs[1])
            return None if repeats is None else np.tile(source, [int(times) for times in repeats])
        case "Expand":
            return np.broadcast_to(source, shape)
        case "Resize":
            nearest = nearest_indices(node, source.shape, shape)
            return None if nearest is None else source[np.ix_(*nearest)]
        case _:
            return source.reshape(shape)


def _slice(node: OnnxOp, source: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Bounds mean in ONNX what they mean in numpy, beyond the ends as well."""
    lists: list[list[int]] = []
    for value in node.inputs[1:]:
        values = np.zeros(0) if is_absent(value) else constant_of(value)
        if values is None:
            return None
        lists.append([int(item) for item in values])
    starts, ends, axes, steps = (*lists, [], [])[:4]
    index = [slice(None)] * source.ndim
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index[axis] = slice(start, end, step)
    return source[tuple(index)]


def _depth_to_space(node: OnnxOp, source: npt.NDArray[Any]) -> npt.NDArray[Any]:
    batch, channels, height, width = source.shape
    size = node.integer("blocksize", 1)
    depth = channels // size**2
    if node.string("mode", "DCR") == "CRD":
        apart = source.reshape(batch, depth, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        apart = source.reshape(batch, size, size, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    return apart.reshape(batch, depth, height * size, width * size)


def _space_to_depth(node: OnnxOp, source: npt.NDArray[Any]) -> npt.NDArray[Any]:
    batch, depth, height, width = source.shape
    size = node.integer("blocksize", 1)
    apart = source.reshape(batch, depth, height // size, size, width // size, size)
    order = (0, 1, 3, 5, 2, 4) if node.string("mode", "DCR") == "CRD" else (0, 3, 5, 1, 2, 4)
    return apart.transpose(order).reshape(batch, depth * size**2, height // size, width // size)


def _split(node: OnnxOp, value: SSAValue, source: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    """The part is as long as its type says, and so are those before it."""
    axis = node.integer("axis", 0)
    start = 0
    for part in node.outputs:
        if part is value:
            return np.take(source, np.arange(start, start + shape[axis]), axis)
        before = shape_of_value(part)
        if before is None:
            return None
        start += before[axis]
    return None
