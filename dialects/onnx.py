"""
The `onnx` level: an ONNX graph, one operation per node, nothing decided and nothing lost.

There is one operation class per operator of the standard ONNX domain, made from the schemas of the installed `onnx`
package: `operator("Conv")` is the class of `onnx.Conv`. All share one shape:

    %y = onnx.Conv(%x, %w, %b) {strides = array<i64: 2, 2>, onnx.outputs = ["conv1_1"]} : (tensor<…>, …) -> tensor<…>

* Operands and results are the inputs and outputs of the node, in order. An optional input that is left out before a
  present one is the result of `onnx.none`; an optional output that is left out has type `none`.
* Attributes have their ONNX names: int is `i64`, float is `f32`, ints is `array<i64>`, floats is `array<f32>`, string
  and strings are string attributes, a tensor is `dense` or a blob, everything else (graphs, types) is `#onnx.proto`.
* Names with a dot are notes and not ONNX attributes: `onnx.outputs` holds the tensor names of the results, which are
  the names users know. The node name is the location.
* An operator of another domain is `onnx.Custom {onnx.domain = …, onnx.operator = …}`.
* Outer values that a subgraph refers to by name are trailing operands, with their names in `onnx.captures`.

A graph is `func.func @main` with `onnx.name` on arguments and results; the module carries `onnx.opset`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx.defs
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    FunctionType,
    IntegerAttr,
    NameLoc,
    NoneAttr,
    NoneType,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.blob import BlobAttr
from dialects.constants import constant_array, constant_attribute, constant_type
from dialects.onnx_attributes import ElementType, ProtoAttr, ValueType

OPSET = "onnx.opset"  # on the module: version of the standard domain, i64
UNCONVERTED = "onnx.unconverted"  # on the module: why it is at an operator set that no pass knows
OPSETS = "onnx.opsets"  # on the module: versions of the other domains, {"com.microsoft" = 1 : i64}
VALUE_NAME = "onnx.name"  # on arguments and results of the function
OUTPUT_NAMES = "onnx.outputs"
CAPTURED_NAMES = "onnx.captures"
DOMAIN = "onnx.domain"
CUSTOM_OPERATOR = "onnx.operator"


def value_hint(name: str) -> str | None:
    """What a tensor of this name is called in the text, where only letters, digits and underscores may stand."""
    hint = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return (hint if re.match(r"[A-Za-z]", hint) else f"t_{hint}") if hint else None


class OnnxOp(IRDLOperation):
    """What every ONNX node has; see the module for the form. Accessors read attributes as Python values."""

    inputs = var_operand_def()
    outputs = var_result_def()
    traits = traits_def(Pure())

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        attributes: dict[str, Attribute] | None = None,
        *,
        node_name: str = "",
        output_names: Sequence[str] = (),
    ):
        notes = dict(attributes or {})
        if output_names:
            notes[OUTPUT_NAMES] = ArrayAttr([StringAttr(name) for name in output_names])
        super().__init__(
            operands=[list(inputs)],
            result_types=[list(result_types)],
            attributes=notes,
        )
        if node_name:
            self.location = NameLoc(StringAttr(node_name), NoneAttr())
        for result, name in zip(self.outputs, output_names, strict=False):
            result.name_hint = value_hint(name)

    @property
    def operator(self) -> str:
        """The ONNX operator, `Conv` for `onnx.Conv`."""
        return self.name.removeprefix("onnx.")

    @property
    def output(self) -> SSAValue:
        """The first result."""
        return self.outputs[0]

    @property
    def node_name(self) -> str:
        """The ONNX node name, empty if the node has none."""
        return self.location.desc.data if isinstance(self.location, NameLoc) else ""

    @property
    def output_names(self) -> tuple[str, ...]:
        """The tensor names of the results; empty if the graph has lost them."""
        names = self.attributes.get(OUTPUT_NAMES)
        if not isinstance(names, ArrayAttr):
            return ()
        return tuple(cast(StringAttr, name).data for name in cast("ArrayAttr[Attribute]", names))

    def describe(self) -> str:
        """What an error message calls this node: operator and the best name there is."""
        label = self.node_name or next(iter(self.output_names), "")
        return f"{self.operator} '{label}'" if label else self.operator

    def integer(self, name: str, default: int) -> int:
        """An ONNX int attribute."""
        attribute = self.attributes.get(name)
        return attribute.value.data if isinstance(attribute, IntegerAttr) else default

    def number(self, name: str, default: float) -> float:
        """An ONNX float attribute."""
        attribute = self.attributes.get(name)
        return attribute.value.data if isinstance(attribute, FloatAttr) else default

    def integers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """An ONNX ints attribute."""
        attribute = self.attributes.get(name)
        if not isinstance(attribute, DenseArrayBase):
            return tuple(default)
        return tuple(int(value) for value in cast("DenseArrayBase[Any]", attribute).get_values())

    def string(self, name: str, default: str) -> str:
        """An ONNX string attribute."""
        attribute = self.attributes.get(name)
        return attribute.data if isinstance(attribute, StringAttr) else default

    @classmethod
    def parse(cls, parser: Parser) -> OnnxOp:
        operands = parser.parse_comma_separated_list(Parser.Delimiter.PAREN, parser.parse_unresolved_operand)
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        position = parser.pos
        signature = parser.parse_type()
        if not isinstance(signature, FunctionType):
            parser.raise_error("expected the types as (inputs) -> outputs", position)
        inputs = parser.resolve_operands(operands, signature.inputs.data, position)
        return cls(inputs, signature.outputs.data, attributes)

    def print(self, printer: Printer) -> None:
        with printer.in_parens():
            printer.print_list(self.inputs, printer.print_ssa_value)
        if self.attributes:
            printer.print_string(" ")
            printer.print_attr_dict(self.attributes)
        printer.print_string(" : ")
        printer.print_function_type([value.type for value in self.inputs], [value.type for value in self.outputs])


@irdl_op_definition
class ConstantOp(OnnxOp):
    """A known tensor, node or initialiser: `onnx.Constant {value = dense<1> : tensor<2xi8>} : tensor<2xi8>`"""

    name = "onnx.Constant"

    @classmethod
    def from_array(cls, values: npt.NDArray[Any], key: str, *, node_name: str | None = None) -> ConstantOp:
        """A tensor named `key`: inline up to 4096 bytes, a blob with that key beyond. `values` is not copied."""
        attributes: dict[str, Attribute] = {"value": constant_attribute(values, key)}
        node_name = key if node_name is None else node_name
        return cls([], [constant_type(values)], attributes, node_name=node_name, output_names=[key])

    def array(self) -> npt.NDArray[Any]:
        """The values, read-only; a verified constant whose type is a plain tensor always has them."""
        return constant_array(self.attributes["value"], cast("TensorType[Attribute]", self.output.type))

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers that numpy has, so that `array` gives them."""
        return isinstance(self.attributes.get("value"), DenseIntOrFPElementsAttr | BlobAttr)

    @property
    def is_blob(self) -> bool:
        """Whether the values are kept outside the text of the module."""
        return isinstance(self.attributes.get("value"), BlobAttr)

    def verify_(self) -> None:
        value, type = self.attributes.get("value"), self.output.type if len(self.outputs) == 1 else None
        if self.inputs or type is None:
            raise VerifyException("onnx.Constant has no input and one output")
        if isinstance(value, DenseIntOrFPElementsAttr):
            dense = cast("DenseIntOrFPElementsAttr[Any]", value)
            if dense.type != type:
                raise VerifyException(f"onnx.Constant holds a value of type {dense.type} but returns {type}")
            expected = int(np.prod(dense.type.get_shape(), dtype=np.int64)) * dense.get_element_type().compile_time_size
            if len(dense.data.data) != expected:
                raise VerifyException(
                    f"onnx.Constant of {type} holds {len(dense.data.data)} bytes instead of {expected}"
                )
        elif not isinstance(value or self.attributes.get("sparse_value"), BlobAttr | ProtoAttr):
            raise VerifyException("onnx.Constant needs a value: dense, #bsr.blob or #onnx.proto")

    @classmethod
    def parse(cls, parser: Parser) -> ConstantOp:
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        return cls([], [parser.parse_type()], attributes)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_attr_dict(self.attributes)
        printer.print_string(" : ")
        printer.print_attribute(self.output.type)


