"""
Values that are whole channels of a map, whatever spells it: a Slice, a Split, a channel shuffle in three nodes.

    Reshape 1x8xHxW → 1x2x4xHxW, Transpose (0, 2, 1, 3, 4), Reshape → 1x8xHxW   =   channels 0 4 1 5 2 6 3 7 of 1x8xHxW

Nothing is matched. The places of a map's elements go through the nodes, and if whole channels come out, each pixel
where it was, that is a selection. The array takes channels by a 1×1 convolution whose weights are 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.ir import SSAValue

from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_moves import MOVES, RESHAPES, move
from dialects.onnx_window import shape_of_value

_LONGEST = 12
"""Nodes of a chain, with those that quantise in between; exporters write at most three moves."""
LARGEST_MAP = 1 << 24
"""Elements of a map whose places are followed, at 8 bytes each; five times the largest map of VGG-16."""


@dataclass(frozen=True)
class Selection:
    """A `value` that is `channels` of the map `source`, in this order."""

    value: SSAValue
    source: SSAValue
    channels: tuple[int, ...]
    nodes: tuple[OnnxOp, ...]
    """What moves the elements, the last node first."""
    quantised: tuple[OnnxOp, ...]
    """The QuantizeLinear nodes in between; they change nothing if all have the scale of the source."""


def selection_of(value: SSAValue) -> Selection | None:
    """The shortest chain of nodes through which `value` is whole channels of a map; None if there is none."""
    if not _is_map(value):
        return None
    nodes: list[OnnxOp] = []
    path: list[SSAValue] = []
    quantised: list[OnnxOp] = []
    current = value
    for _ in range(_LONGEST):
        node = current.owner
        if not isinstance(node, OnnxOp):
            return None
        if is_operator(node, *MOVES):
            nodes.append(node)
            path.append(current)
        elif is_operator(node, "QuantizeLinear"):
            quantised.append(node)
        elif not is_operator(node, "DequantizeLinear"):
            return None
        current = node.inputs[0]
        moved = nodes and is_operator(node, *MOVES) and not all(is_operator(other, *RESHAPES) for other in nodes)
        if moved and (channels := _channels(path, current)) is not None:
            return Selection(value, current, channels, tuple(nodes), tuple(quantised))
    return None


def _is_map(value: SSAValue) -> bool:
    shape = shape_of_value(value)
    return shape is not None and len(shape) == 4 and shape[0] == 1 and 0 not in shape


def _channels(path: list[SSAValue], source: SSAValue) -> tuple[int, ...] | None:
    """The channels of `source` that come through the values of `path`, which are in order from the last."""
    shape, result = shape_of_value(source), shape_of_value(path[0])
    if not _is_map(source) or shape is None or result is None or result[2:] != shape[2:]:
        return None
    if max(prod(shape), prod(result)) > LARGEST_MAP:
        return None
    places = np.arange(prod(shape)).reshape(shape)
    for value in reversed(path):
        moved = move(value, places)
        if moved is None:
            return None
        places = moved
    pixels = shape[2] * shape[3]
    found = places.reshape(-1, pixels)
    channels = found[:, 0] // pixels
    whole = np.array_equal(found, channels[:, None] * pixels + np.arange(pixels))
    return tuple(int(channel) for channel in channels) if whole and places.shape == result else None
