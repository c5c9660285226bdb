"""
What the `onnx` level keeps of a model without an MLIR counterpart: odd element types, values that are no tensors, and
parts of the model as the bytes of their protobuf.
"""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Data, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer


class _Bytes(Data[bytes]):
    """Bytes in angle brackets, written in hexadecimal."""

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> bytes:
        with parser.in_angle_brackets():
            return bytes.fromhex(parser.parse_str_literal())

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string_literal(self.data.hex())


@irdl_attr_definition
class ProtoAttr(_Bytes):
    """A part of an ONNX model (a subgraph, a sparse tensor), as its serialised bytes."""

    name = "onnx.proto"


@irdl_attr_definition
class ValueType(_Bytes, TypeAttribute):
    """The type of a value that is not a tensor (sequence, optional, map), as serialised TypeProto."""

    name = "onnx.value"


@irdl_attr_definition
class ElementType(ParametrizedAttribute, TypeAttribute):
    """An element type that MLIR lacks, by its ONNX name: `!onnx.element<"STRING">`."""

    name = "onnx.element"

    kind: StringAttr
