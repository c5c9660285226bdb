"""Passes on the onnx level keep what the network computes; quantised networks compute exactly the integers promised."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.passes import ModulePass

from compiler.errors import InputError
from compiler.frontend.load import load_model
from compiler.onnxio import export_model, import_model
from compiler.onnxio.runtime import open_session, run_session
from compiler.quantization.arithmetic import requantise
from dialects.onnx import ConstantOp, is_operator
from passes.graph import nodes_of
from passes.onnx_fold_batch_norm import OnnxFoldBatchNormPass
from passes.onnx_fold_constants import OnnxFoldConstantsPass
from passes.onnx_prune_blocks import OnnxPruneBlocksPass, weight_of
from passes.onnx_quantize import OnnxQuantizePass
from passes.onnx_remove_identities import OnnxRemoveIdentitiesPass
from passes.onnx_unify_operators import OnnxUnifyOperatorsPass
from passes.quantized_writer import LOWERED, POSITION

SIMPLIFY = (OnnxRemoveIdentitiesPass(), OnnxFoldConstantsPass(), OnnxFoldBatchNormPass())


def apply(module: ModuleOp, *passes: ModulePass) -> ModuleOp:
    for module_pass in passes:
        module_pass.apply(Context(), module)
        module.verify()
    return module


def run(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return next(iter(run_session(open_session(model), inputs).values()))


def image_for(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    value = model.graph.input[0]
    shape = [size.dim_value for size in value.type.tensor_type.shape.dim]
    return {value.name: np.random.default_rng(9).standard_normal(shape, dtype=np.float32)}


def model_of(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], shape: list[int], output: str):
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    tensors = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "main", [source], [onnx.ValueInfoProto(name=output)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


@st.composite
def affine_chains(draw: st.DrawFn) -> onnx.ModelProto:
    """Conv or Relu, then a chain of scales, shifts and normalisations, one of them perhaps read twice."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    channels = draw(st.integers(1, 5))
    weights: dict[str, np.ndarray] = {}
    nodes = [helper.make_node("Relu", ["x"], ["t0"])]
    if draw(st.booleans()):
        weights["w"] = rng.standard_normal((channels, channels, 1, 1)).astype(np.float32)
        nodes = [helper.make_node("Conv", ["x", "w"], ["t0"])]
    for index in range(draw(st.integers(1, 5))):
        source, result, name = f"t{index}", f"t{index + 1}", f"c{index}"
        kind = draw(st.sampled_from(["Mul", "Add", "Sub", "Div", "From", "BatchNormalization"]))
        if kind == "BatchNormalization":
            inputs = [source]
            for part in range(4):
                weights[f"{name}.{part}"] = rng.uniform(0.5, 2, channels).astype(np.float32)
                inputs.append(f"{name}.{part}")
            nodes.append(helper.make_node(kind, inputs, [result], epsilon=1e-3))
            continue
        shape = draw(st.sampled_from([(channels, 1, 1), (1, channels, 1, 1), (1,), ()]))
        weights[name] = rng.uniform(0.5, 2, shape).astype(np.float32)
        inputs = [name, source] if kind == "From" or (kind == "Mul" and draw(st.booleans())) else [source, name]
        nodes.append(helper.make_node("Sub" if kind == "From" else kind, inputs, [result]))
    last = f"t{len(nodes) - 1}"
    if draw(st.booleans()):
        nodes.append(
            helper.make_node("Add", [last, draw(st.sampled_from([f"t{i}" for i in range(len(nodes))]))], ["y"])
        )
        last = "y"
    return model_of(nodes, weights, [1, channels, 3, 2], last)


@given(model=affine_chains())
def test_folding_affine_chains_keeps_the_function(model: onnx.ModelProto):
    folded = export_model(apply(import_model(model), *SIMPLIFY))
    inputs = image_for(model)
    # each fold is one float32 rounding of products that float64 composed, so a few units in the last place
    np.testing.assert_allclose(run(folded, inputs), run(model, inputs), rtol=2e-5, atol=2e-5)
    assert not any(node.op_type == "BatchNormalization" for node in folded.graph.node)
    constants = {tensor.name: math.prod(tensor.dims) for tensor in folded.graph.initializer}
    for node in folded.graph.node:
        if node.op_type in ("Mul", "Div"):  # the same for all channels, so that it may be part of a larger function
            assert {constants[name] for name in node.input if name in constants} == {1}


