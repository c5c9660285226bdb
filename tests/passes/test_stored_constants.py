"""Constant operands of sums and products: stored as maps, read by the array, with the numbers of ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from strategies_graphs import GraphBuilder
from strategies_scaled import Pair, ScaledBuilder

from compiler.checking import check_levels
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from compiler.summaries import refuse_host
from dialects.mem import InvokeOp
from passes.stored_constants import is_stored

PAIRS = ("Add", "Sub", "Mul", "Max", "Min")


def levels_of(model: onnx.ModelProto, inputs: dict[str, np.ndarray], until: str = "aie") -> dict[str, object]:
    """The modules of all levels, which give the numbers of ONNX Runtime."""
    modules = Pipeline.default(target="mesh-2x2", until=until).run(import_model(model))
    for comparison in check_levels(modules, inputs, 0):
        assert comparison.holds, str(comparison)
    return dict(modules)


@st.composite
def constant_shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A map or another tensor, and the shape of a constant that is not larger; of any number of dimensions."""
    whole = draw(st.one_of(st.tuples(st.just(1), *[st.integers(1, 9)] * 3), st.tuples(*[st.integers(1, 4)] * 3)))
    own = tuple(draw(st.sampled_from((1, size))) for size in whole)
    return whole, own[draw(st.integers(0, len(own))) :]


@given(constant_shapes(), st.sampled_from(PAIRS), st.booleans())
def test_any_constant_of_a_quantised_model(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], operator: str, first: bool
) -> None:
    builder, (shape, own) = GraphBuilder(), shapes
    x = builder.function(builder.input(shape, 5), "Abs", 5)
    constant = builder.weight(builder.random.integers(-128, 128, own).astype(np.int8), 6)
    inputs = [constant, x.name] if first else [x.name, constant]
    levels_of(builder.model(builder.quantise(builder.node(operator, inputs), shape, 4)), builder.feed(), "bsr")


@pytest.mark.parametrize("operator", PAIRS)
def test_all_levels_in_one_invocation(operator: str) -> None:
    builder, shape = GraphBuilder(), (1, 9, 5, 7)
    x = builder.function(builder.input(shape, 5), "Abs", 5)
    constant = builder.weight(builder.random.integers(-128, 128, shape).astype(np.int8), 6)
    y = builder.quantise(builder.node(operator, [constant, x.name]), shape, 4)
    modules = levels_of(builder.model(y), builder.feed())
    assert sum(is_stored(op) for op in modules["bsr"].walk()) == 1
    assert sum(isinstance(op, InvokeOp) for op in modules["mem"].walk()) == 1
    refuse_host(modules["bsr"])


def test_general_scales_and_zero_points() -> None:
    builder, shape = ScaledBuilder(), (1, 9, 5, 7)
    x = builder.input(shape, 5)
    x, _ = builder.pair(x.name, shape, Pair(0.0323, -11))
    stored = builder.constant("stored", builder.random.integers(-128, 128, (9, 1, 1)).astype(np.int8))
    says = [builder.constant("scale", np.float32(0.017)), builder.constant("zero", np.int8(-100))]
    constant = builder.node("DequantizeLinear", [stored, *says])
    y, _ = builder.pair(builder.node("Mul", [x.name, constant]), shape, Pair(0.09, 5))
    modules = levels_of(builder.model(y), builder.feed())
    assert sum(is_stored(op) for op in modules["bsr"].walk()) == 1


def float_model(operator: str, own: tuple[int, ...], first: bool) -> onnx.ModelProto:
    """A convolution, then a constant."""
    random, shape = np.random.default_rng(0), [1, 10, 6, 5]
    constants = {"w": random.normal(0, 0.3, (10, 10, 1, 1)), "c": random.normal(0, 1, own)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["map"]),
        helper.make_node(operator, ["c", "map"] if first else ["map", "c"], ["y"]),
    ]
    given, result = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    tensors = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "constant", [given], [result], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


@pytest.mark.parametrize("own", [(1, 10, 6, 5), (6, 5), (1, 10, 1, 5)])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("operator", PAIRS)
def test_a_float_model_is_quantised_with_its_constants(operator: str, first: bool, own: tuple[int, ...]) -> None:
    model = float_model(operator, own, first)
    inputs = {"x": np.random.default_rng(1).normal(0, 1, (1, 10, 6, 5)).astype(np.float32)}
    modules = levels_of(model, inputs, "bsr")
    assert any(is_stored(op) for op in modules["bsr"].walk())
    refuse_host(modules["bsr"])
