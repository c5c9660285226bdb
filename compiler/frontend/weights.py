"""
Seeded parameters that keep a network alive: no activation dies, saturates or grows with depth.

Weights are He-normal. Batch-norm statistics are *measured*: one run in training mode, in which each normalisation uses
the statistics of its own batch, yields for all of them at once the values under which inference computes the same.
Every tensor has a random stream of its own, derived from the seed and its name, so that it does not depend on the order
or the size of the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from compiler.onnxio.outline import OUTLINE_ELEMENTS, outlined
from compiler.onnxio.runtime import open_session, run_session

Floats = npt.NDArray[np.float32]

# Enough pixels per channel for a variance on the smallest maps (7x7 at 224): one image, or more of a smaller size.
_STATISTICS_PIXELS = 224 * 224


@dataclass(frozen=True)
class Role:
    """What a parameter is for: input `index` of an operator, for a Gemm with its `transB`."""

    operator: str
    index: int
    transposed: bool = False


def parameter_roles(graph: onnx.GraphProto) -> Mapping[str, Role]:
    """The role of each tensor that is a parameter, looking through the reshapes between it and its use."""
    roles: dict[str, Role] = {}
    for node in reversed(graph.node):
        for index, name in enumerate(node.input):
            if node.op_type in ("Reshape", "Unsqueeze"):
                if index == 0 and node.output[0] in roles:
                    roles[name] = roles[node.output[0]]
            else:
                transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
                roles[name] = Role(node.op_type, index, transposed)
    return roles


def parameter(role: Role, shape: tuple[int, ...], name: str, seed: int | None) -> onnx.TensorProto:
    """A seeded parameter as an initialiser; without a seed a large one has no values."""
    if seed is None and prod(shape) > OUTLINE_ELEMENTS:
        return outlined(name, onnx.TensorProto.FLOAT, shape)
    return numpy_helper.from_array(draw(role, shape, name, seed or 0), name)


def draw(role: Role, shape: tuple[int, ...], name: str, seed: int) -> Floats:
    """Seeded values for a parameter of this role."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    noise = rng.standard_normal(shape, dtype=np.float32)
    match role:
        case Role("Conv", 1):
            noise *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        case Role("Gemm", 1, transposed):
            noise *= np.float32(np.sqrt(2 / np.prod(shape[1:] if transposed else shape[:-1])))
        case Role("BatchNormalization", 4):
            noise[...] = 1  # variance, until measured
        case Role("BatchNormalization", 3):
            noise[...] = 0  # mean, until measured
        case Role("BatchNormalization" | "Mul", 1):
            noise *= np.float32(0.1)
            noise += 1
        case _:
            noise *= np.float32(0.1)
    return noise


def measure_batch_norms(model: onnx.ModelProto, seed: int) -> None:
    """Set mean and variance of every BatchNormalization to what seeded input gives; `model` is changed in place."""
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    if not norms:
        return
    training = onnx.ModelProto()
    training.CopyFrom(model)
    last = max(index for index, node in enumerate(model.graph.node) if node.op_type == "BatchNormalization")
    del training.graph.node[last + 1 :], training.graph.output[:], training.graph.value_info[:]
    statistics: list[str] = []
    for node in training.graph.node:
        if node.op_type == "BatchNormalization":
            node.attribute.extend([helper.make_attribute("training_mode", 1), helper.make_attribute("momentum", 0.0)])
            node.output.extend([f"{node.output[0]}/mean", f"{node.output[0]}/variance"])
            statistics.extend(node.output[1:])
    training.graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in statistics)
    source = training.graph.input[0]
    shape = [dimension.dim_value for dimension in source.type.tensor_type.shape.dim]
    shape[0] = max(1, _STATISTICS_PIXELS // (shape[2] * shape[3]))
    source.type.tensor_type.shape.dim[0].dim_value = shape[0]
    _keep_batch_in_reshapes(training.graph)
    image = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    measured = run_session(open_session(training), {source.name: image}, statistics)
    parameters = {tensor.name: tensor for tensor in model.graph.initializer}
    for node, mean, variance in zip(norms, statistics[::2], statistics[1::2], strict=True):
        for name, statistic in ((node.input[3], mean), (node.input[4], variance)):
            parameters[name].CopyFrom(numpy_helper.from_array(measured[statistic], name))


def _keep_batch_in_reshapes(graph: onnx.GraphProto) -> None:
    """Let reshapes of activations pass any batch on: a target extent of 0 is the input's."""
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[0] not in values and node.input[1] in values:
            target = np.array(numpy_helper.to_array(values[node.input[1]]))
            target[0] = 0
            values[node.input[1]].CopyFrom(numpy_helper.from_array(target, node.input[1]))
