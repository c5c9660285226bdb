"""The onnx dialect: every node prints, parses back to the same operation, and a wrong constant is refused."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import (
    Builtin,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    f32,
    i64,
)
from xdsl.dialects.func import Func
from xdsl.dialects.test import Test
from xdsl.ir import Attribute
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from dialects.blob import BlobAttr
from dialects.onnx import ConstantOp, is_operator, onnx_dialect, operator, operator_names
from dialects.onnx_attributes import ProtoAttr


def parse(text: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Func, Test, onnx_dialect()):
        context.load_dialect(dialect)
    return Parser(context, text).parse_module()


def text_of(module: ModuleOp) -> str:
    stream = io.StringIO()
    Printer(stream, print_debuginfo=True).print_op(module)
    return stream.getvalue()


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


ATTRIBUTES: st.SearchStrategy[Attribute] = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(lambda value: IntegerAttr(value, i64)),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda value: FloatAttr(value, f32)),
    st.lists(st.integers(-(2**40), 2**40), max_size=5).map(lambda values: DenseArrayBase.from_list(i64, values)),
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=5).map(
        lambda values: DenseArrayBase.from_list(f32, values)
    ),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=8).map(StringAttr),
    st.binary(max_size=12).map(ProtoAttr),
)


@given(attributes=st.dictionaries(st.sampled_from(["axis", "alpha", "pads", "mode", "body"]), ATTRIBUTES))
def test_any_attribute_survives_the_text(attributes: dict[str, Attribute]):
    op = operator("Relu")([], [], attributes, node_name="a/b:0", output_names=["t.1"])
    module = ModuleOp([op])
    again = parse(text_of(module))
    assert again.is_structurally_equivalent(module)
    (node,) = again.ops
    assert is_operator(node, "Relu")
    assert (node.node_name, node.output_names) == ("a/b:0", ("t.1",))


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (1,), (2, 3), (12, 11)])
def test_constant_survives_the_text(dtype: str, shape: tuple[int, ...]):
    values = (np.random.default_rng(0).random(shape) * 9 - (0 if dtype.startswith("u") else 4)).astype(dtype)
    module = ModuleOp([ConstantOp.from_array(values, "w")])
    module.verify()
    (again,) = parse(text_of(module)).ops
    assert isinstance(again, ConstantOp)
    again.verify()
    np.testing.assert_array_equal(again.array(), values)
    assert again.array().dtype == values.dtype


def test_large_constant_is_a_blob():
    constant = ConstantOp.from_array(np.zeros(5000, np.int8), "w")
    assert isinstance(constant.attributes["value"], BlobAttr)
    assert '#bsr.blob<"w"' in text_of(ModuleOp([constant])).replace("!", "#")


def test_constant_of_the_wrong_size_is_refused():
    constant = ConstantOp.from_array(np.zeros((4,), np.int8), "w")
    other = ConstantOp.from_array(np.zeros((2,), np.int8), "w")
    constant.attributes["value"] = other.attributes["value"]
    with pytest.raises(VerifyException, match="returns tensor<4xi8>"):
        constant.verify()


def test_every_standard_operator_has_a_class():
    assert {"Conv", "Gemm", "QuantizeLinear", "Softmax", "If"} <= operator_names()
    assert all(operator(name).name == f"onnx.{name}" for name in operator_names())
    with pytest.raises(KeyError, match="no operator 'Convolve'"):
        operator("Convolve")


def test_text_form():
    text = """builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%x: tensor<1x3x8x8xf32> {onnx.name = "x"}) -> (tensor<1x4x4x4xf32> {onnx.name = "y"}) {
    %w = onnx.Constant {value = dense<1.000000e+00> : tensor<4x3x1x1xf32>} : tensor<4x3x1x1xf32>
    %n = onnx.none
    %y = onnx.Conv(%x, %w, %n) {strides = array<i64: 2, 2>} : (TYPES, none) -> tensor<1x4x4x4xf32>
    func.return %y : tensor<1x4x4x4xf32>
  }
}""".replace("TYPES", "tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32>")
    module = parse(text)
    module.verify()
    assert str(module) == text
    conv = next(op for op in module.walk() if is_operator(op, "Conv"))
    assert conv.integers("strides", (1, 1)) == (2, 2)
    assert conv.integer("group", 1) == 1