@pytest.mark.parametrize("source", ["zoo:shufflenet@32", "zoo:densenet121@32", "zoo:inception_v1@64"])
def test_networks_are_simplified_to_what_the_array_runs(source: str):
    model = load_model(source)
    simple = export_model(apply(import_model(model), *SIMPLIFY))
    inputs = image_for(model)
    expected = run(model, inputs)
    # folding rounds each of up to 120 layers' weights once more in float32: measured 1.5e-5 of the largest output
    np.testing.assert_allclose(run(simple, inputs), expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    known = {"Conv", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "Gemm", "Add", "Concat"}
    assert {node.op_type for node in simple.graph.node} <= known | {"LRN", "Reshape", "Softmax", "Transpose"}


@st.composite
def classifiers(draw: st.DrawFn) -> onnx.ModelProto:
    """A mean over the map and a fully connected layer, in any of the ways that exporters write them."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    channels, classes = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    keeps, scaled = draw(st.booleans()), draw(st.booleans())
    weights: dict[str, np.ndarray] = {
        "axes": np.array(draw(st.sampled_from([[2, 3], [-1, -2]]))),
        "w": rng.standard_normal((channels, classes)).astype(np.float32),
        "b": rng.standard_normal(draw(st.sampled_from([(classes,), (1, classes)]))).astype(np.float32),
    }
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["m"], keepdims=int(keeps))]
    vector = "m"
    if keeps:
        nodes.append(helper.make_node("Flatten", ["m"], ["f"]))
        vector = "f"
    if scaled:
        nodes.append(helper.make_node("Gemm", [vector, "w", "b"], ["y"], alpha=0.5, beta=3.0))
    else:
        nodes.append(helper.make_node("MatMul", [vector, "w"], ["p"]))
        order = draw(st.permutations(["p", "b"]))
        nodes.append(helper.make_node("Add", order, ["y"]))
    return model_of(nodes, weights, [1, channels, 3, 4], "y")


@given(model=classifiers())
def test_unified_operators_compute_the_same(model: onnx.ModelProto):
    unified = export_model(apply(import_model(model), OnnxUnifyOperatorsPass()))
    inputs = image_for(model)
    # float32 sums of a dozen terms in another order
    np.testing.assert_allclose(run(unified, inputs), run(model, inputs), rtol=1e-4, atol=1e-5)
    operators = [node.op_type for node in unified.graph.node]
    assert operators == ["GlobalAveragePool", "Flatten", "Gemm"]


@pytest.mark.parametrize("axes", [[1, 2], [2], [1, 2, 3]])
def test_other_means_are_left_alone(axes: list[int]):
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["y"])]
    module = import_model(model_of(nodes, {"axes": np.array(axes)}, [1, 3, 4, 5], "y"))
    assert [node.operator for node in nodes_of(apply(module, OnnxUnifyOperatorsPass()))] == ["ReduceMean"]


def test_quantised_weights_are_pruned_as_int8():
    model = load_model("zoo:squeezenet@32")
    module = apply(import_model(model), *SIMPLIFY, OnnxQuantizePass(samples=1), OnnxPruneBlocksPass(0.5))
    densities = [density(weight_of(node)) for node in nodes_of(module) if is_operator(node, "Conv")]
    assert densities[0] == densities[-1] == 1.0
    assert all(0.5 <= value < 0.6 for value in densities[1:-1])


def test_pruned_weights_are_the_zero_point():
    random = np.random.default_rng(0)
    constants = {"scale": np.float32(0.1), "zero": np.int8(5)}
    constants |= {f"w{index}": random.integers(-100, 128, (16, 16, 1, 1)).astype(np.int8) for index in range(3)}
    nodes = [helper.make_node("DequantizeLinear", [f"w{i}", "scale", "zero"], [f"d{i}"]) for i in range(3)]
    chain = zip(("x", "c0", "c1"), ("c0", "c1", "c2"), strict=True)
    nodes += [helper.make_node("Conv", [source, f"d{i}"], [result]) for i, (source, result) in enumerate(chain)]
    nodes.append(helper.make_node("MaxPool", ["c2"], ["y"], kernel_shape=[1, 1]))
    module = apply(import_model(model_of(nodes, constants, [1, 16, 4, 4], "y")), OnnxPruneBlocksPass(0.5))
    weights = [weight_of(node).array().astype(int) - 5 for node in nodes_of(module) if is_operator(node, "Conv")]
    for values in weights[1:]:
        blocks = np.abs(values).reshape(2, 8, 2, 8).sum(axis=(1, 3))
        assert np.count_nonzero(blocks) == 2
    original = constants["w1"].astype(int) - 5
    np.testing.assert_array_equal(weights[1], np.where(weights[1] != 0, original, 0))


def test_gemm_after_flatten_is_pruned_over_the_map():
    weights = {"w": np.random.default_rng(0).standard_normal((16, 8 * 2 * 3)).astype(np.float32)}
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], transB=1)]
    model = model_of(nodes, weights, [1, 8, 2, 3], "y")
    module = apply(import_model(model), OnnxPruneBlocksPass(0.5, prune_last=True))
    (gemm,) = (node for node in nodes_of(module) if is_operator(node, "Gemm"))
    constant = weight_of(gemm)
    assert constant is not None
    per_output_block = np.abs(constant.array()).reshape(2, 8 * 48).sum(axis=1)
    assert sorted(per_output_block == 0) == [False, True]


@pytest.mark.parametrize(("source", "last_is_dense"), [("zoo:vgg16@32", False), ("zoo:resnet50@32", True)])
def test_first_layer_and_classifier_stay_dense(source: str, last_is_dense: bool):
    module = apply(import_model(load_model(source)), *SIMPLIFY, OnnxPruneBlocksPass(0.75))
    layers = [node for node in nodes_of(module) if is_operator(node, "Conv", "Gemm")]
    densities = [density(weight_of(node)) for node in layers]
    assert densities[0] == 1.0
    assert (densities[-1] == 1.0) == last_is_dense
    assert all(0.2 < value < 0.3 for value in densities[1:-1])


def density(constant: ConstantOp | None) -> float:
    """Share of 8x8 blocks that are not zero."""
    assert constant is not None
    values = constant.array().reshape(*constant.array().shape[:2], -1)
    padded = np.pad(values, ((0, -values.shape[0] % 8), (0, -values.shape[1] % 8), (0, 0)))
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8, -1).any(axis=(1, 3, 4))
    return float(blocks.mean())


def test_ratio_beyond_one_is_refused():
    with pytest.raises(InputError, match=r"ratio must lie between 0 and 1, but is 1\.5"):
        apply(import_model(load_model("zoo:squeezenet@32")), OnnxPruneBlocksPass(1.5))


@st.composite
def small_convolutions(draw: st.DrawFn) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """One convolution with bias and perhaps ReLU, with weights of very different magnitudes."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    inputs, outputs, kernel = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 3))
    gain = 2.0 ** draw(st.integers(-8, 8))
    weights = {
        "w": (rng.standard_normal((outputs, inputs, kernel, kernel)) * gain).astype(np.float32),
        "b": (rng.standard_normal(outputs) * gain * 2.0 ** draw(st.integers(-3, 3))).astype(np.float32),
    }
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"])]
    relu = draw(st.booleans())
    if relu:
        nodes.append(helper.make_node("Relu", ["c"], ["y"]))
    return model_of(nodes, weights, [1, inputs, 4, 5], "y" if relu else "c"), {"relu": relu}


@settings(max_examples=40)
@given(case=small_convolutions())
def test_quantised_convolution_is_integer_arithmetic(case: tuple[onnx.ModelProto, dict[str, Any]]):
    model, facts = case
    module = apply(import_model(model), OnnxQuantizePass(samples=2))
    constants = {op.output_names[0]: op.array() for op in module.walk() if isinstance(op, ConstantOp)}
    quantise = [node for node in nodes_of(module) if is_operator(node, "QuantizeLinear")]
    source_position, position = (note(node, POSITION) for node in quantise)
    (weight,) = (
        node for node in nodes_of(module) if is_operator(node, "DequantizeLinear") and POSITION in node.attributes
    )
    shift = source_position + note(weight, POSITION) - position
    assert 0 <= shift <= 16
    exported = export_model(module)
    exported.graph.output.extend(onnx.ValueInfoProto(name=node.output_names[0]) for node in quantise)
    results = run_session(open_session(exported), image_for(model))
    x, y = (results[node.output_names[0]].astype(np.int64) for node in quantise)
    kernel = constants["w/int8"].astype(np.int64)
    size = kernel.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (size, size), axis=(1, 2))
    total = np.einsum("iyxhw,oihw->oyx", windows, kernel) + constants["b/int32"].astype(np.int64)[:, None, None]
    expected = requantise(total, shift, "half_even", (0, 127) if facts["relu"] else (-128, 127))
    np.testing.assert_array_equal(y[0], expected)


