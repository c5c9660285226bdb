"""What the passes on the onnx level share: walking nodes in order, reading constants, replacing and sweeping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue

from compiler.onnxio.exporter import main_function
from dialects.onnx import OUTPUT_NAMES, UNCONVERTED, VALUE_NAME, ConstantOp, NoneOp, OnnxOp, is_operator

Floats = npt.NDArray[np.float64]


def nodes_of(module: ModuleOp) -> list[OnnxOp]:
    """
    The nodes of the network in order, constants left out.

    None if the network is at an operator set that could not be converted: there is nothing in it that a pass knows.
    """
    if UNCONVERTED in module.attributes:
        return []
    block = main_function(module).body.block
    return [op for op in block.ops if isinstance(op, OnnxOp) and not isinstance(op, ConstantOp)]


def node_of(value: SSAValue, *operators: str) -> OnnxOp | None:
    """The node that computes `value`, if it is one of these operators (any, if none is named)."""
    owner = value.owner
    if not isinstance(owner, OnnxOp) or (operators and not is_operator(owner, *operators)):
        return None
    return owner


def constant_of(value: SSAValue) -> npt.NDArray[Any] | None:
    """The values of a constant numeric tensor, None for anything else."""
    owner = value.owner
    if not isinstance(owner, ConstantOp) or not owner.is_numeric:
        return None
    return owner.array()


def static_shape(value: SSAValue) -> tuple[int, ...] | None:
    """The shape of a tensor whose sizes are all known."""
    type = value.type
    if not isinstance(type, TensorType):
        return None
    shape = cast("TensorType[Attribute]", type).get_shape()
    return None if any(size < 0 for size in shape) else shape


def only_user(value: SSAValue) -> OnnxOp | None:
    """The node that is the one and only reader of `value`; None if others or the function's result read it too."""
    uses = list(value.uses)
    if len(uses) != 1 or not isinstance(uses[0].operation, OnnxOp):
        return None
    return uses[0].operation


def value_name(value: SSAValue) -> str:
    """The tensor name of a value, empty if it has none."""
    owner = value.owner
    if isinstance(owner, OnnxOp):
        index = owner.outputs.index(value)
        return owner.output_names[index] if index < len(owner.output_names) else ""
    function = owner.parent_op() if isinstance(owner, Block) else None
    if not isinstance(function, FuncOp) or not isinstance(value, BlockArgument) or function.arg_attrs is None:
        return ""
    name = function.arg_attrs.data[value.index].data.get(VALUE_NAME)
    return name.data if isinstance(name, StringAttr) else ""


class ConstantMaker:
    """Makes constants under names that no other tensor of the network has; the name is also the key of a blob."""

    def __init__(self, module: ModuleOp):
        block = main_function(module).body.block
        self._names = {name for op in block.ops if isinstance(op, OnnxOp) for name in op.output_names}

    def insert(self, values: npt.NDArray[Any], name: str, before: Operation) -> SSAValue:
        """A new constant in front of `before`, called `name` if that is free and `name.1`, `name.2`, … if not."""
        free, number = name, 0
        while free in self._names:
            number += 1
            free = f"{name}.{number}"
        self._names.add(free)
        constant = ConstantOp.from_array(values, free)
        assert before.parent is not None, f"'{before.name}' is in no block"
        before.parent.insert_op_before(constant, before)
        return constant.output


def replace_node(old: OnnxOp, new: Sequence[OnnxOp], result: SSAValue, *, keep_name: bool = True) -> None:
    """
    Put `new` in front of `old`, let `result` take the place of its first output, and remove `old`.

    The last of `new` takes over the tensor name and the location of `old` unless it has its own.
    """
    assert old.parent is not None, f"{old.describe()} is in no block"
    old.parent.insert_ops_before(list(new), old)
    hint = old.output.name_hint
    if new and keep_name:
        last = new[-1]
        if not last.output_names and old.output_names:
            last.attributes[OUTPUT_NAMES] = ArrayAttr([StringAttr(old.output_names[0])])
        if not last.node_name:
            last.location = old.location
    old.output.replace_all_uses_with(result)
    if new and keep_name:
        result.name_hint = hint
    old.detach()
    old.erase()


def sweep(module: ModuleOp) -> None:
    """Remove constants and nodes whose results nobody reads."""
    block = main_function(module).body.block
    for op in reversed(list(block.ops)):
        if isinstance(op, OnnxOp | NoneOp) and all(result.first_use is None for result in op.results):
            op.detach()
            op.erase()
