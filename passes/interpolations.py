"""Which interpolations the array computes exactly: those of few phases whose weights int8 holds."""

from __future__ import annotations

from itertools import product
from math import prod

from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_linear import LinearLine, linear_lines
from dialects.onnx_window import shape_of_value
from passes.pixel_phases import LARGEST_WEIGHTS, MOST_PHASES
from passes.repeated_maps import is_repetition

LARGEST_WEIGHT = 127


def interpolates(node: OnnxOp) -> bool:
    """Whether a node is a Resize that the array computes by convolutions, not by moving or repeating elements."""
    linear = is_operator(node, "Resize") and node.string("mode", "nearest") == "linear" and not is_repetition(node)
    return linear and not isinstance(lines_of(node), str)


def lines_of(node: OnnxOp) -> tuple[LinearLine, LinearLine] | str:
    """Rows and columns of a Resize on the array, or why it is not there."""
    lines, shape = linear_lines(node), shape_of_value(node.inputs[0])
    if isinstance(lines, str) or shape is None or shape[0] != 1:
        return lines if isinstance(lines, str) else "it resizes other tensors than maps 1xCxHxW"
    rows, columns = lines
    if (phases := len(rows.phases) * len(columns.phases)) > MOST_PHASES:
        return f"it has {phases} phases, each a convolution; {MOST_PHASES} are the most"
    for pair in product(rows.phases, columns.phases):
        largest = prod(max(weight for _, weight in phase.taps) for phase in pair)
        if largest * largest.denominator > LARGEST_WEIGHT:
            return f"a pixel has the weight {largest}, and int8 holds {LARGEST_WEIGHT} of a power of two"
        window = prod(line.move(phase, shape[axis])[0] for axis, line, phase in zip((2, 3), lines, pair, strict=True))
        if (numbers := shape[1] ** 2 * window) > LARGEST_WEIGHTS:
            return f"its windows take matrices of {numbers} numbers, {LARGEST_WEIGHTS} are the most"
    return lines