def note(node: Any, name: str) -> int:
    value = node.attributes[name]
    assert isinstance(value, IntegerAttr)
    return value.value.data


def test_every_computed_tensor_is_alive_and_positions_are_shared():
    model = load_model("zoo:inception_v1@64")
    module = apply(import_model(model), *SIMPLIFY, OnnxQuantizePass(samples=2))
    quantise = [node for node in nodes_of(module) if is_operator(node, "QuantizeLinear")]
    for node in nodes_of(module):
        if is_operator(node, "MaxPool"):
            before = node.inputs[0].owner.inputs[0].owner
            (use,) = node.output.uses
            assert note(use.operation, POSITION) == note(before, POSITION)
    exported = export_model(module)
    exported.graph.output.extend(onnx.ValueInfoProto(name=node.output_names[0]) for node in quantise)
    results = run_session(open_session(exported), image_for(model))
    for node in quantise:
        values = results[node.output_names[0]]
        assert values.std() > 2, f"{node.describe()} is nearly constant"
        assert np.mean(np.abs(values.astype(int)) >= 127) < 0.01, f"{node.describe()} saturates"
    assert not any(LOWERED in node.attributes for node in quantise)


def test_quantising_twice_changes_nothing():
    module = apply(import_model(load_model("zoo:squeezenet@32")), *SIMPLIFY, OnnxQuantizePass(samples=1))
    once = str(module)
    assert str(apply(module, OnnxQuantizePass(samples=1, seed=5))) == once


