"""What a module says about itself, as plain values: host segments and the arguments of the array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FloatAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute

from dialects.bsr import HostOp
from dialects.notes import ARGUMENTS


@dataclass(frozen=True)
class HostSegment:
    """A part of the network that runs in ONNX Runtime on the host."""

    node: str
    op: str
    reason: str


def host_segments(module: ModuleOp) -> tuple[HostSegment, ...]:
    """The host segments of a bsr module, in order."""
    return tuple(
        HostSegment(op.node.data, op.operator.data, op.reason.data) for op in module.walk() if isinstance(op, HostOp)
    )


def array_arguments(module: ModuleOp) -> Any:
    """Name, offset, bytes and layout of every DDR argument, as the lowering to aie wrote them on the module."""
    return plain(module.attributes.get(ARGUMENTS, ArrayAttr(())))


def plain(attribute: Attribute) -> Any:
    """An attribute as JSON would have it; whatever is not text, number, list or dictionary is its text."""
    match attribute:
        case StringAttr():
            return attribute.data
        case IntegerAttr() | FloatAttr():
            return attribute.value.data
        case ArrayAttr():
            return [plain(element) for element in attribute.data]
        case DictionaryAttr():
            return {name: plain(element) for name, element in attribute.data.items()}
        case _:
            return str(attribute)
