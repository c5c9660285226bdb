"""
Quantised ONNX graphs as other quantisers write them: general scales, zero-points, scales for each channel.

Float values flow between Quantize/Dequantize pairs; each pair has a drawn scale and zero-point, now and then a power of
two and zero, so that fixed point and general scales meet. A graph may have ties: with scales like 0.75 and 1.5 the
ratio is a power of two although neither scale is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from hypothesis import strategies as st
from strategies_graphs import GraphBuilder, Tensor

SCALES = st.one_of(st.floats(2.0**-7, 0.25, width=32), st.sampled_from((0.0625, 0.03125, 0.09375, 0.1875)))
ZERO_POINTS = st.one_of(st.just(0), st.integers(-128, 127))


@dataclass(frozen=True)
class ScaledGraph:
    """A drawn model and inputs for it."""

    model: onnx.ModelProto
    inputs: dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Pair:
    """What a Quantize/Dequantize pair says."""

    scale: float
    zero_point: int


PAIRS = st.builds(Pair, SCALES, ZERO_POINTS)


class ScaledBuilder(GraphBuilder):
    """Adds pairs with general scales to the builder; `position` of its tensors means nothing."""

    def pair(self, name: str, shape: tuple[int, ...], pair: Pair) -> tuple[Tensor, float]:
        """A Quantize/Dequantize pair behind `name`, and its scale."""
        scale, zero = self.constant("scale", np.float32(pair.scale)), self.constant("zero", np.int8(pair.zero_point))
        quantised = self.node("QuantizeLinear", [name, scale, zero])
        return Tensor(self.node("DequantizeLinear", [quantised, scale, zero]), shape, 0), pair.scale

    def scaled_weight(self, values: npt.NDArray[np.generic], scales: npt.NDArray[np.float32], axis: int = 0) -> str:
        """A constant and its DequantizeLinear, with one scale or one for each index of `axis`."""
        name, scale = self.constant("weights", values), self.constant("scale", scales)
        zero = self.constant("zero", np.zeros(scales.shape, values.dtype))
        return self.node("DequantizeLinear", [name, scale, zero], **({"axis": axis} if scales.ndim else {}))


class GeneralBuilder(GraphBuilder):
    """Where the builder writes a position: a general scale near it, and a zero-point that the position decides."""

    def quantise(self, name: str, shape: tuple[int, ...], position: int) -> Tensor:
        scale = self.constant("scale", np.float32(0.8 * 2.0**-position))
        zero = self.constant("zero", np.int8((37 * position + self.seed) % 256 - 128))
        quantised = self.node("QuantizeLinear", [name, scale, zero])
        return Tensor(self.node("DequantizeLinear", [quantised, scale, zero]), shape, position)


@st.composite
def scaled_graphs(draw: st.DrawFn, maximum_layers: int = 4) -> ScaledGraph:
    """Convolutions, sums, pools, concatenations and a classifier."""
    builder = ScaledBuilder(draw(st.integers(0, 2**16)))
    shape = (1, draw(st.integers(1, 12)), draw(st.integers(3, 8)), draw(st.integers(3, 8)))
    source = builder.fresh("input")
    builder.inputs.append(onnx.helper.make_tensor_value_info(source, onnx.TensorProto.FLOAT, list(shape)))
    live = [builder.pair(source, shape, draw(PAIRS))]
    for _ in range(draw(st.integers(1, maximum_layers))):
        live.append(draw(_layer(builder, live)))
    last = live[-1]
    if draw(st.booleans()):
        last = draw(_classifier(builder, last))
    return ScaledGraph(builder.model(last[0]), builder.feed())


def _repeats(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether a tensor of `shape` repeated becomes one of the `other`."""
    return all(size in (1, larger) for size, larger in zip(shape, other, strict=True))


