"""
Strategies for what moves pixels of quantised graphs: padding, crops, blocks of pixels, enlargement, transposed
convolutions; and for a convolution with the weights of another one.

Each draws one layer on a value of a graph under construction, small enough that a few of them may follow each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from strategies_graphs import GraphBuilder, Tensor

LARGEST_SIDE = 24
MOST_CHANNELS = 48


@st.composite
def moved(draw: st.DrawFn, builder: GraphBuilder, x: Tensor) -> Tensor:
    """One layer on `x`."""
    _, channels, rows, columns = x.shape
    kinds = ["pad", "crop", "weights twice"]
    if channels % 4 == 0:
        kinds.append("depth to space")
    if rows % 2 == columns % 2 == 0 and 4 * channels <= MOST_CHANNELS:
        kinds.append("space to depth")
    if 2 * max(rows, columns) <= LARGEST_SIDE:
        kinds += ["enlarged", "transposed"]
    match draw(st.sampled_from(kinds)):
        case "pad":
            pads = [draw(st.integers(0, 2)) for _ in range(4)]
            name = builder.node("Pad", [x.name, builder.constant("pads", np.array([0, 0, *pads[:2], 0, 0, *pads[2:]]))])
            return builder.quantise(
                name, (1, channels, rows + pads[0] + pads[2], columns + pads[1] + pads[3]), x.position
            )
        case "crop":
            return draw(_cropped(builder, x))
        case "depth to space":
            mode = draw(st.sampled_from(("DCR", "CRD")))
            name = builder.node("DepthToSpace", [x.name], blocksize=2, mode=mode)
            return builder.quantise(name, (1, channels // 4, 2 * rows, 2 * columns), x.position)
        case "space to depth":
            name = builder.node("SpaceToDepth", [x.name], blocksize=2)
            return builder.quantise(name, (1, 4 * channels, rows // 2, columns // 2), x.position)
        case "enlarged":
            scales = builder.constant("scales", np.array([1, 1, 2, 2], np.float32))
            how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
            name = builder.node("Resize", [x.name, "", scales], **how)
            return builder.quantise(name, (1, channels, 2 * rows, 2 * columns), x.position)
        case "transposed":
            return draw(_transposed(builder, x))
        case _:
            return draw(_weights_twice(builder, x))


@st.composite
def _cropped(draw: st.DrawFn, builder: GraphBuilder, x: Tensor) -> Tensor:
    """Rows and columns from one to another, perhaps every second one."""
    kept: list[range] = []
    for size in x.shape[2:]:
        first = draw(st.integers(0, size - 1))
        kept.append(range(first, draw(st.integers(first + 1, size)), draw(st.integers(1, 2))))
    bounds = [[part.start for part in kept], [part.stop for part in kept], [2, 3], [part.step for part in kept]]
    name = builder.node("Slice", [x.name, *(builder.constant("bound", np.array(bound)) for bound in bounds)])
    return builder.quantise(name, (*x.shape[:2], *map(len, kept)), x.position)


@st.composite
def _transposed(draw: st.DrawFn, builder: GraphBuilder, x: Tensor) -> Tensor:
    """A transposed convolution."""
    strides = [draw(st.integers(1, 2)) for _ in range(2)]
    kernel = [draw(st.integers(1, 3)) for _ in range(2)]
    outputs = draw(st.integers(1, 12))
    weights = builder.random.integers(-128, 128, (x.shape[1], outputs, *kernel)).astype(np.int8)
    name = builder.node("ConvTranspose", [x.name, builder.weight(weights, 7)], strides=strides, kernel_shape=kernel)
    size = ((x.shape[2 + axis] - 1) * strides[axis] + kernel[axis] for axis in range(2))
    return builder.quantise(name, (1, outputs, *size), x.position - draw(st.integers(0, 3)))


@st.composite
def _weights_twice(draw: st.DrawFn, builder: GraphBuilder, x: Tensor) -> Tensor:
    """Two convolutions, one after the other, with the same weights."""
    values = builder.random.integers(-128, 128, (x.shape[1], x.shape[1], 1, 1)).astype(np.int8)
    shared = builder.weight(values, 7)
    for _ in range(2):
        x = builder.quantise(builder.node("Conv", [x.name, shared]), x.shape, x.position - draw(st.integers(0, 3)))
    return x
