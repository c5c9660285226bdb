"""
A small writer of sequential-with-branches networks, for zoo models that are built from a published table.

    net = Layers("net", size=224, seed=0)
    x = net.conv(net.input, 64, kernel=3, padding=1)        # conv + ReLU
    model = net.model(net.max_pool(x, kernel=2, stride=2))

Every layer knows its map, so that a size under which a map dies is refused where it happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx
from onnx import TensorProto, helper

from compiler.errors import InputError
from compiler.frontend.weights import Role, parameter

Pair = tuple[int, int]


@dataclass(frozen=True)
class Map:
    """An activation: its tensor name, channels and height x width."""

    name: str
    channels: int
    height: int
    width: int


def pair(value: int | Pair) -> Pair:
    """`3` for 3x3."""
    return (value, value) if isinstance(value, int) else value


@dataclass
class Layers:
    """Collects nodes and seeded parameters; layers are numbered in the order they are written."""

    title: str
    size: int
    seed: int | None
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    parameters: list[onnx.TensorProto] = field(default_factory=list[onnx.TensorProto])

    @property
    def input(self) -> Map:
        """The image: three channels, square."""
        return Map("image", 3, self.size, self.size)

    def conv(
        self, x: Map, channels: int, kernel: int | Pair, *, stride: int = 1, padding: int | Pair = 0, name: str
    ) -> Map:
        """Convolution with bias (a folded batch norm), then ReLU."""
        window, margin = pair(kernel), pair(padding)
        height, width = self._window(name, x, window, stride, margin)
        self._parameter(f"{name}.weight", Role("Conv", 1), (channels, x.channels, *window))
        self._parameter(f"{name}.bias", Role("Conv", 2), (channels,))
        attributes = {"kernel_shape": window, "strides": pair(stride), "pads": (*margin, *margin)}
        inputs = [x.name, f"{name}.weight", f"{name}.bias"]
        self._node("Conv", inputs, f"{name}.sum", name, **attributes)
        return self._relu(name, Map(f"{name}.sum", channels, height, width))

    def max_pool(self, x: Map, kernel: int, stride: int, *, name: str) -> Map:
        """Maximum over a window, without padding."""
        height, width = self._window(name, x, pair(kernel), stride, (0, 0))
        attributes = {"kernel_shape": pair(kernel), "strides": pair(stride)}
        self._node("MaxPool", [x.name], name, name, **attributes)
        return Map(name, x.channels, height, width)

    def average_pool(self, x: Map, kernel: int, padding: int, *, name: str) -> Map:
        """Average at stride 1 over the cells inside the map."""
        height, width = self._window(name, x, pair(kernel), 1, pair(padding))
        attributes = {"kernel_shape": pair(kernel), "strides": (1, 1), "pads": (padding,) * 4}
        self._node("AveragePool", [x.name], name, name, **attributes)
        return Map(name, x.channels, height, width)

    def global_average_pool(self, x: Map, *, name: str) -> Map:
        """Average over the whole map."""
        self._node("GlobalAveragePool", [x.name], name, name)
        return Map(name, x.channels, 1, 1)

    def concat(self, parts: Sequence[Map], *, name: str) -> Map:
        """Channels of all parts, one after the other."""
        self._node("Concat", [part.name for part in parts], name, name, axis=1)
        return Map(name, sum(part.channels for part in parts), parts[0].height, parts[0].width)

    def linear(self, x: Map, channels: int, *, relu: bool, name: str) -> Map:
        """Fully connected layer over all that `x` holds."""
        features = x.channels * x.height * x.width
        self._node("Flatten", [x.name], f"{name}.flat", f"{name}.flatten")
        self._parameter(f"{name}.weight", Role("Gemm", 1, True), (channels, features))
        self._parameter(f"{name}.bias", Role("Gemm", 2), (channels,))
        inputs = [f"{name}.flat", f"{name}.weight", f"{name}.bias"]
        self._node("Gemm", inputs, f"{name}.sum", name, transB=1)
        result = Map(f"{name}.sum", channels, 1, 1)
        return self._relu(name, result) if relu else result

    def softmax(self, x: Map, *, name: str) -> Map:
        """Probabilities of the classes."""
        self._node("Softmax", [x.name], name, name, axis=1)
        return Map(name, x.channels, x.height, x.width)

    def model(self, output: Map, opset: int) -> onnx.ModelProto:
        """The network that computes `output`."""
        source = helper.make_tensor_value_info(self.input.name, TensorProto.FLOAT, [1, 3, self.size, self.size])
        sink = helper.make_tensor_value_info(output.name, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, self.title, [source], [sink], self.parameters)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10, producer_name="blockloom"
        )

    def _relu(self, name: str, x: Map) -> Map:
        self._node("Relu", [x.name], name, f"{name}.relu")
        return Map(name, x.channels, x.height, x.width)

    def _node(
        self, operator: str, inputs: Sequence[str], output: str, name: str, **attributes: int | Sequence[int]
    ) -> None:
        node = helper.make_node(operator, inputs, [output], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)

    def _parameter(self, name: str, role: Role, shape: tuple[int, ...]) -> None:
        self.parameters.append(parameter(role, shape, name, self.seed))

    def _window(self, name: str, x: Map, kernel: Pair, stride: int, padding: Pair) -> Pair:
        """Height and width after a window slides over `x`; refuses a window larger than the padded map."""
        extents = (x.height + 2 * padding[0], x.width + 2 * padding[1])
        if extents[0] < kernel[0] or extents[1] < kernel[1]:
            raise InputError(
                f"zoo:{self.title}@{self.size} is too small: at '{name}' the padded map is {extents[0]}x{extents[1]} "
                f"and its kernel needs {kernel[0]}x{kernel[1]}; take a larger size"
            )
        return (extents[0] - kernel[0]) // stride + 1, (extents[1] - kernel[1]) // stride + 1
