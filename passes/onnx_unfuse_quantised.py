"""
Quantised operators as Dequantize, operator, Quantize, so that there is one form for all that follows.

    %y = onnx.QLinearConv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz, %b)

becomes

    %a = onnx.DequantizeLinear(%x, %xs, %xz)    %v = onnx.DequantizeLinear(%w, %ws, %wz) {axis = 0}
    %c = onnx.Conv(%a, %v, DequantizeLinear(%b, xs · ws))
    %y = onnx.QuantizeLinear(%c, %ys, %yz)

and so do QLinearMatMul and those of `dialects.onnx_quantised`, which ONNX Runtime's quantiser writes. A MaxPool,
Reshape, Transpose or Resize to the nearest of quantised values gets the same form around it. That changes no number:
each form is by definition what the operator computes. Where another operator gives integers that are then dequantised,
they are quantised again with the same scale, so that what reads them finds an int8 tensor. A quantised operator that
leaves out a zero-point is refused. One whose scale is computed stays as it is, for the host, if it is standard ONNX,
and is refused as well if it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from compiler.errors import InputError
from compiler.onnxio.inference import UNKNOWN_TYPE, infer_types
from dialects.onnx import ConstantOp, CustomOp, OnnxOp, is_operator, operator
from dialects.onnx_fixed_point import is_absent
from dialects.onnx_quantised import MICROSOFT
from passes.graph import ConstantMaker, constant_of, nodes_of, replace_node, sweep, value_name

_MOVERS = (
    "MaxPool",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Identity",
    "Slice",
    "Gather",
    "DepthToSpace",
    "SpaceToDepth",
)


@dataclass(frozen=True)
class OnnxUnfuseQuantisedPass(ModulePass):
    """See the module."""

    name = "onnx-unfuse-quantised"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        unfuser = _Unfuser(op)
        for node in nodes_of(op):
            unfuser.visit(node)
        for node in nodes_of(op):
            unfuser.quantise_again(node)
        if unfuser.changed:
            infer_types(op)
            sweep(op)


@dataclass(frozen=True)
class _Scale:
    """Scale and zero-point of a quantised tensor, as values of the graph."""

    scale: SSAValue
    zero: SSAValue


@dataclass(frozen=True)
class _Quantised:
    """A quantised operand; `axis` counts where its scale is one for each index of an axis."""

    value: SSAValue
    says: _Scale
    axis: int | None = None


@dataclass(frozen=True)
class _Form:
    """What a quantised operator is between its Dequantize and QuantizeLinear."""

    operator: str
    operands: tuple[_Quantised, ...]
    result: _Scale
    bias: SSAValue | None = None
    dropped: tuple[str, ...] = ()
    """Attributes that the standard operator does not have, at values that mean nothing."""


def _triple(node: OnnxOp, first: int, axis: int | None = None) -> _Quantised:
    """The operand at `first`, with its scale and zero-point after it."""
    value = node.inputs[first]
    return _Quantised(value, _pair(node, first + 1), axis)


def _pair(node: OnnxOp, first: int) -> _Scale:
    """Scale and zero-point from `first` on."""
    if len(node.inputs) <= first + 1 or is_absent(node.inputs[first]) or is_absent(node.inputs[first + 1]):
        raise InputError(
            f"{node.describe()} leaves out the scale or zero-point at input {first}; give both, so that the type of "
            "the integers is known"
        )
    return _Scale(node.inputs[first], node.inputs[first + 1])


def _conv(node: OnnxOp) -> _Form:
    bias = node.inputs[8] if len(node.inputs) > 8 and not is_absent(node.inputs[8]) else None
    return _Form("Conv", (_triple(node, 0), _triple(node, 3, 0)), _pair(node, 6), bias)


def _matmul(node: OnnxOp) -> _Form:
    return _Form("MatMul", (_triple(node, 0), _triple(node, 3, -1)), _pair(node, 6))


def _gemm(node: OnnxOp) -> _Form:
    if node.number("alpha", 1.0) != 1.0:
        raise InputError(f"{node.describe()} has alpha {node.number('alpha', 1.0):g}; put it into the weights' scale")
    bias = node.inputs[6] if not is_absent(node.inputs[6]) else None
    by_rows = bool(node.integer("transB", 0))
    return _Form("Gemm", (_triple(node, 0), _triple(node, 3, 0 if by_rows else 1)), _pair(node, 7), bias, ("alpha",))


def _binary(name: str) -> Callable[[OnnxOp], _Form]:
    return lambda node: _Form(name, (_triple(node, 0), _triple(node, 3)), _pair(node, 6))


def _unary(name: str, *dropped: str) -> Callable[[OnnxOp], _Form]:
    return lambda node: _Form(name, (_triple(node, 0),), _pair(node, 3), dropped=dropped)


def _pool(name: str) -> Callable[[OnnxOp], _Form]:
    def form(node: OnnxOp) -> _Form:
        if node.integer("channels_last", 0):
            raise InputError(f"{node.describe()} has channels_last = 1; export the model with channels first")
        return _unary(name, "channels_last")(node)

    return form


def _concat(node: OnnxOp) -> _Form:
    parts = tuple(_triple(node, first) for first in range(2, len(node.inputs), 3))
    return _Form("Concat", parts, _pair(node, 0))


_FORMS: dict[str, Callable[[OnnxOp], _Form]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    f"{MICROSOFT}.QGemm": _gemm,
    f"{MICROSOFT}.QLinearAdd": _binary("Add"),
    f"{MICROSOFT}.QLinearMul": _binary("Mul"),
    f"{MICROSOFT}.QLinearAveragePool": _pool("AveragePool"),
    f"{MICROSOFT}.QLinearGlobalAveragePool": _pool("GlobalAveragePool"),
    f"{MICROSOFT}.QLinearConcat": _concat,
    f"{MICROSOFT}.QLinearSigmoid": _unary("Sigmoid"),
    f"{MICROSOFT}.QLinearLeakyRelu": _unary("LeakyRelu"),
    f"{MICROSOFT}.QLinearSoftmax": _unary("Softmax", "opset"),
}

Attributes: TypeAlias = dict[str, Attribute]


class _Unfuser:
    """Rewrites nodes in order and remembers what quantised values mean."""

    def __init__(self, module: ModuleOp):
        self.maker = ConstantMaker(module)
        self.meaning: dict[SSAValue, _Scale] = {}
        self.changed = False

    def visit(self, node: OnnxOp) -> None:
        """Rewrite one node if it is quantised."""
        if node.operator in (f"{MICROSOFT}.QuantizeLinear", f"{MICROSOFT}.DequantizeLinear"):
            node = self._standard(node)
        if node.operator in _FORMS:
            form = _FORMS[node.operator](node)
            if isinstance(node, CustomOp) or _has_constant_scales(form):
                self._unfuse(node, form)
        elif is_operator(node, "QuantizeLinear") and len(node.inputs) > 2:
            self.meaning[node.output] = _Scale(node.inputs[1], node.inputs[2])
        elif _moves(node) and (says := self.meaning.get(node.inputs[0])) is not None:
            if all(value.first_use is None for value in node.outputs[1:]):
                self._unfuse(node, _Form(node.operator, (_Quantised(node.inputs[0], says),), says))
        elif isinstance(node, CustomOp) and node.operator.startswith(f"{MICROSOFT}."):
            raise InputError(f"{node.describe()} has no standard form here; export the model without it")

    def quantise_again(self, node: OnnxOp) -> None:
        """Put a pair of its own scale before a DequantizeLinear of integers that no QuantizeLinear gives."""
        if not is_operator(node, "DequantizeLinear") or len(node.inputs) < 3 or is_absent(node.inputs[2]):
            return
        value, says = node.inputs[0], _Scale(node.inputs[1], node.inputs[2])
        maker = value.owner
        if not isinstance(maker, OnnxOp) or isinstance(maker, ConstantOp):
            return
        if is_operator(maker, "QuantizeLinear") or _moves(maker):
            return
        if any(constant_of(each) is None for each in (says.scale, says.zero)):
            return
        real = self._dequantised(_Quantised(value, says), node)
        quantize = operator("QuantizeLinear")([real, says.scale, says.zero], [UNKNOWN_TYPE])
        assert node.parent is not None, f"{node.describe()} is in no block"
        node.parent.insert_op_before(quantize, node)
        node.operands[0] = quantize.output
        self.changed = True

    def _standard(self, node: OnnxOp) -> OnnxOp:
        """A Quantize or DequantizeLinear of the other domain as the standard one."""
        kind = node.operator.removeprefix(f"{MICROSOFT}.")
        new = operator(kind)(node.inputs, [UNKNOWN_TYPE], _attributes(node, ()))
        replace_node(node, [new], new.output)
        self.changed = True
        return new

    def _unfuse(self, node: OnnxOp, form: _Form) -> None:
        self.changed = True
        inputs = [self._dequantised(operand, node) for operand in form.operands]
        if form.bias is not None:
            inputs.append(self._bias(form, node))
        inputs += node.inputs[1:] if _moves(node) else ()
        name = next(iter(node.output_names), "")
        computed = operator(form.operator)(
            inputs,
            [UNKNOWN_TYPE],
            _attributes(node, form.dropped),
            node_name=node.node_name,
            output_names=[f"{name}/real"] if name else [],
        )
        assert node.parent is not None, f"{node.describe()} is in no block"
        node.parent.insert_op_before(computed, node)
        label = f"{node.node_name}/quantize" if node.node_name else ""
        quantize = operator("QuantizeLinear")(
            [computed.output, form.result.scale, form.result.zero], [UNKNOWN_TYPE], node_name=label
        )
        replace_node(node, [quantize], quantize.output)
        self.meaning[quantize.output] = form.result

    def _dequantised(self, operand: _Quantised, node: OnnxOp) -> SSAValue:
        scale = constant_of(operand.says.scale)
        if scale is None or constant_of(operand.says.zero) is None:
            raise InputError(f"{node.describe()} has a scale or zero-point that is computed; constants would do")
        attributes: Attributes = {}
        inputs = [operand.value, operand.says.scale, operand.says.zero]
        if scale.ndim == 1 and scale.size > 1 and operand.axis is not None:
            attributes["axis"] = IntegerAttr(operand.axis, i64)
        elif scale.size == 1 and scale.ndim:
            # A vector of one is one scale for the tensor, but only a scalar says so
            inputs = [operand.value, *(self._scalar(value, node) for value in inputs[1:])]
        return self._insert(inputs, attributes, node)

    def _scalar(self, value: SSAValue, node: OnnxOp) -> SSAValue:
        values = constant_of(value)
        assert values is not None, "only constants come here"
        return self.maker.insert(values.reshape(()), value_name(value) or "scale", node)

    def _bias(self, form: _Form, node: OnnxOp) -> SSAValue:
        """The int32 bias, at the product of the scales of input and weights."""
        scales = [constant_of(operand.says.scale) for operand in form.operands]
        source, weights = scales
        assert source is not None, "operands are dequantised first"
        assert weights is not None, "operands are dequantised first"
        assert form.bias is not None, "who asks for it has one"
        product = np.asarray(source.reshape(()) * weights, np.float32)
        product = product.reshape(()) if product.size == 1 else product
        attributes: Attributes = {"axis": IntegerAttr(0, i64)} if product.ndim else {}
        scale = self.maker.insert(product, f"{value_name(form.bias) or 'bias'}/scale", node)
        return self._insert([form.bias, scale], attributes, node)

    def _insert(self, inputs: Sequence[SSAValue], attributes: Attributes, node: OnnxOp) -> SSAValue:
        """A DequantizeLinear in front of `node`."""
        name = value_name(inputs[0])
        linear = operator("DequantizeLinear")(
            inputs, [UNKNOWN_TYPE], attributes, output_names=[f"{name}/dequantized"] if name else []
        )
        assert node.parent is not None, f"{node.describe()} is in no block"
        node.parent.insert_op_before(linear, node)
        return linear.output


def _moves(node: OnnxOp) -> bool:
    """Whether each element of the first result is one of the first input's."""
    if is_operator(node, "Resize"):
        # what lies outside of a crop has a value of its own
        cropped = node.string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
        return node.string("mode", "nearest") == "nearest" and not cropped
    return is_operator(node, *_MOVERS)


def _has_constant_scales(form: _Form) -> bool:
    """Whether all that its operands are scaled by is known now."""
    pairs = [operand.says for operand in form.operands]
    return all(constant_of(value) is not None for pair in pairs for value in (pair.scale, pair.zero))


def _attributes(node: OnnxOp, dropped: tuple[str, ...]) -> Attributes:
    """The ONNX attributes of a node that a standard operator has as well."""
    return {key: value for key, value in node.attributes.items() if "." not in key and key not in dropped}
