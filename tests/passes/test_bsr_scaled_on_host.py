"""What needs multipliers becomes integer models on the host, and no bit changes down to the array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from strategies_scaled import ScaledGraph, scaled_graphs
from xdsl.context import Context
from xdsl.parser import Parser

from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.mem import interpret_mem
from compiler.interpret.reference import run_reference
from compiler.onnxio.importer import import_model
from compiler.quantization.arithmetic import Rounding
from compiler.registry import full_context
from dialects.bsr import BsrOp, HostOp
from passes.bsr_reshape_on_host import BsrReshapeOnHostPass
from passes.bsr_scaled_on_host import BsrScaledOnHostPass
from passes.bsr_split_ragged_concat import BsrSplitRaggedConcatPass
from passes.convert_bsr_to_mem import ConvertBsrToMemPass
from passes.convert_onnx_to_bsr import ConvertOnnxToBsrPass


@pytest.mark.parametrize("rounding", ["half_even", "half_up"])
@settings(max_examples=25)
@given(graph=scaled_graphs())
def test_reference_bsr_and_host_models_agree(rounding: Rounding, graph: ScaledGraph) -> None:
    module = import_model(graph.model)
    reference = run_reference(module, graph.inputs, rounding=rounding)
    ConvertOnnxToBsrPass(rounding=rounding).apply(Context(), module)
    module.verify()
    levels = [interpret_bsr(module, graph.inputs)]
    BsrScaledOnHostPass().apply(Context(), module)
    module.verify()
    assert not any(isinstance(op, BsrOp) and op.is_scaled and not isinstance(op, HostOp) for op in module.walk())
    levels.append(interpret_bsr(module, graph.inputs))
    for kind in (BsrSplitRaggedConcatPass, BsrReshapeOnHostPass):
        kind().apply(Context(), module)
    ConvertBsrToMemPass(target="mesh-2x2").apply(Context(), module)
    levels.append(interpret_mem(module, graph.inputs))
    for level in levels:
        for name, values in level.tensors.items():
            np.testing.assert_array_equal(values, reference.tensors[name], err_msg=name)
        for name, values in level.outputs.items():
            np.testing.assert_array_equal(values, reference.outputs[name], err_msg=name)


@given(graph=scaled_graphs())
def test_every_layer_has_a_form_and_a_reason_for_the_host(graph: ScaledGraph) -> None:
    module = import_model(graph.model)
    ConvertOnnxToBsrPass().apply(Context(), module)
    assert str(Parser(full_context(), str(module)).parse_module()) == str(module)
    before = [op.reason.data for op in module.walk() if isinstance(op, HostOp)]
    assert all("network's" in reason for reason in before)
    BsrScaledOnHostPass().apply(Context(), module)
    reasons = [op.reason.data for op in module.walk() if isinstance(op, HostOp)]
    assert all("network's" in reason or "only shift" in reason for reason in reasons)
