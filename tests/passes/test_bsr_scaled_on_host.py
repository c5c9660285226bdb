"""General scales down to the array: multipliers where they fit, integer models on the host elsewhere, same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import event, given, settings
from strategies_scaled import ScaledGraph, scaled_graphs
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.arg_spec import ArgSpec

from compiler.checking import execute
from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.reference import run_reference
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline, Stage, default_stages
from compiler.quantization.arithmetic import Rounding
from compiler.registry import full_context
from dialects import mem
from dialects.bsr import AvgPoolOp, BsrOp, Conv2dOp, GemmOp, HostOp
from passes.bsr_scaled_on_host import BsrScaledOnHostPass
from passes.convert_onnx_to_bsr import ConvertOnnxToBsrPass


def stages(target: str) -> tuple[Stage, ...]:
    """From what the conversion makes down to the array, with a plan that its checker has seen."""
    all_stages = default_stages(target=target)
    legalise = tuple(spec for stage in all_stages for spec in stage.passes if spec.name.startswith("bsr-"))
    planned = ArgSpec("convert-bsr-to-mem", {"target": (target,), "verify": (True,)})
    return Stage("bsr", legalise), Stage("mem", (planned,)), all_stages[-1]


def converted(graph: ScaledGraph, rounding: Rounding) -> ModuleOp:
    module = import_model(graph.model)
    ConvertOnnxToBsrPass(rounding=rounding).apply(Context(), module)
    module.verify()
    return module


@pytest.mark.parametrize("rounding", ["half_even", "half_up"])
@settings(max_examples=25)
@given(graph=scaled_graphs())
def test_every_level_agrees_with_the_reference(rounding: Rounding, graph: ScaledGraph) -> None:
    reference = run_reference(import_model(graph.model), graph.inputs, rounding=rounding)
    module = converted(graph, rounding)
    levels = [interpret_bsr(module, graph.inputs)]
    modules = Pipeline(stages("mesh-2x2")).run(module)
    levels += [execute(level, lowered, graph.inputs, 0) for level, lowered in modules.items()]
    kernels = {op.kernel.symbol for op in modules["mem"].walk() if isinstance(op, mem.LaunchOp)}
    event(", ".join(sorted(kernels)))
    for level in levels:
        for name, values in level.tensors.items():
            expected = reference.tensors[name]
            np.testing.assert_array_equal(values.reshape(expected.shape), expected, err_msg=name)
        for name, values in level.outputs.items():
            np.testing.assert_array_equal(values, reference.outputs[name], err_msg=name)


@given(graph=scaled_graphs())
def test_what_goes_to_the_host_has_a_reason_and_gives_the_same_bits(graph: ScaledGraph) -> None:
    module = converted(graph, "half_even")
    assert str(Parser(full_context(), str(module)).parse_module()) == str(module)
    expected = interpret_bsr(module, graph.inputs)
    before = [op.reason.data for op in module.walk() if isinstance(op, HostOp)]
    assert all("network's" in reason for reason in before)
    BsrScaledOnHostPass().apply(Context(), module)
    module.verify()
    left = [op for op in module.walk() if isinstance(op, BsrOp) and op.is_scaled and not isinstance(op, HostOp)]
    assert not any(isinstance(op, AvgPoolOp) for op in left)
    event(f"{sum(isinstance(op, Conv2dOp | GemmOp) for op in left)} contractions on the array")
    found = interpret_bsr(module, graph.inputs)
    for name, values in found.outputs.items():
        np.testing.assert_array_equal(values, expected.outputs[name])