def test_calibration_file(tmp_path: Path):
    model = load_model("zoo:squeezenet@32")
    samples = np.random.default_rng(1).standard_normal((3, 3, 32, 32)).astype(np.float32) * 100
    np.save(tmp_path / "samples.npy", samples)
    np.savez(tmp_path / "samples.npz", data_0=samples)
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "1.npy", samples[:1])
    np.savez(tmp_path / "folder" / "2.npz", data_0=samples[1:])
    texts = []
    for name in ("samples.npy", "samples.npz", "folder"):
        module = apply(import_model(model), *SIMPLIFY, OnnxQuantizePass(calibration=str(tmp_path / name)))
        (first, *_) = (node for node in nodes_of(module) if is_operator(node, "QuantizeLinear"))
        assert note(first, POSITION) == -2
        texts.append(str(module).replace(name, ""))
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"other": np.zeros((1, 3, 32, 32))}, "has no array 'data_0'; it has other"),
        ({"data_0": np.zeros((1, 3, 16, 16))}, r"has shape \[1, 3, 16, 16\]; expected \['samples', 3, 32, 32\]"),
        ({"data_0": np.zeros((0, 3, 32, 32))}, "holds no sample"),
        ({"data_0": np.full((1, 3, 32, 32), np.nan)}, "holds infinities or is not a number"),
    ],
)
def test_wrong_calibration_file(tmp_path: Path, arrays: dict[str, np.ndarray], message: str):
    path = tmp_path / "samples.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message):
        apply(import_model(load_model("zoo:squeezenet@32")), OnnxQuantizePass(calibration=str(path)))


def test_missing_calibration_file():
    with pytest.raises(InputError, match=r"there is no file 'absent\.npz'"):
        apply(import_model(load_model("zoo:squeezenet@32")), OnnxQuantizePass(calibration="absent.npz"))
