"""What all ops of the `mem` level share: how they are printed, and the constraints of their properties."""

from __future__ import annotations

from typing import Any, cast

from xdsl.dialects.builtin import DenseArrayBase, DenseIntOrFPElementsAttr, IntegerAttr, IntegerType, i64
from xdsl.irdl import BaseAttr, IRDLOperation, ParsePropInAttrDict, eq, traits_def
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from dialects.blob import BlobAttr
from dialects.mem_attributes import integers_of

INTEGERS = DenseArrayBase.constr(eq(i64))
INTEGER = IntegerAttr.constr(eq(i64))
CONSTANT = BaseAttr(BlobAttr) | BaseAttr(cast("type[Any]", DenseIntOrFPElementsAttr))


class MemOp(IRDLOperation):
    """Properties are printed among the attributes."""

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())


def verify_numbers(name: str, attribute: DenseArrayBase[IntegerType], count: int) -> tuple[int, ...]:
    """`count` integers."""
    values = integers_of(attribute)
    if len(values) != count:
        raise VerifyException(f"{name} is {list(values)}; expected {count} integers")
    return values
