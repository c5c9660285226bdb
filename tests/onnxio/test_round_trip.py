"""A model survives import, text and export: same nodes, same names, same numbers."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.parser import Parser
from xdsl.printer import Printer

from compiler.errors import InputError
from compiler.frontend.load import load_model
from compiler.onnxio.exporter import export_model
from compiler.onnxio.importer import import_model
from compiler.onnxio.runtime import open_session, run_session
from dialects.onnx import CustomOp, is_operator, onnx_dialect


def through_text(module: ModuleOp) -> ModuleOp:
    stream = io.StringIO()
    Printer(stream, print_debuginfo=True).print_op(module)
    context = Context()
    for dialect in (Builtin, Func, onnx_dialect()):
        context.load_dialect(dialect)
    again = Parser(context, stream.getvalue()).parse_module()
    again.verify()
    return again


def comparable(model: onnx.ModelProto) -> list[object]:
    """What must be equal: nodes in order with sorted attributes, inputs, outputs, initialisers by name."""
    nodes = []
    for node in model.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        del copy.attribute[:]
        copy.attribute.extend(sorted(node.attribute, key=lambda item: item.name))
        nodes.append(copy)
    tensors = {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in model.graph.initializer}
    return [nodes, list(model.graph.input), list(model.graph.output), tensors, list(model.opset_import)]


@st.composite
def chains(draw: st.DrawFn) -> onnx.ModelProto:
    """A chain of element-wise and convolution nodes with skip connections and odd names."""
    channels = draw(st.integers(1, 4))
    shape = [1, channels, draw(st.integers(1, 5)), draw(st.integers(1, 5))]
    source = helper.make_tensor_value_info("in/put:0", TensorProto.FLOAT, shape)
    nodes, weights, names = [], [], ["in/put:0"]
    for index in range(draw(st.integers(1, 6))):
        name, x = f"{index}/t.{index}", draw(st.sampled_from(names))
        match draw(st.sampled_from(["Relu", "Add", "Conv", "LeakyRelu", "Clip", "Dropout"])):
            case "Conv":
                values = np.arange(channels * channels, dtype=np.float32).reshape(channels, channels, 1, 1)
                weights.append(numpy_helper.from_array(values, f"w{index}"))
                pads = [0, 0, 0, 0]
                nodes.append(helper.make_node("Conv", [x, f"w{index}"], [name], name=f"conv {index}", pads=pads))
            case "Add":
                nodes.append(helper.make_node("Add", [x, draw(st.sampled_from(names))], [name]))
            case "LeakyRelu":
                nodes.append(helper.make_node("LeakyRelu", [x], [name], alpha=draw(st.floats(0, 1, width=32))))
            case "Clip":
                weights.append(numpy_helper.from_array(np.float32(1.5), f"max{index}"))
                nodes.append(helper.make_node("Clip", [x, "", f"max{index}"], [name]))
            case "Dropout":
                nodes.append(
                    helper.make_node("Dropout", [x], [name, f"mask{index}"] if draw(st.booleans()) else [name])
                )
            case operator:
                nodes.append(helper.make_node(operator, [x], [name], name=f"n{index}"))
        names.append(name)
    sinks = sorted(set(draw(st.lists(st.sampled_from(names[1:]), min_size=1, max_size=3))))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in sinks]
    graph = helper.make_graph(nodes, "main", [source], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@given(model=chains())
def test_export_is_the_inverse_of_import(model: onnx.ModelProto):
    module = import_model(model)
    module.verify()
    assert comparable(export_model(module)) == comparable(model)
    assert comparable(export_model(through_text(module))) == comparable(model)


def test_network_survives_with_equal_numbers():
    model = load_model("zoo:squeezenet@32")
    image = np.random.default_rng(3).standard_normal((1, 3, 32, 32), dtype=np.float32)
    expected = run_session(open_session(model), {"data_0": image})
    exported = export_model(import_model(model))
    onnx.checker.check_model(exported, full_check=True)
    assert [node.op_type for node in exported.graph.node] == [
        node.op_type for node in model.graph.node if node.op_type != "Constant"
    ]
    actual = run_session(open_session(exported), {"data_0": image})
    np.testing.assert_array_equal(actual["softmaxout_1"], expected["softmaxout_1"])


def test_subgraph_and_what_it_captures():
    branches = [
        helper.make_graph(
            [helper.make_node(operator, ["x"], ["r"])], "b", [], [helper.make_tensor_value_info("r", 1, [2])]
        )
        for operator in ("Neg", "Abs")
    ]
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])]
    inputs = [helper.make_tensor_value_info("c", TensorProto.BOOL, []), helper.make_tensor_value_info("x", 1, [2])]
    graph = helper.make_graph(nodes, "main", inputs, [helper.make_tensor_value_info("y", 1, [2])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    module = through_text(import_model(model))
    (branch,) = (op for op in module.walk() if is_operator(op, "If"))
    assert len(branch.operands) == 2
    assert comparable(export_model(module)) == comparable(model)


def test_other_domains_are_kept():
    nodes = [helper.make_node("Magic", ["x"], ["y"], domain="com.example", strength=3)]
    inputs, outputs = ([helper.make_tensor_value_info(name, 1, [2])] for name in "xy")
    graph = helper.make_graph(nodes, "main", inputs, outputs)
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("com.example", 2)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    module = through_text(import_model(model))
    (magic,) = (op for op in module.walk() if isinstance(op, CustomOp))
    assert magic.describe() == "com.example.Magic 'y'"
    assert comparable(export_model(module)) == comparable(model)


@pytest.mark.parametrize("kind", ["value_int", "value_floats", "value", "value_strings"])
def test_every_form_of_constant(kind: str):
    value = {
        "value_int": 7,
        "value_floats": [1.5, 2.5],
        "value": numpy_helper.from_array(np.array([[True, False]])),
        "value_strings": [b"a", b"b"],
    }[kind]
    node = helper.make_node("Constant", [], ["k"], **{kind: value})
    output = helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)
    graph = helper.make_graph([node, helper.make_node("Identity", ["k"], ["y"])], "main", [], [output])
    module = through_text(import_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])))
    exported = export_model(module)
    onnx.checker.check_model(exported, full_check=True)
    (tensor,) = exported.graph.initializer
    attribute = AttributeProto.FromString(node.attribute[0].SerializeToString())
    values = numpy_helper.to_array(tensor).tolist()
    expected = numpy_helper.to_array(attribute.t).tolist() if kind == "value" else value
    assert values == (["a", "b"] if kind == "value_strings" else expected)


def test_module_without_main_is_refused():
    with pytest.raises(InputError, match="no function @main"):
        export_model(ModuleOp([]))
