"""
ModelProto → module of the `onnx` level, one operation per node.

The exporter is the inverse up to what ONNX itself does not distinguish: Constant nodes come back as initialisers,
unnamed tensors get names, symbolic dimensions and documentation strings are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import onnx
import onnx.shape_inference
from onnx import helper, numpy_helper
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    NoneType,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue

from compiler.onnxio.attributes import import_attribute, import_tensor
from compiler.onnxio.outline import is_outlined, outlined_constant
from compiler.onnxio.skeleton import without_large_tensors
from compiler.onnxio.types import element_type, import_type
from dialects.onnx import (
    CAPTURED_NAMES,
    CUSTOM_OPERATOR,
    DOMAIN,
    OPSET,
    OPSETS,
    UNCONVERTED,
    VALUE_NAME,
    ConstantOp,
    CustomOp,
    NoneOp,
    OnnxOp,
    operator,
    operator_names,
    value_hint,
)
from dialects.onnx_attributes import ProtoAttr, ValueType

_STANDARD_DOMAINS = ("", "ai.onnx")
UNCONVERTED_KEY = "blockloom.unconverted"
"""In the metadata of a model: why it is still at its old operator set."""
_UNKNOWN_TYPE = ValueType(b"")


def import_model(model: onnx.ModelProto) -> ModuleOp:
    """The module of a model. Weights share memory with `model`, whose shapes are inferred first if it lacks any."""
    return _Importer(_with_shapes(model)).module()


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the type of every tensor that inference can find."""
    known = {value.name for value in (*model.graph.value_info, *model.graph.output)}
    if all(name in known for node in model.graph.node for name in node.output if name):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return without_large_tensors(copy, lambda skeleton: onnx.shape_inference.infer_shapes(skeleton, data_prop=True))


