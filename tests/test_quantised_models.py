"""Models of ONNX Runtime's quantiser, through every level: what `blockloom check` promises for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from quantised_models import FORMS, NETWORKS, Form, quantised
from xdsl.context import Context

from compiler.api import compile_model
from compiler.interpret.reference import run_reference
from compiler.onnxio.importer import import_model
from compiler.onnxio.runtime import open_session, run_session
from compiler.placement import placements
from dialects.onnx import OnnxOp, is_operator
from passes.onnx_rebase_uint8 import OnnxRebaseUint8Pass
from passes.onnx_unfuse_quantised import OnnxUnfuseQuantisedPass

OTHERS = (Form(unsigned=True, per_channel=True), Form(operators=True), Form(binary=True))
CASES = [
    *(("residual", form) for form in FORMS),
    *((network, form) for network in ("depthwise", "unet", "gated", "vit") for form in OTHERS),
    ("unet", Form(operators=True, unsigned=True)),
]


@pytest.mark.parametrize(("network", "form"), CASES, ids=[f"{network}-{form}" for network, form in CASES])
def test_every_level_agrees(network: str, form: Form, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(quantised(NETWORKS[network](32), form), path)
    compilation = compile_model(path, target="mesh-2x2")
    comparisons = {comparison.level: comparison for comparison in compilation.check()}
    for comparison in comparisons.values():
        assert comparison.holds, str(comparison)
    assert all(comparisons[level].differences == 0 for level in ("bsr", "mem", "aie"))
    hosted = {operator for segment in compilation.host for operator in segment.op.split(", ")}
    # ONNX Runtime interpolates int8 in its own way
    interpolated = {"Resize"} if network == "gated" else set[str]()
    assert not hosted & {"Conv", "Gemm", "MatMul", "Add", "Resize"} - interpolated
    assert comparisons["ONNX Runtime"].differences < comparisons["ONNX Runtime"].values / 100
    assert comparisons["bsr"].tensors >= 4
    if form.binary:
        assert comparisons["ONNX Runtime"].allowed == 0


@pytest.mark.parametrize("form", [Form(unsigned=True, per_channel=True), Form(operators=True)], ids=str)
def test_ops_says_that_the_array_has_multipliers(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(quantised(NETWORKS["residual"](32), form), path)
    nodes = placements(str(path))
    moving = ("Flatten", "QuantizeLinear", "DequantizeLinear")
    assert not [node for node in nodes if node.place == "host" and node.op not in moving]


RANDOM = np.random.default_rng(7)
ACTIVATION = ("scale_x", "zero_x")


def initialisers(dtype: type) -> list[onnx.TensorProto]:
    values = {
        "scale_x": np.float32(0.05),
        "zero_x": dtype(100),
        "scale_y": np.float32(0.083),
        "zero_y": dtype(90),
        "scale_m": np.float32(0.031),
        "zero_m": dtype(60),
        "w": RANDOM.integers(-128, 128, (6, 8, 3, 3)).astype(np.int8),
        "scale_w": RANDOM.uniform(0.001, 0.004, 6).astype(np.float32),
        "zero_w": np.zeros(6, np.int8),
        "b": RANDOM.integers(-2000, 2000, 6).astype(np.int32),
        "g": RANDOM.integers(-128, 128, (10, 288)).astype(np.int8),
        "scale_g": np.float32(0.002),
        "zero_g": np.int8(0),
        "c": RANDOM.integers(-2000, 2000, 10).astype(np.int32),
        "t": np.ascontiguousarray(RANDOM.integers(-128, 128, (288, 10)).astype(np.int8)),
        "row": np.array([1, 288]),
    }
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]


def ms(operator: str, inputs: list[str], **attributes: object) -> list[onnx.NodeProto]:
    return [helper.make_node(operator, inputs, ["y"], name="node", domain="com.microsoft", **attributes)]


X, M, Y = ["x", "scale_x", "zero_x"], ["m", "scale_m", "zero_m"], ["scale_y", "zero_y"]
FLAT = helper.make_node("Reshape", ["x", "row"], ["flat"])
OPERATORS: dict[str, list[onnx.NodeProto]] = {
    "QLinearConv": [
        helper.make_node("QLinearConv", [*X, "w", "scale_w", "zero_w", *Y, "b"], ["y"], pads=[1, 1, 0, 1], name="node")
    ],
    "QLinearMatMul": [
        FLAT,
        helper.make_node("QLinearMatMul", ["flat", *X[1:], "t", "scale_g", "zero_g", *Y], ["y"], name="node"),
    ],
    "QGemm": [FLAT, *ms("QGemm", ["flat", *X[1:], "g", "scale_g", "zero_g", "c", *Y], transB=1)],
    "QLinearAdd": ms("QLinearAdd", [*X, *M, *Y]),
    "QLinearMul": ms("QLinearMul", [*X, *M, *Y]),
    "QLinearConcat": ms("QLinearConcat", [*Y, *X, *M], axis=1),
    "QLinearGlobalAveragePool": ms("QLinearGlobalAveragePool", [*X, *Y], channels_last=0),
    "QLinearAveragePool": ms("QLinearAveragePool", [*X, *Y], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "QLinearSigmoid": ms("QLinearSigmoid", [*X, *Y]),
    "QLinearLeakyRelu": ms("QLinearLeakyRelu", [*X, *Y], alpha=0.1),
    "MaxPool": [
        helper.make_node("QuantizeLinear", ["real", *X[1:]], ["q"]),
        helper.make_node("MaxPool", ["q"], ["y"], kernel_shape=[2, 2], name="node"),
    ],
}


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("name", OPERATORS)
def test_the_standard_form_computes_what_onnx_runtime_computes(name: str, dtype: type) -> None:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    low, high = (-128, 128) if dtype is np.int8 else (0, 256)
    given = {entry: RANDOM.integers(low, high, (1, 8, 6, 6)).astype(dtype) for entry in ("x", "m")}
    given["real"] = RANDOM.normal(0, 3, (1, 8, 6, 6)).astype(np.float32)
    used = {entry for node in OPERATORS[name] for entry in node.input}
    kinds = {"x": kind, "m": kind, "real": TensorProto.FLOAT}
    infos = [helper.make_tensor_value_info(entry, kinds[entry], [1, 8, 6, 6]) for entry in kinds if entry in used]
    graph = helper.make_graph(
        OPERATORS[name], "one", infos, [helper.make_tensor_value_info("y", kind, None)], initialisers(dtype)
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    inputs = {entry: given[entry] for entry in kinds if entry in used}
    expected = run_session(open_session(model), inputs)["y"]
    module = import_model(model)
    for step in (OnnxUnfuseQuantisedPass, OnnxRebaseUint8Pass):
        step().apply(Context(), module)
        module.verify()
    assert not [op for op in module.walk() if isinstance(op, OnnxOp) and op.operator.startswith("com.microsoft")]
    quantised_types = {str(op.output.type) for op in module.walk() if is_operator(op, "Conv", "Gemm", "Add", "MaxPool")}
    assert all("f32" in text for text in quantised_types)
    found = run_reference(module, inputs).outputs["y"]
    assert found.dtype == expected.dtype
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= found.size / 50
