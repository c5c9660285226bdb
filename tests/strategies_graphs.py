"""
Small quantised ONNX graphs: a builder that writes Quantize/Dequantize pairs, and strategies that draw graphs with it.

Everything is a power-of-two scale with zero-point 0. Weights and inputs come from a seeded generator, so a graph
shrinks by its structure. Positions are chosen such that outputs use most of int8 and sometimes saturate.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from strategies_moves import moved

OPSET = 21


@dataclass(frozen=True)
class Tensor:
    """A dequantised value of the graph under construction: its name, shape and position."""

    name: str
    shape: tuple[int, ...]
    position: int


@dataclass
class GraphBuilder:
    """Appends quantised operators; every method returns the dequantised result, so that calls compose."""

    seed: int = 0
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def fresh(self, prefix: str) -> str:
        """A new name."""
        self.count += 1
        return f"{prefix}_{self.count}"

    def constant(self, prefix: str, values: npt.NDArray[np.generic]) -> str:
        """A new initialiser."""
        name = self.fresh(prefix)
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, operator: str, inputs: list[str], **attributes: object) -> str:
        """A new node with one output."""
        name = self.fresh(operator.lower())
        self.nodes.append(helper.make_node(operator, inputs, [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def quantise(self, name: str, shape: tuple[int, ...], position: int) -> Tensor:
        """QuantizeLinear and DequantizeLinear at `position`."""
        scale = self.constant("scale", np.float32(2.0**-position))
        zero = self.constant("zero", np.int8(0))
        quantised = self.node("QuantizeLinear", [name, scale, zero])
        return Tensor(self.node("DequantizeLinear", [quantised, scale, zero]), shape, position)

    def weight(self, values: npt.NDArray[np.generic], position: int) -> str:
        """A constant of int8 or int32 and its DequantizeLinear."""
        scale = self.constant("scale", np.float32(2.0**-position))
        zero = self.constant("zero", np.zeros((), values.dtype))
        return self.node("DequantizeLinear", [self.constant("weights", values), scale, zero])

    def input(self, shape: tuple[int, ...], position: int) -> Tensor:
        """A float input of the network, quantised."""
        name = self.fresh("input")
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return self.quantise(name, shape, position)

    def conv(
        self,
        x: Tensor,
        outputs: int,
        *,
        kernel: tuple[int, int] = (3, 3),
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (1, 1, 1, 1),
        dilations: tuple[int, int] = (1, 1),
        group: int = 1,
        density: float = 1.0,
        bias: bool = True,
        relu: bool = False,
        shift: int = 8,
    ) -> Tensor:
        """A convolution whose blocks of 8x8 channels are zero with probability 1 - density."""
        per_group = x.shape[1] // group
        weights = self.random.integers(-128, 128, (outputs, per_group, *kernel)).astype(np.int8)
        kept = self.random.random((-(-outputs // 8), -(-per_group // 8))) < density
        weights *= np.kron(kept, np.ones((8, 8), np.int8))[:outputs, :per_group, None, None]
        arguments = [x.name, self.weight(weights, 7)]
        if bias:
            values = self.random.integers(-(2**12), 2**12, outputs).astype(np.int32)
            arguments.append(self.weight(values, x.position + 7))
        name = self.node(
            "Conv",
            arguments,
            kernel_shape=list(kernel),
            strides=list(strides),
            pads=list(pads),
            dilations=list(dilations),
            group=group,
        )
        rows, columns = (
            (x.shape[2 + axis] + pads[axis] + pads[2 + axis] - dilations[axis] * (kernel[axis] - 1) - 1)
            // strides[axis]
            + 1
            for axis in range(2)
        )
        if relu:
            name = self.node("Relu", [name])
        return self.quantise(name, (1, outputs, rows, columns), x.position + 7 - shift)

    def gemm(self, x: Tensor, outputs: int, *, transposed: bool = True, relu: bool = False, shift: int = 8) -> Tensor:
        """A fully connected layer on the flattened input."""
        features = int(np.prod(x.shape[1:]))
        name = x.name if len(x.shape) == 2 else self.node("Flatten", [x.name], axis=1)
        weights = self.random.integers(-128, 128, (outputs, features)).astype(np.int8)
        bias = self.weight(self.random.integers(-4096, 4096, outputs).astype(np.int32), x.position + 7)
        stored = np.ascontiguousarray(weights if transposed else weights.T)
        name = self.node("Gemm", [name, self.weight(stored, 7), bias], transB=int(transposed))
        if relu:
            name = self.node("Relu", [name])
        return self.quantise(name, (1, outputs), x.position + 7 - shift)

    def add(self, a: Tensor, b: Tensor, position: int, *, relu: bool = False) -> Tensor:
        """The sum of two values of one shape."""
        return self.combine("Add", [a, b], position, relu=relu)

    def combine(self, operator: str, operands: list[Tensor], position: int, *, relu: bool = False) -> Tensor:
        """One value of several, element by element; those of smaller shapes repeat."""
        name = self.node(operator, [each.name for each in operands])
        if relu:
            name = self.node("Relu", [name])
        return self.quantise(name, np.broadcast_shapes(*(each.shape for each in operands)), position)

    def pool(
        self,
        x: Tensor,
        operator: str,
        *,
        kernel: tuple[int, int] = (3, 3),
        strides: tuple[int, int] = (2, 2),
        pads: tuple[int, int, int, int] = (1, 1, 1, 1),
        position: int | None = None,
        **attributes: object,
    ) -> Tensor:
        """A MaxPool or AveragePool. Its shape follows ONNX, `ceil_mode` included."""
        ceil = bool(attributes.get("ceil_mode", 0))
        sizes: list[int] = []
        for axis in range(2):
            padded = x.shape[2 + axis] + pads[axis] + pads[2 + axis]
            size = -(-(padded - kernel[axis]) // strides[axis]) if ceil else (padded - kernel[axis]) // strides[axis]
            if ceil and size * strides[axis] >= x.shape[2 + axis] + pads[axis]:
                size -= 1
            sizes.append(size + 1)
        name = self.node(
            operator, [x.name], kernel_shape=list(kernel), strides=list(strides), pads=list(pads), **attributes
        )
        shape = (1, x.shape[1], sizes[0], sizes[1])
        return self.quantise(name, shape, x.position if position is None else position)

    def global_pool(self, x: Tensor, position: int) -> Tensor:
        """The mean of every channel."""
        return self.quantise(self.node("GlobalAveragePool", [x.name]), (*x.shape[:2], 1, 1), position)

    def concat(self, parts: list[Tensor], position: int, axis: int = 1) -> Tensor:
        """Values one after the other, along the channels unless told otherwise."""
        name = self.node("Concat", [part.name for part in parts], axis=axis)
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.quantise(name, tuple(shape), position)

    def shuffle(self, x: Tensor, groups: int, *, inner_pairs: bool = False) -> Tensor:
        """Channels of `groups` groups dealt out in turn, as PyTorch exports it; `inner_pairs` quantises every node."""
        _, channels, rows, columns = x.shape
        apart = (1, groups, channels // groups, rows, columns)
        name, shapes = x.name, (apart, (1, apart[2], groups, rows, columns), x.shape)
        for number, shape in enumerate(shapes):
            if number == 1:
                name = self.node("Transpose", [name], perm=[0, 2, 1, 3, 4])
            else:
                name = self.node("Reshape", [name, self.constant("shape", np.array(shape))])
            if inner_pairs:
                name = self.quantise(name, shape, x.position).name
        return self.quantise(name, x.shape, x.position)

    def slice(self, x: Tensor, start: int, end: int, step: int) -> Tensor:
        """Channels `start:end:step`."""
        bounds = [self.constant("bound", np.array([number])) for number in (start, end, 1, step)]
        kept = len(range(x.shape[1])[start:end:step])
        return self.quantise(self.node("Slice", [x.name, *bounds]), (1, kept, *x.shape[2:]), x.position)

    def gather(self, x: Tensor, channels: list[int]) -> Tensor:
        """Any channels in any order."""
        name = self.node("Gather", [x.name, self.constant("channels", np.array(channels))], axis=1)
        return self.quantise(name, (1, len(channels), *x.shape[2:]), x.position)

    def split(self, x: Tensor, sizes: list[int]) -> list[Tensor]:
        """Parts of so many channels, one after the other."""
        outputs = [self.fresh("part") for _ in sizes]
        inputs = [x.name, self.constant("sizes", np.array(sizes))]
        self.nodes.append(helper.make_node("Split", inputs, outputs, name=self.fresh("split"), axis=1))
        shapes = [(1, size, *x.shape[2:]) for size in sizes]
        return [self.quantise(*part, x.position) for part in zip(outputs, shapes, strict=True)]

    def softmax(self, x: Tensor) -> Tensor:
        """An operator that only the host has."""
        return self.quantise(self.node("Softmax", [x.name]), x.shape, 7)

    def function(self, x: Tensor, operator: str, position: int) -> Tensor:
        """A function of each value, or its product with the values themselves."""
        name = self.node(operator.removeprefix("x"), [x.name])
        return self.quantise(self.node("Mul", [name, x.name]) if operator[0] == "x" else name, x.shape, position)

    def model(self, *outputs: Tensor) -> onnx.ModelProto:
        """The checked model that returns the dequantised `outputs`."""
        results = [helper.make_tensor_value_info(x.name, TensorProto.FLOAT, list(x.shape)) for x in outputs]
        graph = helper.make_graph(self.nodes, "small", self.inputs, results, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        return model

    def feed(self) -> dict[str, npt.NDArray[np.float32]]:
        """Inputs that use the whole range of positions 4 to 6."""
        shapes = {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim] for value in self.inputs}
        return {
            name: self.random.normal(0.0, 1.5, shape).astype(np.float32).clip(-9, 9) for name, shape in shapes.items()
        }


@dataclass(frozen=True)
class Graph:
    """A drawn model and inputs for it."""

    model: onnx.ModelProto
    inputs: dict[str, npt.NDArray[np.float32]]


@st.composite
def quantised_graphs(draw: st.DrawFn, maximum_layers: int = 5) -> Graph:
    """Convolutions (grouped, strided, dilated), residual sums, pools, concatenations; perhaps a classifier."""
    builder = GraphBuilder(draw(st.integers(0, 2**16)))
    channels = draw(st.integers(1, 20))
    size = (draw(st.integers(4, 11)), draw(st.integers(4, 11)))
    live = [builder.input((1, channels, *size), draw(st.integers(3, 6)))]
    for _ in range(draw(st.integers(1, maximum_layers))):
        live.append(draw(_layer(builder, live)))
    last = live[-1]
    others = draw(st.lists(st.sampled_from(live), max_size=1))
    if draw(st.booleans()):
        last = builder.gemm(last, draw(st.integers(1, 20)), transposed=draw(st.booleans()), relu=draw(st.booleans()))
    return Graph(builder.model(last, *(other for other in others if other is not last)), builder.feed())


@st.composite
def taken_channels(draw: st.DrawFn, builder: GraphBuilder, x: Tensor) -> Tensor:
    """Some channels of `x`, in one of the ways that networks take them."""
    channels = x.shape[1]
    match draw(st.sampled_from(("shuffle", "split", "slice", "gather"))):
        case "shuffle":
            groups = draw(st.sampled_from([size for size in range(1, channels + 1) if channels % size == 0]))
            return builder.shuffle(x, groups, inner_pairs=draw(st.booleans()))
        case "split":
            first = draw(st.integers(1, channels))
            parts = builder.split(x, [first, channels - first] if first < channels else [first])
            return draw(st.sampled_from(parts))
        case "slice":
            backwards = draw(st.booleans())
            start, end = sorted((draw(st.integers(0, channels - 1)), draw(st.integers(0, channels - 1))))
            step = draw(st.integers(1, 3))
            return (
                builder.slice(x, end, start - channels - 1, -step)
                if backwards
                else builder.slice(x, start, end + 1, step)
            )
        case _:
            return builder.gather(x, draw(st.lists(st.integers(-channels, channels - 1), min_size=1, max_size=20)))


@st.composite
def _combination(draw: st.DrawFn, builder: GraphBuilder, x: Tensor, twins: list[Tensor]) -> Tensor:
    operator = draw(st.sampled_from(("Add", "Add", "Sub", "Mul", "Max", "Min")))
    others = draw(st.lists(st.sampled_from(twins), min_size=1, max_size=2 if operator in ("Max", "Min") else 1))
    position = x.position + others[0].position - 7 if operator == "Mul" else x.position
    position -= draw(st.integers(-1, 2))
    return builder.combine(operator, draw(st.permutations([x, *others])), position, relu=draw(st.booleans()))


@st.composite
def _gate(draw: st.DrawFn, builder: GraphBuilder, x: Tensor) -> Tensor:
    """Numbers by channel, by pixel, or one for all, that some of `x` decides."""
    pooled = builder.global_pool(x, x.position + 1) if draw(st.booleans()) else x
    return builder.conv(pooled, draw(st.sampled_from((1, x.shape[1]))), kernel=(1, 1), pads=(0, 0, 0, 0))


@st.composite
def _layer(draw: st.DrawFn, builder: GraphBuilder, live: list[Tensor]) -> Tensor:
    x = live[draw(st.integers(0, len(live) - 1))]
    twins = [other for other in live if other.shape == x.shape]
    neighbours = [other for other in live if other.shape[2:] == x.shape[2:]]
    small = min(x.shape[2:]) < 3
    kinds = ("conv", "conv", "residual", "concat", "host", "function", "channels", "moved", "gated", "append")
    kind = draw(st.sampled_from(kinds if small else (*kinds, "add", "pool")))
    if kind == "channels":
        return draw(taken_channels(builder, x))
    if kind == "moved":
        return draw(moved(builder, x))
    if kind == "append" and max(x.shape[2:]) < 24:
        axis = draw(st.sampled_from((2, -1)))
        across = 5 - axis % 4
        fitting = [other for other in live if (other.shape[1], other.shape[across]) == (x.shape[1], x.shape[across])]
        parts = [x, *draw(st.lists(st.sampled_from(fitting), max_size=2))]
        return builder.concat(draw(st.permutations(parts)), x.position - draw(st.integers(-1, 1)), axis)
    if kind == "gated":
        return draw(_combination(builder, x, [draw(_gate(builder, x))]))
    if kind == "host":
        return builder.softmax(x)
    if kind == "function":
        operator = draw(st.sampled_from(("Sigmoid", "xSigmoid", "Abs", "Tanh", "LeakyRelu", "HardSwish")))
        return builder.function(x, operator, draw(st.integers(3, 7)))
    if kind == "residual":
        inner = builder.conv(x, x.shape[1], density=draw(st.sampled_from((0.5, 1.0))), relu=draw(st.booleans()))
        return builder.add(inner, x, x.position - draw(st.integers(-1, 2)), relu=draw(st.booleans()))
    if kind == "add":
        return draw(_combination(builder, x, twins))
    if kind == "concat" and sum(other.shape[1] for other in neighbours) < 64:
        return builder.concat([*neighbours, x], x.position - draw(st.integers(-1, 1)))
    if kind == "pool":
        operator = draw(st.sampled_from(("MaxPool", "AveragePool")))
        attributes = {"count_include_pad": draw(st.integers(0, 1))} if operator == "AveragePool" else {}
        pads = draw(st.sampled_from(((0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 1, 0))))
        position = x.position + (draw(st.integers(-1, 2)) if operator == "AveragePool" else 0)
        return builder.pool(x, operator, pads=pads, position=position, **attributes)
    group = draw(st.sampled_from([group for group in range(1, x.shape[1] + 1) if x.shape[1] % group == 0]))
    kernel = draw(st.sampled_from(((1, 1), (2, 2)) if small else ((1, 1), (3, 3), (1, 3), (2, 2))))
    return builder.conv(
        x,
        group * draw(st.integers(1, max(1, 24 // group))),
        kernel=kernel,
        strides=draw(st.sampled_from(((1, 1), (2, 2), (1, 2)))),
        pads=draw(st.sampled_from(((1, 1, 1, 1), (0, 1, 2, 0), (1, 0, 1, 2)))),
        dilations=(2, 1) if x.shape[2] > 4 and draw(st.booleans()) else (1, 1),
        group=group,
        density=draw(st.sampled_from((0.0, 0.5, 1.0))),
        bias=draw(st.booleans()),
        relu=draw(st.booleans()),
        shift=draw(st.integers(7, 11)),
    )
