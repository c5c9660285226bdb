"""A network whose kernels are more than a core's program memory holds, from its model to the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from quantised_models import FloatNet
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from compiler import Compilation, compile_model
from compiler.driver import Driver, TransactionWords, Words
from compiler.errors import BlockloomError
from compiler.hardware.chip import chip_named
from compiler.interpret.aie import interpret_aie
from compiler.kernels.code_size import bytes_for_kernels
from compiler.registry import full_context
from compiler.simulate import simulate
from dialects.aie import DeviceOp, FlowOp, RuntimeSequenceOp
from dialects.aiex_devices import ConfigureOp, RunOp
from passes.aie_configure_devices import AieConfigureDevicesPass
from passes.aie_keep_device import AieKeepDevicePass


@pytest.fixture(scope="module")
def compilation() -> Compilation:
    """All of the cheap operators around a convolution, for an array of one core."""
    net = FloatNet(3)
    one = net.conv("x", 3, 8)
    other = net.node("Sigmoid", net.node("MaxPool", one, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    mixed = net.node("Mul", net.node("Sub", net.node("Add", one, other), other), other)
    least = net.node("Max", net.node("Min", mixed, one), other)
    mean = net.node("AveragePool", least, kernel_shape=[2, 2], strides=[2, 2])
    return compile_model(net.model((1, 3, 6, 6), net.conv(mean, 8, 5, 1), (1, 5, 3, 3)), target="npu1_1col")


def test_every_level_agrees_and_nothing_is_on_the_host(compilation: Compilation) -> None:
    assert all(comparison.holds for comparison in compilation.check())
    assert {segment.op for segment in compilation.host} <= {"QuantizeLinear", "DequantizeLinear"}


def test_the_manifest_lists_the_programs_and_each_fits(compilation: Compilation) -> None:
    one, other = compilation.manifest()["configurations"]
    assert (one["device"], other["device"]) == ("array_0", "array_1")
    assert sorted((*one["sequences"], *other["sequences"])) == ["sequence_0", "sequence_1"]
    free = bytes_for_kernels(chip_named("npu1_1col"))
    assert max(one["kernel_bytes"], other["kernel_bytes"]) <= free < one["kernel_bytes"] + other["kernel_bytes"]


def test_a_change_takes_as_long_as_the_chip_says_in_both_judges_of_time(compilation: Compilation) -> None:
    for judge in (compilation.simulate, compilation.estimate):
        usual, free = judge(), judge(overrides={"reconfiguration_cycles": 0})
        assert usual.reconfigurations == 1
        assert usual.total_cycles - free.total_cycles == chip_named("npu1_1col").reconfiguration_cycles
        assert usual.array_cycles == free.array_cycles


def test_cores_of_all_programs_have_one_time(compilation: Compilation) -> None:
    simulation = compilation.simulate(timeline=True)
    assert len(simulation.cores) == 4
    assert all(core.times.total == simulation.array_cycles for core in simulation.cores)
    assert len({link.name for link in simulation.links}) == len(simulation.links)


def test_programs_with_other_flows_are_not_simulated(compilation: Compilation) -> None:
    module = compilation.module("aie").clone()
    last = [op for op in module.ops if isinstance(op, DeviceOp)][-1]
    next(op for op in last.body.ops if isinstance(op, FlowOp)).detach()
    with pytest.raises(BlockloomError, match=r"@array_1 has other flows than @array_0"):
        simulate(module)


def test_a_driver_loads_the_device_of_each_sequence(compilation: Compilation) -> None:
    driver, loaded = Driver.of(compilation.module("aie")), list[str]()

    def run(device: str, words: TransactionWords, activations: Words, weights: Words) -> None:
        loaded.append(device)

    driver.run(compilation.inputs(0), run)
    assert loaded == ["array_0", "array_1"]
    assert driver.patches_outside() == []


def test_a_sequence_that_no_device_has(compilation: Compilation) -> None:
    module = ModuleOp([op.clone() for op in compilation.module("aie").ops], dict(compilation.module("aie").attributes))
    [op for op in module.ops if isinstance(op, DeviceOp)][-1].detach()
    with pytest.raises(BlockloomError, match=r"runs @sequence_1, which no device has"):
        interpret_aie(module, compilation.inputs(0))


def test_the_report_shows_them(compilation: Compilation, tmp_path: Path) -> None:
    compilation.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "1 change of the cores’ program" in text
    assert "array_1" in text


def test_one_device_loads_the_others_for_upstream(compilation: Compilation) -> None:
    module = compilation.module("aie").clone()
    AieConfigureDevicesPass().apply(Context(), module)
    AieKeepDevicePass().apply(Context(), module)
    module.verify()
    *programs, network = [op for op in module.ops if isinstance(op, DeviceOp)]
    assert [op.sym_name.data for op in programs] == ["array_0", "array_1"]
    (sequence,) = [op for op in network.body.ops if isinstance(op, RuntimeSequenceOp)]
    loaded = [op for op in sequence.body.ops if isinstance(op, ConfigureOp)]
    assert [op.symbol.string_value() for op in loaded] == ["array_0", "array_1"]
    runs = [
        run.runtime_sequence_symbol.string_value() for op in loaded for run in op.body.ops if isinstance(run, RunOp)
    ]
    assert runs == ["sequence_0", "sequence_1"]
    context = full_context()
    assert Parser(context, str(module)).parse_module().is_structurally_equivalent(module)
