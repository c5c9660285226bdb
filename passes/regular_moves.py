"""
Values that are a map's elements moved regularly, whatever spells it: a crop, a Split, a channel shuffle in three nodes.

    Reshape 1x8xHxW → 1x2x4xHxW, Transpose (0, 2, 1, 3, 4), Reshape → 1x8xHxW   =   channels 0 4 1 5 2 6 3 7 of 1x8xHxW

Nothing is matched. The places of a map's elements go through the nodes, and if what comes out is a few regular phases
(`passes.pixel_phases`), that is a selection. The array makes each phase by a convolution whose weights are 0 and 1.
A tensor that never was a map of one image is one pixel with all its elements as channels: any move of few is regular.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.ir import SSAValue

from dialects.bsr_attributes import as_map
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_moves import MOVES, RESHAPES, move
from dialects.onnx_window import shape_of_value
from passes.pixel_phases import Phases, phases_of

_LONGEST = 12
"""Nodes of a chain, with those that quantise in between; exporters write at most three moves."""
LARGEST_MAP = 1 << 24
"""Elements of a map whose places are followed, at 8 bytes each; five times the largest map of VGG-16."""


@dataclass(frozen=True)
class Selection:
    """A `value` that holds elements of the map `source` in regular phases."""

    value: SSAValue
    source: SSAValue
    phases: Phases
    nodes: tuple[OnnxOp, ...]
    """What moves the elements, the last node first."""
    quantised: tuple[OnnxOp, ...]
    """The QuantizeLinear nodes in between; they change nothing if all have the scale of the source."""


def selection_of(value: SSAValue) -> Selection | None:
    """The shortest chain of nodes through which a map's elements come to `value` regularly; None if there is none."""
    if not _is_tensor(value):
        return None
    only_maps = _begins_as_map(value)
    if only_maps and not _is_map(value):
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
        if only_maps and not _is_map(current):
            continue
        if moved and (phases := _phases(path, current)) is not None:
            return Selection(value, current, phases, tuple(nodes), tuple(quantised))
    return None


def _begins_as_map(value: SSAValue) -> bool:
    """Whether what moves to `value` was a map: what lies in between is no tensor of its own then, but a way."""
    while isinstance(value.owner, OnnxOp) and is_operator(value.owner, *MOVES, "QuantizeLinear", "DequantizeLinear"):
        value = value.owner.inputs[0]
    return _is_map(value)


def _is_map(value: SSAValue) -> bool:
    shape = shape_of_value(value)
    return shape is not None and len(shape) == 4 and shape[0] == 1


def _is_tensor(value: SSAValue) -> bool:
    shape = shape_of_value(value)
    return shape is not None and 0 not in shape


def _phases(path: list[SSAValue], source: SSAValue) -> Phases | None:
    """What comes of `source` through the values of `path`, which are in order from the last."""
    shape, result = shape_of_value(source), shape_of_value(path[0])
    if not _is_tensor(source) or shape is None or result is None:
        return None
    if max(prod(shape), prod(result)) > LARGEST_MAP:
        return None
    places = np.arange(prod(shape)).reshape(shape)
    for value in reversed(path):
        moved = move(value, places)
        if moved is None:
            return None
        places = moved
    return phases_of(places.reshape(as_map(result)), as_map(shape)) if places.shape == result else None
