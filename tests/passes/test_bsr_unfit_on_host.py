"""What has no room on a chip runs on the host, says so, and gives the same bits at every level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from bsr_levels import on_chip
from bsr_passes import main_of
from onnx import TensorProto, helper, numpy_helper
from strategies_bsr import Place
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block

from compiler.api import compile_model
from compiler.checking import execute
from compiler.cli.main import main
from compiler.errors import InputError
from compiler.interpret.bsr import interpret_bsr
from compiler.kernels.code_size import kernel_bytes, unfit
from compiler.kernels.parameters import Kernel
from compiler.pipelines import Pipeline, Stage, default_stages, step
from compiler.placement import placements
from dialects.aie import DeviceOp
from dialects.bsr import (
    AddOp,
    AvgPoolOp,
    ConcatOp,
    Conv2dOp,
    HostOp,
    MaxPoolOp,
    RequantiseOp,
    Scaled,
    ScaledAttr,
    WeightsOp,
    fixed_type,
)
from dialects.chip import chip_of


def hosted(module: ModuleOp) -> dict[str, str]:
    return {op.operator.data: op.reason.data for op in module.walk() if isinstance(op, HostOp)}


def tall_pool(rows: int) -> onnx.ModelProto:
    """A maximum of more rows than a ring of slots has."""
    weights = numpy_helper.from_array(np.eye(8, dtype=np.float32).reshape(8, 8, 1, 1), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("MaxPool", ["c"], ["y"], name="pool", kernel_shape=[rows, 1]),
    ]
    source, sink = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 8, rows, 2]), ("y", None))
    )
    graph = helper.make_graph(nodes, "g", [source], [sink], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_a_layer_that_does_not_fit_a_core_is_computed_on_the_host_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tall_pool(70)
    compilation = compile_model(model, target="mesh-1x1")
    (segment,) = [segment for segment in compilation.host if "MaxPool" in segment.op]
    assert "layer 'pool' does not fit a core: 70 input rows" in segment.reason
    assert all(comparison.holds for comparison in compilation.check())
    assert any(entry["reason"] == segment.reason for entry in compilation.manifest()["host"])
    path = tmp_path / "tall.onnx"
    onnx.save(model, path)
    places = {node.op: (node.place, node.reason) for node in placements(str(path), target="mesh-1x1")}
    assert places["MaxPool"] == ("host", segment.reason)
    assert main(["ops", str(path), "--target", "mesh-1x1"]) == 0
    assert segment.reason in capsys.readouterr().out
    with pytest.raises(
        InputError, match=r"--strict allows nothing on the host, .*\n  MaxPool 'pool': layer 'pool' does"
    ):
        compile_model(model, target="mesh-1x1", strict=True)
    assert compile_model(tall_pool(60), target="mesh-1x1", until="bsr", strict=True)


def lowered(module: ModuleOp, *overrides: str) -> dict[str, ModuleOp]:
    stages = default_stages()
    first = Stage("bsr", (step("bsr-unfit-on-host", target="npu1"),))
    return dict(Pipeline(on_chip((first, *stages[2:]), Place("mesh-1x1", overrides))).run(module))


def of_both_kinds() -> ModuleOp:
    """Fixed point and general scales in one network, with both pools."""
    scaled = ScaledAttr(Scaled(0.01171875, -3))
    block = Block(arg_types=[fixed_type((1, 8, 6, 6), 4)])
    random = np.random.default_rng(0)
    values = random.integers(-9, 9, (8, 8, 1, 1)).astype(np.int8)
    fixed = WeightsOp.from_dense(values, np.zeros(8, np.int32), 4, "fixed")
    general = WeightsOp.from_dense(values, np.zeros(8, np.int32), np.full(8, 0.021, np.float32), "general")
    conv = Conv2dOp(block.args[0], fixed.result, 3)
    added = AddOp(conv.result, conv.result, 3)
    coarser = RequantiseOp(added.result, 2)
    most = MaxPoolOp(coarser.result, (2, 2))
    mean = AvgPoolOp(most.result, 2, (2, 2))
    other = RequantiseOp(mean.result, scaled)
    again = Conv2dOp(other.result, general.result, scaled)
    total = AddOp(again.result, other.result, scaled)
    ends = ConcatOp([total.result, other.result], ScaledAttr(Scaled(0.01953125, 5)))
    block.add_ops([fixed, general, conv, added, coarser, most, mean, other, again, total, ends])
    return main_of(block, ends.result)


def assert_all_levels_are_equal(module: ModuleOp, modules: dict[str, ModuleOp]) -> None:
    inputs = {"input0": np.random.default_rng(1).integers(-128, 128, (1, 8, 6, 6)).astype(np.int8)}
    expected = interpret_bsr(module, inputs).outputs
    for level, each in modules.items():
        found = execute(level, each, inputs, 0).outputs
        for name, result in expected.items():
            np.testing.assert_array_equal(found[name], result, err_msg=level)


def test_kernels_that_do_not_fit_together_are_in_several_programs() -> None:
    """All of them are more than 16 KB hold, and none of them has to go to the host."""
    module = of_both_kinds()
    modules = lowered(module.clone())
    assert not hosted(modules["bsr"])
    devices = [op for op in modules["aie"].ops if isinstance(op, DeviceOp)]
    assert [device.sym_name.data for device in devices] == ["array_0", "array_1"]
    for device in devices:
        kernels = [op.sym_name.data for op in device.body.ops if isinstance(op, func.FuncOp)]
        assert not unfit([kernel for kernel in Kernel if kernel.symbol in kernels], chip_of(modules["aie"]))
    assert_all_levels_are_equal(module, modules)


def test_a_layer_whose_kernel_does_not_fit_by_itself_is_computed_on_the_host() -> None:
    """A scaled convolution calls the other one, which alone would fit."""
    module = of_both_kinds()
    conv, scaled = kernel_bytes(Kernel.CONV), kernel_bytes(Kernel.SCALED_CONV)
    memory = (conv + scaled) * 4 // 3 - 2
    modules = lowered(module.clone(), f"program_memory_bytes={memory}")
    reason = (
        f"layer 'conv2d_2' does not fit a core: its kernels take {conv + scaled} bytes of a core's program memory "
        f"(conv {conv}, scaled_conv {scaled}), and {memory * 3 // 4} of {memory} are set aside for them"
    )
    assert hosted(modules["bsr"]) == {"Conv": reason}
    assert_all_levels_are_equal(module, modules)


def test_a_mean_that_a_core_cannot_count_is_computed_on_the_host() -> None:
    block = Block(arg_types=[fixed_type((1, 8, 50, 50), 0)])
    mean = AvgPoolOp(block.args[0], 20, (50, 50))
    block.add_op(mean)
    module = main_of(block, mean.result)
    inputs = {"input0": np.random.default_rng(1).integers(-3, 4, (1, 8, 50, 50)).astype(np.int8)}
    expected = interpret_bsr(module.clone(), inputs).outputs
    modules = lowered(module)
    assert "a core counts to 2147483647" in hosted(modules["bsr"])["AveragePool"]
    for level, each in modules.items():
        for name, result in execute(level, each, inputs, 0).outputs.items():
            np.testing.assert_array_equal(result, expected[name], err_msg=level)