class _Importer:
    """One import: values by tensor name, operations in order."""

    def __init__(self, model: onnx.ModelProto):
        graph = model.graph
        self.model = model
        self.values: dict[str, SSAValue] = {}
        self.types = {
            value.name: import_type(value.type)
            for value in (*graph.input, *graph.value_info, *graph.output)
            if value.HasField("type")
        }
        self.block = Block()
        self.none: NoneOp | None = None

    def module(self) -> ModuleOp:
        graph = self.model.graph
        initialisers = {tensor.name for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in initialisers]
        for value in inputs:
            argument = self.block.insert_arg(self.types[value.name], len(self.block.args))
            argument.name_hint = value_hint(value.name)
            self.values[value.name] = argument
        for tensor in graph.initializer:
            self._constant(tensor, tensor.name, tensor.name)
        for node in graph.node:
            self._node(node)
        results = [self.values[value.name] for value in graph.output]
        self.block.add_op(ReturnOp(*results))
        function = FuncOp(
            "main",
            ([argument.type for argument in self.block.args], [value.type for value in results]),
            Region(self.block),
            arg_attrs=_names(value.name for value in inputs),
            res_attrs=_names(value.name for value in graph.output),
        )
        versions = {entry.domain: entry.version for entry in self.model.opset_import}
        attributes: dict[str, Attribute] = {
            OPSET: IntegerAttr(next((versions[name] for name in _STANDARD_DOMAINS if name in versions), 1), i64)
        }
        others = {
            name: IntegerAttr(version, i64) for name, version in versions.items() if name not in _STANDARD_DOMAINS
        }
        if others:
            attributes[OPSETS] = DictionaryAttr(others)
        for entry in self.model.metadata_props:
            if entry.key == UNCONVERTED_KEY:
                attributes[UNCONVERTED] = StringAttr(entry.value)
        return ModuleOp([function], attributes)

    def _node(self, node: onnx.NodeProto) -> None:
        if node.op_type == "Constant" and node.domain in _STANDARD_DOMAINS:
            self._constant_node(node)
            return
        attributes = {attribute.name: import_attribute(attribute) for attribute in node.attribute}
        captures = [name for name in _captured_names(node) if name in self.values]
        if captures:
            attributes[CAPTURED_NAMES] = ArrayAttr([StringAttr(name) for name in captures])
        if node.domain in _STANDARD_DOMAINS and node.op_type in operator_names():
            kind: type[OnnxOp] = operator(node.op_type)
        else:
            kind = CustomOp
            attributes |= {DOMAIN: StringAttr(node.domain), CUSTOM_OPERATOR: StringAttr(node.op_type)}
        inputs = [self.values[name] if name else self._missing() for name in (*node.input, *captures)]
        types = [self.types.get(name, _UNKNOWN_TYPE) if name else NoneType() for name in node.output]
        self._append(kind(inputs, types, attributes, node_name=node.name, output_names=list(node.output)), node.output)

    def _constant_node(self, node: onnx.NodeProto) -> None:
        (attribute,) = node.attribute
        (name,) = node.output
        if attribute.name == "value":
            self._constant(attribute.t, name, node.name)
        elif attribute.name == "sparse_value":
            proto: dict[str, Attribute] = {attribute.name: import_attribute(attribute)}
            types = [self.types.get(name, _UNKNOWN_TYPE)]
            self._append(ConstantOp([], types, proto, node_name=node.name, output_names=[name]), [name])
        else:
            self._constant(_tensor_of(attribute), name, node.name)

    def _constant(self, tensor: onnx.TensorProto, name: str, node_name: str) -> None:
        if is_outlined(tensor):
            self._append(outlined_constant(tensor), [name])
            return
        values = import_tensor(tensor)
        if values is not None:
            constant = ConstantOp.from_array(values, name, node_name=node_name)
        else:
            proto: dict[str, Attribute] = {"value": ProtoAttr(tensor.SerializeToString(deterministic=True))}
            type = TensorType(element_type(tensor.data_type), list(tensor.dims))
            constant = ConstantOp([], [type], proto, node_name=node_name, output_names=[name])
        self._append(constant, [name])

    def _append(self, op: OnnxOp, names: Sequence[str]) -> None:
        self.block.add_op(op)
        self.values.update((name, result) for name, result in zip(names, op.outputs, strict=True) if name)

    def _missing(self) -> SSAValue:
        """The one value that stands for every input that is left out."""
        if self.none is None:
            self.none = NoneOp()
            first = self.block.first_op
            if first is None:
                self.block.add_op(self.none)
            else:
                self.block.insert_op_before(self.none, first)
        return self.none.result


def _names(names: Iterable[str]) -> ArrayAttr[DictionaryAttr]:
    return ArrayAttr([DictionaryAttr({VALUE_NAME: StringAttr(name)}) for name in names])


def _captured_names(node: onnx.NodeProto) -> list[str]:
    """Names that the subgraphs of a node take from outside, in order of appearance."""
    names: dict[str, None] = {}
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
        for graph in graphs:
            inside = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
            for inner in graph.node:
                for name in (*inner.input, *_captured_names(inner)):
                    if name and name not in inside:
                        names[name] = None
                inside.update(inner.output)
            names.update({value.name: None for value in graph.output if value.name not in inside})
    return list(names)


def _tensor_of(attribute: onnx.AttributeProto) -> onnx.TensorProto:
    """The tensor that a `value_int`, `value_floats`, … of a Constant node means."""
    value = helper.get_attribute_value(attribute)
    if attribute.name.startswith("value_string"):
        texts = cast("list[bytes]", value if isinstance(value, list) else [value])
        shape = [len(texts)] if isinstance(value, list) else []
        return onnx.TensorProto(data_type=onnx.TensorProto.STRING, dims=shape, string_data=texts)
    kind = onnx.TensorProto.FLOAT if attribute.name.startswith("value_float") else onnx.TensorProto.INT64
    return numpy_helper.from_array(np.array(value, helper.tensor_dtype_to_np_dtype(kind)))
