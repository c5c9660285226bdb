"""A Resize with linear interpolation on exact values: each element of the result looks up the two around it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

import numpy as np
import numpy.typing as npt

from compiler.interpret.exact_value import Exact, plain
from dialects.onnx import OnnxOp
from dialects.onnx_linear import Way, linear_lines, linear_ways
from dialects.onnx_window import shape_of_value


def resize(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    """Sums with weights of a power of two; None where the weights are none, or so many that the host computes them."""
    source, result = plain(inputs[0]), shape_of_value(op.output)
    if source is None or source.scale.size != 1 or result is None:
        return None
    ways = linear_ways(op)
    if isinstance(ways, str):
        return None
    sizes = source.integers.shape
    single = all(sizes[axis] in (1, result[axis]) for axis in (2, 3))
    if isinstance(linear_lines(op), str) and not single:
        return None
    rows, above = _matrix(ways[0], sizes[2], result[2])
    columns, beside = _matrix(ways[1], sizes[3], result[3])
    sums = rows @ source.integers.astype(np.int64) @ columns.T
    return Exact(sums, source.scale * 2.0 ** -(above + beside))


def _matrix(way: Way, size: int, count: int) -> tuple[npt.NDArray[np.int64], int]:
    """Weights [result][source] as integers of so many binary places. One element alone is all of the result."""
    if size == 1:
        return np.ones((count, 1), np.int64), 0
    places = [way[0] * element + way[1] for element in range(count)]
    rests = [place - floor(place) for place in places]
    one = max(rest.denominator for rest in rests)
    weights = np.zeros((count, size), np.int64)
    for element, (place, rest) in enumerate(zip(places, rests, strict=True)):
        for at, weight in ((floor(place), 1 - rest), (floor(place) + 1, rest)):
            weights[element, min(max(at, 0), size - 1)] += int(Fraction(weight) * one)
    return weights, one.bit_length() - 1
