"""
A Resize that interpolates linearly, on the array: a convolution for each phase of a map whose edges are repeated.

    %above = first row of %x, %below = its last row      convolutions with one 1 in each row
    %edged = bsr.append(%above, %x, %below)              and the same for columns
    %y     = bsr.interleave(conv(%edged), …)             weights 9, 3, 3, 1 of 16, rounded once

Exact: the weights are multiples of a power of two, and int8 holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from dialects.bsr import AppendOp, Conv2dOp, InterleaveOp, WeightsOp, encoding_of, shape_of, zero_point_of
from dialects.bsr_attributes import FixedAttr
from dialects.onnx import OnnxOp
from dialects.onnx_linear import LARGEST_WEIGHT, LinearLine, Phase, linear_lines
from passes.fixed_point_operands import Operands
from passes.pixel_phases import Phase as Moved
from passes.quantised_target import Target


def interpolated(operands: Operands, node: OnnxOp, target: Target) -> SSAValue:
    """The result of a Resize that `passes.interpolations` knows, at the scale that is asked for."""
    source, lines = operands.map(node.inputs[0]), linear_lines(node)
    assert not isinstance(lines, str), "the rules allow interpolations with int8 weights only"
    for axis, line in ((2, lines[0]), (3, lines[1])):
        source = _edged(operands, source, line, axis, f"{target.name}.edge{axis}", node)
    sizes = [shape_of(source.type)[axis] - line.before - line.after for axis, line in ((2, lines[0]), (3, lines[1]))]
    parts: list[SSAValue] = []
    for number, phases in enumerate(product(lines[0].phases, lines[1].phases)):
        moves = [line.move(*given) for line, given in zip(lines, zip(phases, sizes, strict=True), strict=True)]
        (rows, down), (columns, across) = moves
        constant = _weights(operands, source, phases, (rows, columns), f"{target.name}.phase{number}", node)
        make = partial(
            Conv2dOp,
            source,
            constant,
            target.encoding,
            strides=(down, across),
            clamp=target.clamp,
            rounding=operands.rounding,
        )
        parts.append(operands.build(make, node))
    if len(parts) == 1:
        return parts[0]
    steps = (len(lines[0].phases), len(lines[1].phases))
    return operands.build(lambda: InterleaveOp(parts, steps, target.encoding), node)


def _edged(operands: Operands, source: SSAValue, line: LinearLine, axis: int, key: str, node: OnnxOp) -> SSAValue:
    """The map with its first and last row (axis 2) or column (axis 3) as often as the line repeats them."""
    parts = [source]
    if line.before:
        parts.insert(0, _first(operands, source, axis, f"{key}.first", node))
    if line.after:
        parts.append(_last(operands, source, axis, f"{key}.last", node))
    if len(parts) == 1:
        return source
    return operands.build(lambda: AppendOp(parts, axis, encoding_of(source.type)), node)


def _first(operands: Operands, source: SSAValue, axis: int, key: str, node: OnnxOp) -> SSAValue:
    size = shape_of(source.type)[axis]
    return source if size == 1 else operands.phase(source, _line_of(source, axis, 0, size, 1), key, node)


def _last(operands: Operands, source: SSAValue, axis: int, key: str, node: OnnxOp) -> SSAValue:
    """Out of the first and the last one, which a stride brings together: no window spans the map."""
    size = shape_of(source.type)[axis]
    if size == 1:
        return source
    both = operands.phase(source, _line_of(source, axis, 0, size - 1, 2), f"{key}.both", node)
    return operands.phase(both, _line_of(both, axis, 1, 1, 1), key, node)


def _line_of(source: SSAValue, axis: int, first: int, stride: int, count: int) -> Moved:
    """Rows or columns `first`, `first` + `stride`, … of all channels."""
    _, channels, *sizes = shape_of(source.type)
    firsts, strides = [0, 0], [1, 1]
    firsts[axis - 2], strides[axis - 2], sizes[axis - 2] = first, stride, count
    begin = (firsts[0], firsts[1])
    return Moved(tuple(range(channels)), (begin,) * channels, (strides[0], strides[1]), (sizes[0], sizes[1]))


def _weights(
    operands: Operands, source: SSAValue, phases: tuple[Phase, ...], window: tuple[int, int], key: str, node: OnnxOp
) -> SSAValue:
    """
    The same window for each channel, as fine as int8 holds it for a general scale.

    Its weights add up to 1, so that a zero-point times that is the bias; and sums of a core are multiplied by less than
    1/2, which needs some places.
    """
    taps = dict(_products(phases))
    fixed, places = isinstance(encoding_of(source.type), FixedAttr), _places(taps.values())
    while not fixed and max(taps.values()) * 2 ** (places + 1) <= LARGEST_WEIGHT:
        places += 1
    channels = shape_of(source.type)[1]
    weights: npt.NDArray[np.int8] = np.zeros((channels, channels, *window), np.int8)
    each = np.arange(channels)
    for (row, column), weight in taps.items():
        weights[each, each, row, column] = int(weight * 2**places)
    bias = np.full(channels, -zero_point_of(source.type) << places, np.int32)
    position = places if fixed else np.full(channels, 2.0**-places, np.float32)
    return operands.emit(WeightsOp.from_dense(weights, bias, position, key), node)


def _products(phases: tuple[Phase, ...]) -> Iterator[tuple[tuple[int, int], Fraction]]:
    rows, columns = phases
    for (row, first), (column, second) in product(rows.taps, columns.taps):
        yield (row, column), first * second


def _places(weights: Iterable[Fraction]) -> int:
    return max(weight.denominator for weight in weights).bit_length() - 1
