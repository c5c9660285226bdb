"""The bsr level gives the same numbers as the reference, before and after its fusions, on every tensor both have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_graphs import Graph, GraphBuilder, quantised_graphs
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from compiler.errors import InputError
from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.execution import Execution
from compiler.interpret.reference import run_reference
from compiler.onnxio.importer import import_model
from compiler.quantization.arithmetic import Rounding
from passes.bsr_fuse_add import BsrFuseAddPass
from passes.bsr_fuse_clamp import BsrFuseClampPass
from passes.bsr_fuse_requantise import BsrFuseRequantisePass
from passes.convert_onnx_to_bsr import ConvertOnnxToBsrPass

FUSIONS = (BsrFuseRequantisePass(), BsrFuseClampPass(), BsrFuseAddPass())


def assert_equal(found: Execution, expected: Execution) -> None:
    """All outputs, and every tensor that the level under test still has."""
    assert list(found.outputs) == list(expected.outputs)
    for name, values in found.outputs.items():
        np.testing.assert_array_equal(values, expected.outputs[name], err_msg=name)
    for name, values in found.tensors.items():
        np.testing.assert_array_equal(values, expected.tensors[name], err_msg=name)


def converted(graph: Graph, rounding: Rounding = "half_even") -> ModuleOp:
    module = import_model(graph.model)
    ConvertOnnxToBsrPass(rounding=rounding).apply(Context(), module)
    module.verify()
    return module


@given(quantised_graphs(), st.sampled_from(("half_even", "half_up")))
def test_conversion_changes_no_bit(graph: Graph, rounding: Rounding) -> None:
    expected = run_reference(import_model(graph.model), graph.inputs, rounding=rounding)
    assert_equal(interpret_bsr(converted(graph, rounding), graph.inputs), expected)


@pytest.mark.parametrize("rounding", ["half_even", "half_up"])
@pytest.mark.parametrize("operator", ["Max", "Min"])
def test_a_smaller_rival_is_rounded_as_asked(operator: str, rounding: Rounding) -> None:
    builder = GraphBuilder()
    gate, x = builder.input((1, 9, 1, 1), 7), builder.input((1, 9, 5, 6), 6)
    model = builder.model(builder.combine(operator, [gate, x], 4))
    graph = Graph(model, builder.feed())
    expected = run_reference(import_model(graph.model), graph.inputs, rounding=rounding)
    assert_equal(interpret_bsr(converted(graph, rounding), graph.inputs), expected)


@given(quantised_graphs(), st.permutations(FUSIONS))
def test_fusions_change_no_bit_in_any_order(graph: Graph, fusions: list[BsrFuseClampPass]) -> None:
    module = converted(graph)
    expected = interpret_bsr(module, graph.inputs)
    for fusion in fusions:
        fusion.apply(Context(), module)
        module.verify()
    assert_equal(interpret_bsr(module, graph.inputs), expected)


def test_many_terms_do_not_lose_bits() -> None:
    """4608 products of 127·127 exceed 2**24, where float32 would begin to skip odd numbers."""
    builder = GraphBuilder()
    x = builder.input((1, 512, 3, 3), 4)
    weights = builder.weight(np.full((9, 512, 3, 3), 127, np.int8), 7)
    weights_odd = builder.weight(np.arange(9, dtype=np.int32), 11)
    name = builder.node("Conv", [x.name, weights, weights_odd], kernel_shape=[3, 3])
    graph = Graph(builder.model(builder.quantise(name, (1, 9, 1, 1), -9)), {})
    inputs = {"input_1": np.full((1, 512, 3, 3), 127 / 16, np.float32)}
    expected = run_reference(import_model(graph.model), inputs)
    assert_equal(interpret_bsr(converted(graph), inputs), expected)


def test_a_module_of_another_level_is_refused() -> None:
    builder = GraphBuilder()
    module = import_model(builder.model(builder.input((1, 2, 3, 3), 4)))
    with pytest.raises(InputError, match="has no meaning at the bsr level; convert the module to bsr first"):
        interpret_bsr(module, builder.feed())
