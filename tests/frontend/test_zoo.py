"""Zoo networks are alive from the first to the last layer, at their own size and smaller ones."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from compiler.errors import InputError
from compiler.frontend.load import load_model
from compiler.frontend.zoo import ZOO
from compiler.onnxio.runtime import open_session, run_session


def dimensions(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


@pytest.mark.parametrize(
    "source", ["zoo:squeezenet@64", "zoo:resnet50@64", "zoo:inception_v3@139", "zoo:shufflenet@64"]
)
def test_no_activation_is_constant_or_grows(source: str):
    model = load_model(source)
    computed = [name for node in model.graph.node if node.op_type in ("Conv", "Gemm", "Add") for name in node.output]
    outputs = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed if name not in outputs)
    image = model.graph.input[0]
    pixels = np.random.default_rng(5).standard_normal(dimensions(image), dtype=np.float32)
    activations = run_session(open_session(model), {image.name: pixels}, computed)
    for name, values in activations.items():
        assert np.isfinite(values).all(), name
        assert 0.05 < values.std() < 10, f"{name}: {values.std()}"
        assert np.abs(values).max() < 40, f"{name}: {np.abs(values).max()}"
    assert len(activations) > 20


def test_output_depends_on_the_seed_only():
    first, again, other = (load_model("zoo:squeezenet@32", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(("name", "parameters"), [("resnet50", 25.6e6), ("inception_v3", 23.8e6), ("vgg16", 14.7e6)])
def test_parameter_count_is_the_published_one(name: str, parameters: float):
    model = load_model(f"zoo:{name}@96")
    count = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    assert count == pytest.approx(parameters, rel=0.005)


@pytest.mark.parametrize(
    ("name", "size", "edge"), [("inception_v3", 299, 8), ("inception_v3", 139, 3), ("vgg16", 64, 2)]
)
def test_last_map(name: str, size: int, edge: int):
    model = load_model(f"zoo:{name}@{size}")
    shapes = {value.name: dimensions(value) for value in [*model.graph.value_info, *model.graph.output]}
    assert shapes["pool5" if name == "vgg16" else "mixed_7c"][2:] == (edge, edge)


def test_the_classifier_of_vgg_is_three_layers_behind_the_same_maps():
    features, classified = (load_model(f"zoo:{name}@32", seed=None) for name in ("vgg16", "vgg16_fc"))
    shared = len(features.graph.node)
    names = [[node.name for node in model.graph.node[:shared]] for model in (features, classified)]
    assert names[0] == names[1]
    behind = [node.op_type for node in classified.graph.node[shared:]]
    assert [operator for operator in behind if operator != "Flatten"] == [
        "Gemm",
        "Relu",
        "Gemm",
        "Relu",
        "Gemm",
        "Softmax",
    ]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in classified.graph.initializer}
    weights = [shapes[node.input[1]] for node in classified.graph.node if node.op_type == "Gemm"]
    assert weights == [(4096, 512), (4096, 4096), (1000, 4096)]


def test_unknown_network_lists_all():
    with pytest.raises(InputError, match=f"no network 'resnet51'; it has {', '.join(sorted(ZOO))}"):
        load_model("zoo:resnet51")


@pytest.mark.parametrize("size", ["", "0", "-3", "x"])
def test_wrong_size_is_refused(size: str):
    with pytest.raises(InputError, match="positive whole number"):
        load_model(f"zoo:resnet50@{size}")


@pytest.mark.parametrize(("source", "where"), [("zoo:zfnet512@16", "'n"), ("zoo:inception_v3@40", "'mixed_")])
def test_size_that_leaves_nothing_names_the_layer(source: str, where: str):
    with pytest.raises(InputError, match=f"too small: at .*{where}.*take a larger size"):
        load_model(source)
