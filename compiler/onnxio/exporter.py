"""
Module of the `onnx` level → ModelProto, for ONNX Runtime and for files.

Tensors keep the names they have in `onnx.outputs`; where a pass has made two equal or none, a fresh name is given.
Constants become initialisers.
"""

from __future__ import annotations

from typing import cast

import onnx
from onnx import helper, numpy_helper
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, ModuleOp, NoneType, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, SSAValue

from compiler.errors import InputError
from compiler.onnxio.attributes import export_attribute
from compiler.onnxio.types import export_type
from dialects.onnx import (
    CAPTURED_NAMES,
    CUSTOM_OPERATOR,
    DOMAIN,
    OPSET,
    OPSETS,
    VALUE_NAME,
    ConstantOp,
    CustomOp,
    NoneOp,
    OnnxOp,
)
from dialects.onnx_attributes import ProtoAttr, ValueType

_IR_VERSION = 10


def main_function(module: ModuleOp) -> FuncOp:
    """The function `main` of a module."""
    for op in module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == "main":
            return op
    raise InputError("the module has no function @main, so it is not a network")


def export_model(module: ModuleOp, *, keep_values: bool = True) -> onnx.ModelProto:
    """The model of a module; without `keep_values` large constants are typed graph inputs instead."""
    return _Exporter(module, keep_values).model()


def export_with_names(module: ModuleOp) -> tuple[onnx.ModelProto, dict[SSAValue, str]]:
    """The model of a module and the tensor name that each value has in it."""
    exporter = _Exporter(module, keep_values=True)
    return exporter.model(), exporter.names


class _Exporter:
    """One export: names by value, nodes and initialisers in order."""

    def __init__(self, module: ModuleOp, keep_values: bool):
        self.module = module
        self.function = main_function(module)
        self.names: dict[SSAValue, str] = {}
        self.used: set[str] = set()
        self.graph = onnx.GraphProto(name="main")
        self.keep_values = keep_values

    def model(self) -> onnx.ModelProto:
        block = self.function.body.block
        argument_names = _value_names(self.function.arg_attrs, len(block.args))
        for argument, name in zip(block.args, argument_names, strict=True):
            self._name(argument, name)
            self.graph.input.append(helper.make_value_info(self.names[argument], export_type(argument.type)))
        returned = cast(ReturnOp, block.last_op).arguments
        result_names = _value_names(self.function.res_attrs, len(returned))
        for value, name in zip(returned, result_names, strict=True):
            if value not in self.names and name and not isinstance(value.owner, ConstantOp):
                self._name(value, name)
        for op in block.ops:
            if isinstance(op, ConstantOp) and "value" in op.attributes:
                self._constant(op)
            elif isinstance(op, OnnxOp):
                self._node(op)
            elif not isinstance(op, NoneOp | ReturnOp):
                raise InputError(f"the operation '{op.name}' is none of the onnx level and cannot be exported to ONNX")
        for value, name in zip(returned, result_names, strict=True):
            self._result(value, name)
        shown = {value.name for value in (*self.graph.output, *self.graph.input)}
        shown |= {tensor.name for tensor in self.graph.initializer}
        self.graph.value_info.extend(
            helper.make_value_info(name, export_type(type))
            for type, name in ((value.type, name) for value, name in self.names.items())
            if name not in shown and not isinstance(type, ValueType)
        )
        return helper.make_model(
            self.graph, opset_imports=_opsets(self.module), ir_version=_IR_VERSION, producer_name="blockloom"
        )

    def _name(self, value: SSAValue, wanted: str) -> str:
        """Give a value its name: the wanted one if it is free."""
        name, number = wanted or "t", 0
        while name in self.used:
            number += 1
            name = f"{wanted or 't'}.{number}"
        self.used.add(name)
        self.names[value] = name
        return name

    def _name_outputs(self, op: OnnxOp) -> list[str]:
        wanted = op.output_names
        names: list[str] = []
        for index, value in enumerate(op.outputs):
            if isinstance(value.type, NoneType):
                names.append("")
            elif value in self.names:
                names.append(self.names[value])
            else:
                names.append(self._name(value, wanted[index] if index < len(wanted) else ""))
        return names

    def _constant(self, op: ConstantOp) -> None:
        (name,) = self._name_outputs(op)
        value = op.attributes["value"]
        if isinstance(value, ProtoAttr):
            tensor = onnx.TensorProto.FromString(value.data)
            tensor.name = name
            self.graph.initializer.append(tensor)
        elif self.keep_values or not op.is_blob:
            self.graph.initializer.append(numpy_helper.from_array(op.array(), name))
        else:
            self.graph.input.append(helper.make_value_info(name, export_type(op.output.type)))

    def _node(self, op: OnnxOp) -> None:
        operands = list(op.inputs)
        captures = op.attributes.get(CAPTURED_NAMES)
        if isinstance(captures, ArrayAttr):
            names = [cast(StringAttr, name).data for name in cast("ArrayAttr[Attribute]", captures)]
            for value, name in zip(operands[-len(names) :], names, strict=True):
                self._provide(value, name)
            del operands[-len(names) :]
        inputs = ["" if isinstance(value.type, NoneType) else self.names[value] for value in operands]
        custom = isinstance(op, CustomOp)
        node = helper.make_node(
            op.string(CUSTOM_OPERATOR, "") if custom else op.operator,
            inputs,
            self._name_outputs(op),
            name=op.node_name or None,
            domain=op.string(DOMAIN, "") if custom else None,
        )
        node.attribute.extend(
            export_attribute(name, attribute) for name, attribute in op.attributes.items() if "." not in name
        )
        self.graph.node.append(node)

    def _provide(self, value: SSAValue, name: str) -> None:
        """Make sure that `value` is visible as `name`, which a subgraph spells out."""
        if self.names[value] != name and name not in self.used:
            self.used.add(name)
            self.graph.node.append(helper.make_node("Identity", [self.names[value]], [name]))

    def _result(self, value: SSAValue, wanted: str) -> None:
        """Return a value; one that is an input, a constant or returned already is passed on by an Identity."""
        name = self.names[value]
        taken = {output.name for output in self.graph.output} | {item.name for item in self.graph.input}
        if name in taken or isinstance(value.owner, ConstantOp):
            fresh = wanted if wanted and wanted not in self.used else f"{name}.result{len(self.graph.output)}"
            self.used.add(fresh)
            self.graph.node.append(helper.make_node("Identity", [name], [fresh]))
            name = fresh
        self.graph.output.append(helper.make_value_info(name, export_type(value.type)))


def _value_names(attributes: ArrayAttr[DictionaryAttr] | None, count: int) -> list[str]:
    """The `onnx.name` of each argument or result, empty where there is none."""
    if attributes is None:
        return [""] * count
    names = [attribute.data.get(VALUE_NAME) for attribute in attributes]
    return [name.data if isinstance(name, StringAttr) else "" for name in names]


def _opsets(module: ModuleOp) -> list[onnx.OperatorSetIdProto]:
    version = module.attributes.get(OPSET)
    if not isinstance(version, IntegerAttr):
        raise InputError(f"the module has no attribute {OPSET}, so the meaning of its operators is not defined")
    versions = {"": version.value.data}
    others = module.attributes.get(OPSETS)
    if isinstance(others, DictionaryAttr):
        versions |= {name: value.value.data for name, value in others.data.items() if isinstance(value, IntegerAttr)}
    return [helper.make_opsetid(domain, number) for domain, number in versions.items()]
