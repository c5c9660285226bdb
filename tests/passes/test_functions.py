"""Functions of one int8 tensor become tables: whichever operators spell them, quantised by others or here."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from strategies_graphs import GraphBuilder
from strategies_scaled import Pair, ScaledBuilder
from xdsl.dialects.builtin import ModuleOp

from compiler.checking import execute
from compiler.interpret.reference import run_reference
from compiler.onnx_backend import BlockloomBackend
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from dialects.bsr import AddOp, HostOp, LutOp, MulOp

SHAPE = (1, 9, 3, 5)


def number(builder: GraphBuilder, value: float) -> str:
    return builder.constant("number", np.float32(value))


def hard_swish(builder: GraphBuilder, x: str) -> str:
    ends = [number(builder, 0.0), number(builder, 6.0)]
    gate = builder.node("Clip", [builder.node("Add", [x, number(builder, 3.0)]), *ends])
    return builder.node("Div", [builder.node("Mul", [x, gate]), number(builder, 6.0)])


def gelu(builder: GraphBuilder, x: str) -> str:
    inner = builder.node("Erf", [builder.node("Div", [x, number(builder, 2**0.5)])])
    twice = builder.node("Mul", [x, builder.node("Add", [inner, number(builder, 1.0)])])
    return builder.node("Mul", [twice, number(builder, 0.5)])


def swish(builder: GraphBuilder, x: str) -> str:
    return builder.node("Mul", [x, builder.node("Sigmoid", [x])])


def cube(builder: GraphBuilder, x: str) -> str:
    return builder.node("Mul", [builder.node("Mul", [x, x]), x])


def either(builder: GraphBuilder, x: str) -> str:
    small = builder.node("Less", [x, number(builder, -0.3)])
    return builder.node("Where", [small, builder.node("Neg", [x]), number(builder, 0.75)])


FUNCTIONS = {
    "sigmoid": lambda builder, x: builder.node("Sigmoid", [x]),
    "leaky": lambda builder, x: builder.node("LeakyRelu", [x], alpha=0.1),
    "relu6 of tanh": lambda builder, x: builder.node("Relu", [builder.node("Tanh", [x])]),
    "hard swish": hard_swish,
    "gelu": gelu,
    "swish": swish,
    "cube": cube,
    "either": either,
    "scaled": lambda builder, x: builder.node("Mul", [number(builder, 0.7), x]),
}


def levels_of(module: ModuleOp) -> dict[str, ModuleOp]:
    return dict(Pipeline.default(target="mesh-2x2").run(module))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_level_looks_up_what_the_reference_computes(name: str) -> None:
    builder = ScaledBuilder(1)
    source = builder.fresh("input")
    builder.inputs.append(helper.make_tensor_value_info(source, TensorProto.FLOAT, list(SHAPE)))
    x, _ = builder.pair(source, SHAPE, Pair(0.043, 7))
    y, _ = builder.pair(FUNCTIONS[name](builder, x.name), SHAPE, Pair(0.031, -5))
    model, inputs = builder.model(y), builder.feed()
    expected = run_reference(import_model(model), inputs)
    levels = levels_of(import_model(model))
    ops = [op for op in levels["bsr"].walk() if isinstance(op, LutOp)]
    assert len(ops) == 1
    for level in ("bsr", "mem", "aie"):
        for output, values in execute(level, levels[level], inputs, 0).outputs.items():
            np.testing.assert_array_equal(values, expected.outputs[output], err_msg=level)


def test_a_tensor_times_itself_is_no_table_unless_more_is_done_with_it() -> None:
    builder = GraphBuilder(2)
    x = builder.input(SHAPE, 4)
    square = builder.quantise(builder.node("Mul", [x.name, x.name]), SHAPE, 2)
    root = builder.quantise(builder.node("Sqrt", [builder.node("Add", [square.name, square.name])]), SHAPE, 4)
    module = levels_of(import_model(builder.model(root)))["bsr"]
    kinds = [type(op) for op in module.walk() if isinstance(op, AddOp | MulOp | LutOp)]
    assert kinds == [MulOp, LutOp]


def test_a_function_of_two_tensors_stays_on_the_host() -> None:
    builder = GraphBuilder(3)
    x, y = builder.input(SHAPE, 4), builder.input(SHAPE, 5)
    power = builder.quantise(builder.node("Pow", [x.name, y.name]), SHAPE, 4)
    module = levels_of(import_model(builder.model(power)))["bsr"]
    reasons = [node.reason for op in module.walk() if isinstance(op, HostOp) for node in op.host_nodes()]
    assert any("is no function of one int8 tensor" in reason for reason in reasons)
    assert not any(isinstance(op, LutOp) for op in module.walk())


def float_model(*nodes: onnx.NodeProto, **constants: float) -> onnx.ModelProto:
    """A convolution by 1, and nodes from `c` to `y`."""
    numbers = [helper.make_tensor(name, TensorProto.FLOAT, (), [value]) for name, value in constants.items()]
    ones = helper.make_tensor("ones", TensorProto.FLOAT, (9, 9, 1, 1), np.eye(9, dtype=np.float32).reshape(-1))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(SHAPE)) for name in ("x", "y")]
    conv = helper.make_node("Conv", ["x", "ones"], ["c"])
    graph = helper.make_graph([conv, *nodes], "float", values[:1], values[1:], [ones, *numbers])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_a_float_network_has_pairs_only_at_the_ends_of_functions() -> None:
    model = float_model(
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Add", ["r", "three"], ["a"]),
        helper.make_node("Sigmoid", ["a"], ["s"]),
        helper.make_node("Mul", ["r", "s"], ["y"]),
        three=3.0,
    )
    levels = levels_of(import_model(model))
    tensors = [op.tensor_name for op in levels["bsr"].walk() if hasattr(op, "tensor_name") and op.tensor_name]
    assert {name.partition("/")[0] for name in tensors if "int8" not in name} == {"x", "r", "y"}
    assert sum(isinstance(op, LutOp) for op in levels["bsr"].walk()) == 1


def test_an_element_wise_network_runs_on_the_array_where_it_is_asked_to() -> None:
    shape = [2, 3, 4]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "abs", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    inputs = np.arange(-12, 12, dtype=np.float32).reshape(shape) / 4
    (found,) = BlockloomBackend.run_model(model, [inputs], "NPU")
    np.testing.assert_array_equal(found, np.abs(inputs))
