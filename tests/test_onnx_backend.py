"""The ONNX backend: a part of ONNX's suites that takes seconds, and where its tests run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from onnx_backend import outcome

from compiler.errors import InputError
from compiler.onnx_backend import BlockloomBackend, Lossy
from compiler.onnxio.host import HostModel

ULPS = 1e-6
"""Of float32 results: eight units in the last place, for sums and exponentials that are rounded in another order."""


def model_of(nodes: list[onnx.NodeProto], shape: list[int], opset: int = 21, **tensors: np.ndarray) -> onnx.ModelProto:
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    sink = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    constants = [numpy_helper.from_array(values, name) for name, values in tensors.items()]
    graph = helper.make_graph(nodes, "g", [source], [sink], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture(scope="module")
def pools() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MaxPool", ["x"], ["m"], kernel_shape=[2, 2]),
        helper.make_node("GlobalAveragePool", ["m"], ["y"]),
    ]
    return model_of(nodes, [1, 2, 3, 3])


def test_cpu_gives_float_results(pools: onnx.ModelProto) -> None:
    image = np.random.default_rng(0).standard_normal((1, 2, 3, 3)).astype(np.float32)
    rep = BlockloomBackend.prepare(pools, "CPU")
    windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2), (2, 3)).max((4, 5))
    np.testing.assert_allclose(rep.run([image])[0], windows.mean((2, 3), keepdims=True), rtol=ULPS)
    assert not rep.on_array


def test_npu_runs_what_int8_represents(pools: onnx.ModelProto) -> None:
    image = np.arange(-4, 14, dtype=np.float32).reshape(1, 2, 3, 3)
    rep = BlockloomBackend.prepare(pools, "NPU:0")
    np.testing.assert_array_equal(rep.run([image]).y, BlockloomBackend.run_model(pools, [image]).y)
    assert rep.on_array


def test_npu_wraps_integers_as_their_type_does() -> None:
    """100 + 100 is 200 in float, and -56 in int8; the first input is one that a constant answers for."""
    shape = helper.make_tensor_value_info("shape", TensorProto.INT64, [4])
    source, sink = (helper.make_tensor_value_info(name, TensorProto.INT8, [1, 8, 1, 2]) for name in "xy")
    nodes = [helper.make_node("Add", ["x", "x"], ["sum"]), helper.make_node("Reshape", ["sum", "shape"], ["y"])]
    constant = numpy_helper.from_array(np.array([1, 8, 1, 2], np.int64), "shape")
    graph = helper.make_graph(nodes, "g", [shape, source], [sink], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=8)
    given = np.array([100, -100] * 7 + [4, -28], np.int8).reshape(1, 8, 1, 2)
    (found,) = BlockloomBackend.prepare(model, "NPU").run([given])
    assert found.dtype == np.int8
    assert found[0, 0, 0].tolist() == [-56, 56]
    np.testing.assert_array_equal(found, given + given)


def test_npu_refuses_what_int8_would_change(pools: onnx.ModelProto) -> None:
    image = np.full((1, 2, 3, 3), 0.3, np.float32)
    image[0, 0, 0, 0] = 1
    with pytest.raises(Lossy, match="int8 loses something of tensor 'x'"):
        BlockloomBackend.prepare(pools, "NPU").run([image])


def test_npu_refuses_what_is_not_for_the_array() -> None:
    model = model_of([helper.make_node("Softmax", ["x"], ["y"])], [1, 8])
    with pytest.raises(InputError, match="Softmax has no int8 form on the array"):
        BlockloomBackend.prepare(model, "NPU").run([np.ones((1, 8), np.float32)])


def test_devices() -> None:
    assert BlockloomBackend.supports_device("CPU")
    assert BlockloomBackend.supports_device("NPU:1")
    assert not BlockloomBackend.supports_device("CUDA")


def test_a_result_that_is_a_constant() -> None:
    """Folding may leave nothing but the constant to return."""
    model = model_of([helper.make_node("Add", ["a", "a"], ["y"])], [1], a=np.float32([1, 2]))
    np.testing.assert_array_equal(BlockloomBackend.run_model(model, [np.zeros(1, np.float32)])[0], [2, 4])


def test_the_reference_is_asked_only_where_it_is_right() -> None:
    """Swish is too new for ONNX Runtime; LRN is wrong in the reference, so the two together run nowhere."""
    swish = helper.make_node("Swish", ["x"], ["s"])
    model = model_of([swish, helper.make_node("Identity", ["s"], ["y"])], [1, 2], opset=24)
    (found,) = HostModel(model).run({"x": np.float32([[1, 2]])})
    np.testing.assert_allclose(found, np.float32([[1, 2]]) / (1 + np.exp(-np.float32([[1, 2]]))), rtol=ULPS)
    old = [helper.make_node("LRN", ["x"], ["s"], size=2), helper.make_node("Identity", ["s"], ["y"])]
    with pytest.raises(InputError, match="computes LRN wrongly at operator set 21"):
        HostModel(model_of(old, [1, 2, 1, 1]))


REPRESENTATIVE = {
    "array": (
        "test_maxpool_2d_precomputed_pads",
        "test_averagepool_2d_precomputed_strides",
        "test_globalmaxpool_precomputed",
        "test_conv_with_strides_no_padding",
        "test_convtranspose_pads",
        "test_add_int16",
        "test_sub_uint8",
        "test_mul_int8",
        "test_max_example",
        "test_min_float64",
        "test_concat_3d_axis_negative_2",
        "test_expand_dim_changed",
        "test_reduce_sum_keepdims_example",
        "test_resize_upsample_scales_nearest",
        "test_split_equal_parts_2d_opset13",
        "test_transpose_all_permutations_3",
        "test_reflect_pad",
        "test_where_long_example",
    ),
    "host": (
        "test_relu",
        "test_conv_with_strides_padding",
        "test_batchnorm_example",
        "test_gemm_all_attributes",
        "test_qlinearconv",
        "test_quantizelinear",
        "test_dequantizelinear_int4",
        "test_softmax_axis_1",
        "test_loop11",
        "test_if_seq",
        "test_range_float_type_positive_delta_expanded",
        "test_dft",
        "test_attention_4d",
        "test_strnormalizer_export_monday_casesensintive_lower",
        "test_sequence_insert_at_front",
        "test_dropout_default_mask",
    ),
}


@pytest.mark.filterwarnings("ignore")  # the suite overflows on purpose where it makes its own data
def test_a_part_of_the_official_suite() -> None:
    from onnx.backend.test.loader import load_model_tests

    wanted = {name: kind for kind, names in REPRESENTATIVE.items() for name in names}
    cases = {case.name: case for case in load_model_tests(kind="node") if case.name in wanted}
    assert set(cases) == set(wanted)
    assert {name: outcome(name, runnable(case)) for name, case in cases.items()} == {
        name: (kind, "") for name, kind in wanted.items()
    }


def runnable(case: object) -> dict[str, object]:
    """What the benchmark makes of the tests of the suite, for one of them."""
    from onnx.backend.test.runner import Runner, _normalize_tensor

    class Recording(BlockloomBackend):
        device = "CPU"
        on_array = False

    def run() -> None:
        rep = Recording.prepare(case.model, Recording.device)
        Recording.on_array = rep.on_array
        for inputs, expected in case.data_sets:
            found = rep.run([_normalize_tensor(value) for value in inputs])
            Runner.assert_similar_outputs([_normalize_tensor(value) for value in expected], found, case.rtol, case.atol)

    return {"backend": Recording, "run": run}
