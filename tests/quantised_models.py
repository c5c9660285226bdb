"""
Small networks as ONNX Runtime's quantiser writes them: QDQ and QOperator, uint8 and int8, per tensor and per channel.

    python tests/quantised_models.py FOLDER [SIZE]

writes all of them, for `blockloom check`; the tests take them at small sizes. Weights and calibration samples are
random with fixed seeds. Power-of-two scales come from a second run, whose scales are those of the first rounded up.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from compiler.frontend.load import load_model

OPSET = 17


@dataclass
class FloatNet:
    """A float network under construction; methods append a node and return its result and channels."""

    seed: int = 0
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Any node."""
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def constant(self, values: np.ndarray) -> str:
        """A constant."""
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def random_constant(self, *shape: int) -> str:
        """Weights that keep activations at about their size."""
        fan_in = int(np.prod(shape[1:])) or 1
        return self.constant((self.random.normal(0, 1, shape) * np.sqrt(2 / fan_in)).astype(np.float32))

    def conv(self, x: str, channels: int, outputs: int, kernel: int = 3, *, stride: int = 1, group: int = 1) -> str:
        """Convolution with bias that keeps height and width, but for its stride."""
        weights = self.random_constant(outputs, channels // group, kernel, kernel)
        bias = self.constant(self.random.normal(0, 0.1, outputs).astype(np.float32))
        pads = [kernel // 2] * 4
        return self.node("Conv", x, weights, bias, pads=pads, strides=[stride, stride], group=group)

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        """A row of a fully connected layer."""
        bias = self.constant(self.random.normal(0, 0.1, outputs).astype(np.float32))
        weights = (self.random.normal(0, 1, (inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)
        return self.node("Gemm", x, self.constant(weights), bias)

    def model(self, shape: tuple[int, ...], result: str, result_shape: tuple[int, ...]) -> onnx.ModelProto:
        """The checked model from `x` to `result`."""
        source = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        sink = helper.make_tensor_value_info(result, TensorProto.FLOAT, result_shape)
        graph = helper.make_graph(self.nodes, "float", [source], [sink], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def residual(size: int) -> onnx.ModelProto:
    """Residual blocks, pools, a classifier."""
    net = FloatNet(1)
    x = net.node("Relu", net.conv("x", 3, 16, stride=2))
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inner = net.conv(net.node("Relu", net.conv(x, 16, 16)), 16, 16)
    x = net.node("Relu", net.node("Add", inner, x))
    short = net.conv(x, 16, 24, 1, stride=2)
    x = net.node("Relu", net.node("Add", net.conv(net.node("Relu", net.conv(x, 16, 24, stride=2)), 24, 24), short))
    y = net.linear(net.node("Flatten", net.node("GlobalAveragePool", x)), 24, 10)
    return net.model((1, 3, size, size), y, (1, 10))


def depthwise(size: int) -> onnx.ModelProto:
    """Inverted bottlenecks with ReLU6."""
    net = FloatNet(2)
    bounds = [net.constant(np.array(bound, np.float32)) for bound in (0, 6)]
    x = net.node("Clip", net.conv("x", 3, 8, stride=2), *bounds)
    wide = net.node("Clip", net.conv(x, 8, 24, 1), *bounds)
    wide = net.node("Clip", net.conv(wide, 24, 24, group=24), *bounds)
    x = net.node("Add", net.conv(wide, 24, 8, 1), x)
    y = net.linear(net.node("Flatten", net.node("GlobalAveragePool", x)), 8, 10)
    return net.model((1, 3, size, size), y, (1, 10))


def unet(size: int) -> onnx.ModelProto:
    """Down by pools, up by nearest neighbours, skips by concatenation."""
    net = FloatNet(3)
    fine = net.node("Relu", net.conv("x", 3, 8))
    coarse = net.node("MaxPool", fine, kernel_shape=[2, 2], strides=[2, 2])
    coarse = net.node("Relu", net.conv(coarse, 8, 16))
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    up = net.node(
        "Resize", coarse, "", scales, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"
    )
    x = net.node("Relu", net.conv(net.node("Concat", up, fine, axis=1), 24, 8))
    return net.model((1, 3, size, size), net.conv(x, 8, 2, 1), (1, 2, size, size))


def gated(size: int) -> onnx.ModelProto:
    """Squeeze and excite, a gate by pixel, a constant map, and up by linear interpolation."""
    net = FloatNet(5)
    x = net.node("Relu", net.conv("x", 3, 16, stride=2))
    fewer = net.node("Relu", net.conv(net.node("GlobalAveragePool", x), 16, 8, 1))
    x = net.node("Mul", x, net.node("HardSigmoid", net.conv(fewer, 8, 16, 1)))
    x = net.node("Mul", x, net.node("Sigmoid", net.conv(x, 16, 1, 3)))
    position = net.random.normal(0, 0.3, (1, 16, size // 2, size // 2)).astype(np.float32)
    x = net.conv(net.node("Add", x, net.constant(position)), 16, 8)
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    x = net.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="pytorch_half_pixel")
    return net.model((1, 3, size, size), net.conv(x, 8, 2, 1), (1, 2, size, size))


def vit(size: int) -> onnx.ModelProto:
    """Patches, one attention head, an MLP: matrix products whose operands are both computed."""
    net, width, patches = FloatNet(4), 16, (size // 8) ** 2
    weights = net.random_constant(width, 3, 8, 8)
    x = net.node("Conv", "x", weights, strides=[8, 8])
    x = net.node("Reshape", x, net.constant(np.array([1, width, patches])))
    x = net.node("Transpose", x, perm=[0, 2, 1])

    def dense(value: str, inputs: int, outputs: int) -> str:
        weights = (net.random.normal(0, 1, (inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)
        return net.node("MatMul", value, net.constant(weights))

    def norm(value: str) -> str:
        ones, zeros = (net.constant(np.full(width, number, np.float32)) for number in (1, 0))
        return net.node("LayerNormalization", value, ones, zeros)

    y = norm(x)
    query, key, value = (dense(y, width, width) for _ in range(3))
    scores = net.node("MatMul", query, net.node("Transpose", key, perm=[0, 2, 1]))
    x = net.node("Add", x, dense(net.node("MatMul", net.node("Softmax", scores), value), width, width))
    x = net.node("Add", x, dense(net.node("Relu", dense(norm(x), width, 32)), 32, width))
    x = net.node("ReduceMean", x, axes=[1], keepdims=0)
    return net.model((1, 3, size, size), net.linear(x, width, 10), (1, 10))


def zoo(name: str) -> Any:
    """A network of the zoo in float."""
    return lambda size: load_model(f"zoo:{name}@{size}")


NETWORKS = {
    "residual": residual,
    "depthwise": depthwise,
    "unet": unet,
    "gated": gated,
    "vit": vit,
    "squeezenet": zoo("squeezenet"),
    "resnet50": zoo("resnet50"),
}


@dataclass(frozen=True)
class Form:
    """How a model is quantised."""

    operators: bool = False
    unsigned: bool = False
    per_channel: bool = False
    binary: bool = False
    """Power-of-two scales with zero-points 0."""

    def __str__(self) -> str:
        return "-".join(
            (
                "operators" if self.operators else "qdq",
                "uint8" if self.unsigned else "int8",
                *(["channels"] if self.per_channel else []),
                *(["binary"] if self.binary else []),
            )
        )


FORMS = (*(Form(*choices) for choices in product((False, True), repeat=3)), Form(binary=True))


class _Samples(CalibrationDataReader):
    def __init__(self, model: onnx.ModelProto):
        self.left = iter(self._draw(model.graph.input[0]))

    @staticmethod
    def _draw(source: onnx.ValueInfoProto) -> Iterator[dict[str, np.ndarray]]:
        random = np.random.default_rng(0)
        shape = [dimension.dim_value for dimension in source.type.tensor_type.shape.dim]
        for _ in range(3):
            yield {source.name: random.normal(0, 1, shape).astype(np.float32)}

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)


def quantised(model: onnx.ModelProto, form: Form) -> onnx.ModelProto:
    """A float model as ONNX Runtime quantises it."""
    logging.getLogger().setLevel(logging.ERROR)
    options: dict[str, Any] = {"ActivationSymmetric": form.binary}
    result = _quantise(model, form, options)
    if not form.binary:
        return result
    scales = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in result.graph.initializer
        if tensor.name.endswith("_scale") and tensor.data_type == TensorProto.FLOAT
    }
    overrides = {
        name.removesuffix("_scale"): [
            {"scale": np.array(2.0 ** np.ceil(np.log2(scale)), np.float32), "zero_point": np.array(0, np.int8)}
        ]
        for name, scale in scales.items()
        if not name.endswith("_quantized_scale")
    }
    return _quantise(model, form, options | {"TensorQuantOverrides": overrides})


def _quantise(model: onnx.ModelProto, form: Form, options: dict[str, Any]) -> onnx.ModelProto:
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "quantised.onnx"
        onnx.save(model, source)
        quant_pre_process(source, source, skip_symbolic_shape=True)
        quantize_static(
            source,
            target,
            _Samples(model),
            quant_format=QuantFormat.QOperator if form.operators else QuantFormat.QDQ,
            activation_type=QuantType.QUInt8 if form.unsigned else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=form.per_channel,
            extra_options=options,
        )
        return onnx.load(target)


def main(folder: str, size: str = "64") -> None:
    """Write every network in every form."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, network in NETWORKS.items():
        model = network(int(size))
        for form in FORMS:
            path = Path(folder) / f"{name}-{form}.onnx"
            onnx.save(quantised(model, form), path)
            print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
