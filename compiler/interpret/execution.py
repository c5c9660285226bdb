"""
What running a level gives: the outputs of the network, and every tensor in between that has a name.

Levels are compared by these names: those of the QuantizeLinear outputs in the quantised ONNX graph. A fused tensor
has no place of its own at a lower level and is then simply absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy.typing as npt
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp

from compiler.errors import InputError

Arrays = dict[str, npt.NDArray[Any]]
VALUE_NAME = "onnx.name"


@dataclass(frozen=True)
class Execution:
    """Outputs in the order of the function, and tensors in the order of their computation."""

    outputs: Arrays
    tensors: Arrays
    how: str = ""
    """What ran in which way, where there are several with the same results."""


@dataclass(frozen=True)
class Entry:
    """The function that is the network, with the names of what goes in and out."""

    function: FuncOp
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def terminator(self) -> ReturnOp:
        """Its operands are the outputs."""
        last = self.function.body.block.last_op
        assert isinstance(last, ReturnOp), "a network ends in func.return"
        return last

    def bind(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """The given inputs in the function's order. Raises InputError when one is missing, unknown or misshapen."""
        missing = [name for name in self.inputs if name not in inputs]
        unknown = [name for name in inputs if name not in self.inputs]
        if missing or unknown:
            raise InputError(
                f"the network's inputs are {', '.join(self.inputs)}; missing: {', '.join(missing) or 'none'}, "
                f"unknown: {', '.join(unknown) or 'none'}"
            )
        for name, argument in zip(self.inputs, self.function.body.block.args, strict=True):
            shape = tuple(cast(Any, argument.type).get_shape())
            if inputs[name].shape != shape:
                raise InputError(f"input '{name}' has shape {list(inputs[name].shape)}, expected {list(shape)}")
        return [inputs[name] for name in self.inputs]


def entry_of(module: ModuleOp) -> Entry:
    """The function @main of a module at the onnx or bsr level."""
    for op in module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == "main":
            results = op.function_type.outputs.data
            return Entry(
                op,
                _names(op.arg_attrs, "input", len(op.body.block.args)),
                _names(op.res_attrs, "output", len(results)),
            )
    raise InputError("the module has no func.func @main, so there is no network to run")


def _names(attributes: ArrayAttr[DictionaryAttr] | None, fallback: str, count: int) -> tuple[str, ...]:
    """`onnx.name` of each argument or result; a number where a hand-written module has none."""
    if attributes is None:
        return tuple(f"{fallback}{index}" for index in range(count))
    names: list[str] = []
    for index, entry in enumerate(attributes.data):
        name = entry.data.get(VALUE_NAME)
        names.append(name.data if isinstance(name, StringAttr) else f"{fallback}{index}")
    return tuple(names)
