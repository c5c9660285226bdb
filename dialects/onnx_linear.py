"""
Resize with linear interpolation along rows and columns, as convolutions of a map whose edges are repeated.

Element i of the result lies at a·i + b of the input, in exact fractions. With a = d/s the elements q·s + j, for one j,
read the inputs q·d + o with the same two weights, wherever they are:

    twice, half_pixel       even elements are x[q-1]/4 + 3x[q]/4, odd ones 3x[q]/4 + x[q+1]/4
    33 to 65, align_corners even elements are x[q], odd ones x[q]/2 + x[q+1]/2
    half, half_pixel        x[2q]/2 + x[2q+1]/2

What lies before the first or behind the last element is that element. Weights whose sums are no multiples of a power of
two are not exact as integers, and nothing is said of them.

Which interpolations count as exact is decided here, because the reference has to know it as well: what the array does
not compute, the host computes in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import floor

from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_moves import LARGEST_WEIGHTS, MOST_PHASES
from dialects.onnx_nearest import scales_of
from dialects.onnx_window import shape_of_value

Tap = tuple[int, Fraction]
"""An element from the first of a window, and its weight."""
Way = tuple[Fraction, Fraction]
"""Element i of the result lies at the first times i plus the second."""
LARGEST_WEIGHT = 127


@dataclass(frozen=True)
class Phase:
    """Every so many-th element of the result."""

    taps: tuple[Tap, ...]
    count: int


@dataclass(frozen=True)
class LinearLine:
    """One axis: phases of the result, each a window that moves by `stride` over elements with repeated ends."""

    stride: int
    before: int
    """How often the first element is repeated in front of it."""
    after: int
    phases: tuple[Phase, ...]

    @property
    def places(self) -> int:
        """Binary places of the weights."""
        return max(weight.denominator for phase in self.phases for _, weight in phase.taps).bit_length() - 1

    def move(self, phase: Phase, size: int) -> tuple[int, int]:
        """Window and stride that give as many elements as the phase has, of `size` elements and the repeated ends."""
        whole = size + self.before + self.after
        stride = whole if phase.count == 1 else self.stride
        return max(phase.taps[-1][0] + 1, whole - stride * phase.count + 1), stride


def linear_ways(node: OnnxOp) -> tuple[Way, Way] | str:
    """By rows and columns, where each element of a linear Resize lies; or why it is no such node."""
    assert is_operator(node, "Resize"), "only Resize interpolates"
    source, result = shape_of_value(node.inputs[0]), shape_of_value(node.output)
    if source is None or result is None or len(source) != 4 or 0 in (*source, *result) or source[:2] != result[:2]:
        return "it resizes other axes than height and width of a map"
    policy = node.string("keep_aspect_ratio_policy", "stretch")
    if node.string("mode", "nearest") != "linear" or policy != "stretch" or node.integer("antialias", 0):
        return "it interpolates with more than two elements along an axis"
    scales = scales_of(node, source, result)
    if scales is None or node.integers("axes", ()) or len(scales) != 4:
        return "its scales are not known when compiling, or are of some axes"
    mode = node.string("coordinate_transformation_mode", "half_pixel")
    rows, columns = (_way(mode, source[axis], result[axis], scales[axis]) for axis in (2, 3))
    return f"its coordinates are {mode}" if rows is None or columns is None else (rows, columns)


def linear_lines(node: OnnxOp) -> tuple[LinearLine, LinearLine] | str:
    """Rows and columns of a linear Resize of a map, exact in few phases with weights in int8; or why it is none."""
    ways = linear_ways(node)
    if isinstance(ways, str):
        return ways
    source, result = shape_of_value(node.inputs[0]), shape_of_value(node.output)
    assert source is not None, "a Resize whose ways are known reads a known shape"
    assert result is not None, "and gives one"
    if source[0] != 1:
        return "it resizes other tensors than maps 1xCxHxW"
    rows, columns = (_line(*way, source[axis], result[axis]) for axis, way in zip((2, 3), ways, strict=True))
    if isinstance(rows, str) or isinstance(columns, str):
        return rows if isinstance(rows, str) else str(columns)
    if (phases := len(rows.phases) * len(columns.phases)) > MOST_PHASES:
        return f"it has {phases} phases, each a convolution; {MOST_PHASES} are the most"
    for row, column in product(rows.phases, columns.phases):
        largest = max(weight for _, weight in row.taps) * max(weight for _, weight in column.taps)
        if largest.numerator > LARGEST_WEIGHT:
            return f"a pixel has the weight {largest}, and int8 holds {LARGEST_WEIGHT} of a power of two"
        window = rows.move(row, source[2])[0] * columns.move(column, source[3])[0]
        if (numbers := source[1] ** 2 * window) > LARGEST_WEIGHTS:
            return f"its windows take matrices of {numbers} numbers, {LARGEST_WEIGHTS} are the most"
    return rows, columns


def _way(mode: str, size: int, count: int, scale: float) -> Way | None:
    """Where elements lie: a · i + b."""
    half, by = Fraction(1, 2), Fraction(scale)
    # a quotient of two sizes is meant as such
    by = Fraction(count, size) if scale == count / size else by
    if count == 1 and mode in ("align_corners", "pytorch_half_pixel"):
        return Fraction(0), Fraction(0)
    match mode:
        case "half_pixel" | "pytorch_half_pixel":
            return 1 / by, half / by - half
        case "half_pixel_symmetric" if by * size == count:
            return 1 / by, half / by - half
        case "align_corners":
            return Fraction(size - 1, count - 1), Fraction(0)
        case "asymmetric":
            return 1 / by, Fraction(0)
        case _:
            return None


def _line(step: Fraction, first: Fraction, size: int, count: int) -> LinearLine | str:
    number = min(step.denominator, count)
    stride = step.numerator if number == step.denominator else 1
    found: list[Phase] = []
    for number_of_first in range(number):
        at = first + step * number_of_first
        rest = at - floor(at)
        if rest.denominator & (rest.denominator - 1):
            return f"an element has the weight {rest}, which is no multiple of a power of two"
        taps = ((floor(at), 1 - rest), (floor(at) + 1, rest)) if rest else ((floor(at), Fraction(1)),)
        found.append(Phase(taps, -(-(count - number_of_first) // number)))
    before = max(0, -min(phase.taps[0][0] for phase in found))
    after = max(0, max(phase.taps[-1][0] + (phase.count - 1) * stride for phase in found) + 1 - size)
    if max(before, after) > 1:
        return f"it repeats an edge {max(before, after)} times"
    moved = (replace(phase, taps=tuple((at + before, weight) for at, weight in phase.taps)) for phase in found)
    return LinearLine(stride, before, after, tuple(moved))
