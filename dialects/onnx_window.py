"""
The sliding window of an ONNX Conv or pool in plain numbers: `auto_pad` and `ceil_mode` resolved against the shapes.

ONNX writes pads as [top, left, bottom, right] for two spatial dimensions, may leave them to `auto_pad`, and with
`ceil_mode` lets the last window reach beyond the declared pads. The cells it then covers are `extra`: they are no
part of the map, not even as padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, SSAValue

from dialects.onnx import OnnxOp


@dataclass(frozen=True)
class Window:
    """Geometry of a window over a map; pads and extra are top, left, bottom, right."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    extra: tuple[int, int, int, int]

    @property
    def reach(self) -> tuple[int, int, int, int]:
        """Pads and extra together: what surrounds the map so that every window is whole."""
        top, left, bottom, right = (pad + more for pad, more in zip(self.pads, self.extra, strict=True))
        return top, left, bottom, right


def shape_of_value(value: SSAValue) -> tuple[int, ...] | None:
    """The static shape of a tensor, or None."""
    type = value.type
    if not isinstance(type, TensorType):
        return None
    shape = cast("TensorType[Attribute]", type).get_shape()
    return None if any(size < 0 for size in shape) else shape


def window_of(op: OnnxOp) -> Window | None:
    """The window of a two-dimensional Conv or pool; None for other ranks and for unknown shapes."""
    source, result = shape_of_value(op.inputs[0]), shape_of_value(op.output)
    if source is None or result is None or len(source) != 4 or len(result) != 4:
        return None
    kernel = _kernel_of(op, source)
    if kernel is None or len(kernel) != 2:
        return None
    strides = cast("tuple[int, int]", op.integers("strides", (1, 1)))
    dilations = cast("tuple[int, int]", op.integers("dilations", (1, 1)))
    before, after, extra = [0, 0], [0, 0], [0, 0]
    for axis in range(2):
        size = dilations[axis] * (kernel[axis] - 1) + 1
        needed = (result[2 + axis] - 1) * strides[axis] + size - source[2 + axis]
        before[axis], after[axis] = _pads_of(op, axis, needed)
        extra[axis] = max(0, needed - before[axis] - after[axis])
    return Window(
        kernel=kernel,
        strides=strides,
        dilations=dilations,
        pads=(before[0], before[1], after[0], after[1]),
        extra=(0, 0, extra[0], extra[1]),
    )


def _kernel_of(op: OnnxOp, source: tuple[int, ...]) -> tuple[int, int] | None:
    if op.operator.startswith("Global"):
        return source[2], source[3]
    if op.operator != "Conv":
        return cast("tuple[int, int]", op.integers("kernel_shape", ()))
    weights = shape_of_value(op.inputs[1])
    return None if weights is None or len(weights) != 4 else (weights[2], weights[3])


def _pads_of(op: OnnxOp, axis: int, needed: int) -> tuple[int, int]:
    """Pads before and after along one axis; `needed` is what makes the last window end exactly at the border."""
    match op.string("auto_pad", "NOTSET"):
        case "SAME_UPPER":
            return max(0, needed) // 2, max(0, needed) - max(0, needed) // 2
        case "SAME_LOWER":
            return max(0, needed) - max(0, needed) // 2, max(0, needed) // 2
        case "VALID":
            return 0, 0
        case _:
            pads = op.integers("pads", (0, 0, 0, 0))
            return pads[axis], pads[2 + axis]
