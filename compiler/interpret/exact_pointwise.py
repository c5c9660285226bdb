"""ONNX operators on exact values that see each value once: sums, differences, products, extrema and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from compiler.interpret.exact_value import WIDEST_ALIGNMENT, Exact, Operator, Rival, binary_places, plain
from dialects.onnx import OnnxOp, is_operator
from dialects.onnx_fixed_point import constant_of, is_absent


def summed(left: Exact | None, right: Exact | None) -> Exact | None:
    """One value if the scales are a power of two apart, a value with an addend otherwise."""
    left, right = plain(left), plain(right)
    if left is None or right is None or left.scale.size != 1 or right.scale.size != 1:
        return None
    if left.scale < right.scale:
        left, right = right, left
    places = binary_places(left.scale.item(), right.scale)
    if places is None:
        return replace(left, addend=right)
    if places > WIDEST_ALIGNMENT:
        return None
    return Exact((left.integers.astype(np.int64) << places) + right.integers, right.scale)


def _add(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    if len(inputs) != 2:
        return None
    return summed(inputs[0], inputs[1])


def _subtract(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    right = plain(inputs[1])
    return None if right is None else summed(inputs[0], replace(right, integers=-right.integers.astype(np.int64)))


def _multiply(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    """Products of two int8, each less a zero-point, stay within 32 bits; of longer chains the last ones are floats."""
    left, right = plain(inputs[0]), plain(inputs[1])
    if left is None or right is None or left.scale.size != 1 or right.scale.size != 1:
        return None
    if max(np.abs(each.integers.astype(np.int64)).max(initial=0) for each in (left, right)) > 1 << 15:
        return None
    integers = left.integers.astype(np.int64) * right.integers
    return Exact(integers, np.asarray(left.scale.item() * right.scale.item()))


def _extremum(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    """The first operand, and the others as its rivals."""
    found = [value for value in inputs if value is not None]
    if len(found) != len(inputs) or any(value.rival is not None for value in found):
        return None
    shape = np.broadcast_shapes(*(value.integers.shape for value in found))
    best, *others = (replace(value, integers=np.broadcast_to(value.integers, shape)) for value in found)
    for value in others:
        best = replace(value, rival=Rival(best, is_operator(op, "Max")))
    return best


def _clip(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    bounds: list[float] = []
    for index, default in ((1, -np.inf), (2, np.inf)):
        given = index < len(op.inputs) and not is_absent(op.inputs[index])
        values = constant_of(op.inputs[index]) if given else np.asarray(default)
        if values is None or values.size != 1:
            return None
        bounds.append(float(values.reshape(-1)[0]))
    return _between(inputs[0], bounds[0], bounds[1])


def _relu(op: OnnxOp, inputs: Sequence[Exact | None]) -> Exact | None:
    return _between(inputs[0], 0.0, np.inf)


def _between(source: Exact | None, low: float, high: float) -> Exact | None:
    """Bounds wait until the value is rounded, where they are integers; a second pair holds the first."""
    if source is None:
        return None
    first, last = source.bounds
    rival = source.rival
    if rival is not None:
        other = _between(rival.value, low, high)
        assert other is not None, "a value stays one between bounds"
        rival = replace(rival, value=other)
    return replace(source, bounds=(max(low, min(high, first)), min(high, max(low, last))), rival=rival)


VALUE_BY_VALUE: dict[str, Operator] = {
    "Add": _add,
    "Sum": _add,
    "Sub": _subtract,
    "Mul": _multiply,
    "Max": _extremum,
    "Min": _extremum,
    "Relu": _relu,
    "Clip": _clip,
}