@st.composite
def _layer(draw: st.DrawFn, builder: ScaledBuilder, live: list[tuple[Tensor, float]]) -> tuple[Tensor, float]:
    x, scale = live[draw(st.integers(0, len(live) - 1))]
    twins = [other for other, _ in live if _repeats(other.shape, x.shape)]
    neighbours = [other for other, _ in live if other.shape[2:] == x.shape[2:]]
    match draw(
        st.sampled_from(("conv", "conv", "conv", "pair", "pair", "concat", "average", "maximum", "mean", "relu"))
    ):
        case "pair":
            operator = draw(st.sampled_from(("Add", "Sub", "Mul", "Max", "Min")))
            name, shape = builder.node(operator, [x.name, draw(st.sampled_from(twins)).name]), x.shape
        case "concat" if sum(other.shape[1] for other in neighbours) < 40:
            parts = [*neighbours, x]
            name = builder.node("Concat", [part.name for part in parts], axis=1)
            shape = (1, sum(part.shape[1] for part in parts), *x.shape[2:])
        case "average" if min(x.shape[2:]) >= 3:
            include = draw(st.integers(0, 1))
            name = builder.node(
                "AveragePool", [x.name], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=include
            )
            shape = x.shape
        case "maximum" if min(x.shape[2:]) >= 3:
            name = builder.node("MaxPool", [x.name], kernel_shape=[3, 3], pads=[1, 0, 1, 2])
            shape = x.shape
        case "mean":
            name, shape = builder.node("GlobalAveragePool", [x.name]), (*x.shape[:2], 1, 1)
        case "relu":
            name, shape = x.name, x.shape
        case _:
            name, shape = draw(_conv(builder, x, scale))
    bounds = draw(st.sampled_from(("none", "none", "relu", "clip")))
    if bounds == "relu":
        name = builder.node("Relu", [name])
    elif bounds == "clip":
        low, high = builder.constant("low", np.float32(-0.3)), builder.constant("high", np.float32(6))
        name = builder.node("Clip", [name, low, high])
    return builder.pair(name, shape, draw(PAIRS))


@st.composite
def _conv(draw: st.DrawFn, builder: ScaledBuilder, x: Tensor, scale: float) -> tuple[str, tuple[int, ...]]:
    group = draw(st.sampled_from([size for size in range(1, x.shape[1] + 1) if x.shape[1] % size == 0]))
    outputs = group * draw(st.integers(1, max(1, 16 // group)))
    kernel = draw(st.sampled_from(((1, 1), (3, 3), (1, 3)))) if min(x.shape[2:]) >= 3 else (1, 1)
    weights = builder.random.integers(-128, 128, (outputs, x.shape[1] // group, *kernel)).astype(np.int8)
    scales = draw(_scales(outputs))
    inputs = [x.name, builder.scaled_weight(weights, scales)]
    if draw(st.booleans()):
        bias = builder.random.integers(-(2**10), 2**10, outputs).astype(np.int32)
        inputs.append(builder.scaled_weight(bias, (np.float32(scale) * scales).astype(np.float32)))
    pads = (1, 0, 1, 1) if kernel == (3, 3) else (0, 0, 0, 0)
    name = builder.node("Conv", inputs, kernel_shape=list(kernel), pads=list(pads), group=group)
    rows, columns = (x.shape[2 + axis] + pads[axis] + pads[2 + axis] - kernel[axis] + 1 for axis in range(2))
    return name, (1, outputs, rows, columns)


@st.composite
def _classifier(draw: st.DrawFn, builder: ScaledBuilder, last: tuple[Tensor, float]) -> tuple[Tensor, float]:
    x, scale = last
    features, outputs = int(np.prod(x.shape[1:])), draw(st.integers(1, 12))
    transposed = draw(st.booleans())
    shape = (outputs, features) if transposed else (features, outputs)
    weights = builder.random.integers(-128, 128, shape).astype(np.int8)
    scales = draw(_scales(outputs))
    weight = builder.scaled_weight(weights, scales, 0 if transposed else 1)
    bias = builder.random.integers(-(2**10), 2**10, outputs).astype(np.int32)
    inputs = [builder.node("Flatten", [x.name]), weight]
    inputs.append(builder.scaled_weight(bias, (np.float32(scale) * scales).astype(np.float32)))
    return builder.pair(builder.node("Gemm", inputs, transB=int(transposed)), (1, outputs), draw(PAIRS))


@st.composite
def _scales(draw: st.DrawFn, channels: int) -> npt.NDArray[np.float32]:
    """One scale or one for each channel, such that sums of some dozen products stay within int8 often."""
    if draw(st.booleans()):
        return np.float32(draw(st.sampled_from((0.0078125, 0.005, 0.01)))).reshape(())
    return np.random.default_rng(draw(st.integers(0, 99))).uniform(0.001, 0.01, channels).astype(np.float32)