@irdl_op_definition
class NoneOp(IRDLOperation):
    """An optional input that is left out: `%none = onnx.none`."""

    name = "onnx.none"

    result = result_def(NoneType())
    traits = traits_def(Pure())
    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__(result_types=[NoneType()])


@irdl_op_definition
class CustomOp(OnnxOp):
    """A node of a domain other than the standard one; kept whole, meaning unknown."""

    name = "onnx.Custom"

    @property
    def operator(self) -> str:
        return f"{self.string(DOMAIN, '')}.{self.string(CUSTOM_OPERATOR, '')}"

    def verify_(self) -> None:
        for note in (DOMAIN, CUSTOM_OPERATOR):
            if not isinstance(self.attributes.get(note), StringAttr):
                raise VerifyException(f"onnx.Custom needs the string attribute {note}")


@cache
def operator_names() -> frozenset[str]:
    """Every operator that any version of the standard ONNX domain has had."""
    return frozenset(schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == "")


@cache
def operator(name: str) -> type[OnnxOp]:
    """The operation class of a standard ONNX operator: `operator("Conv")`. KeyError if there is none."""
    if name == "Constant":
        return ConstantOp
    if name not in operator_names():
        raise KeyError(f"ONNX {onnx.defs.onnx_opset_version()} has no operator '{name}' in its standard domain")
    fields = {"name": f"onnx.{name}", "__doc__": f"The ONNX operator {name}.", "__module__": __name__}
    return irdl_op_definition(type(f"{name}Op", (OnnxOp,), fields))


def is_operator(op: object, *names: str) -> bool:
    """Whether `op` is a node of one of these standard operators: `is_operator(op, "MaxPool", "AveragePool")`."""
    return isinstance(op, OnnxOp) and op.name.removeprefix("onnx.") in names


@cache
def onnx_dialect() -> Dialect:
    """The dialect with all operator classes (some 200, made on first use)."""
    standard = [operator(name) for name in sorted(operator_names())]
    return Dialect("onnx", [*standard, NoneOp, CustomOp], [ProtoAttr, ElementType, ValueType])
