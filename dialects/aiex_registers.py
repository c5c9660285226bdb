"""
Register form of the runtime sequence: words written to tiles, and waits for completion tokens.

    aiex.npu.write32 {address = 119300 : ui32, column = 0 : i32, row = 2 : i32, value = 458753 : ui32}
    aiex.npu.address_patch {addr = 118788 : ui32, arg_idx = 0 : i32, arg_plus = 4096 : i32}

An address without column and row is absolute in the array; with them it is an offset in that tile.
"""

from __future__ import annotations

from xdsl.dialects.builtin import BoolAttr, FlatSymbolRefAttrConstr, IntegerAttr, IntegerType, MemRefType, Signedness
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    eq,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
)

from dialects.aie_attributes import Direction, DMAChannelDir, i32_attr
from dialects.aie_structure import I32

UNSIGNED_WORD = IntegerType(32, Signedness.UNSIGNED)
WORD = IntegerAttr.constr(eq(UNSIGNED_WORD))


def word_attr(value: int) -> IntegerAttr:
    """`value : ui32`"""
    return IntegerAttr(value, UNSIGNED_WORD)


def _optional_i32(value: int | None) -> IntegerAttr | None:
    return None if value is None else i32_attr(value)


@irdl_op_definition
class Write32Op(IRDLOperation):
    """One word to one register."""

    name = "aiex.npu.write32"
    address = prop_def(WORD)
    value = prop_def(WORD)
    buffer = opt_prop_def(FlatSymbolRefAttrConstr)
    column = opt_prop_def(I32)
    row = opt_prop_def(I32)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(self, address: int, value: int, *, column: int | None = None, row: int | None = None):
        super().__init__(
            properties={
                "address": word_attr(address),
                "value": word_attr(value),
                "column": _optional_i32(column),
                "row": _optional_i32(row),
            }
        )


@irdl_op_definition
class MaskWrite32Op(IRDLOperation):
    """Change only the bits of a register that `mask` names."""

    name = "aiex.npu.maskwrite32"
    address = prop_def(WORD)
    value = prop_def(WORD)
    mask = prop_def(WORD)
    buffer = opt_prop_def(FlatSymbolRefAttrConstr)
    column = opt_prop_def(I32)
    row = opt_prop_def(I32)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(self, address: int, value: int, mask: int, *, column: int | None = None, row: int | None = None):
        super().__init__(
            properties={
                "address": word_attr(address),
                "value": word_attr(value),
                "mask": word_attr(mask),
                "column": _optional_i32(column),
                "row": _optional_i32(row),
            }
        )


@irdl_op_definition
class BlockWriteOp(IRDLOperation):
    """Consecutive words from a constant `memref.global`; how a descriptor is written."""

    name = "aiex.npu.blockwrite"
    data = operand_def(MemRefType)
    address = prop_def(WORD)
    buffer = opt_prop_def(FlatSymbolRefAttrConstr)
    column = opt_prop_def(I32)
    row = opt_prop_def(I32)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`(` $data `)` attr-dict `:` type($data)"

    def __init__(self, data: SSAValue, address: int, *, column: int | None = None, row: int | None = None):
        super().__init__(
            operands=[data],
            properties={
                "address": word_attr(address),
                "column": _optional_i32(column),
                "row": _optional_i32(row),
            },
        )


@irdl_op_definition
class AddressPatchOp(IRDLOperation):
    """Let the host put the address of argument `arg_idx` plus `arg_plus` bytes into a descriptor."""

    name = "aiex.npu.address_patch"
    addr = prop_def(WORD)
    arg_idx = prop_def(I32)
    arg_plus = prop_def(I32)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(self, address: int, argument: int, offset_bytes: int):
        super().__init__(
            properties={
                "addr": word_attr(address),
                "arg_idx": i32_attr(argument),
                "arg_plus": i32_attr(offset_bytes),
            }
        )


@irdl_op_definition
class PushQueueOp(IRDLOperation):
    """Start descriptor `bd_id` on a channel of a shim, `repeat_count` + 1 times."""

    name = "aiex.npu.push_queue"
    column = prop_def(I32)
    row = prop_def(I32)
    direction = prop_def(I32)
    channel = prop_def(I32)
    issue_token = prop_def(BoolAttr)
    repeat_count = prop_def(I32)
    bd_id = prop_def(I32)
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Direction,)
    assembly_format = "`(` $column `,` $row `,` custom<Direction>($direction) `:` $channel `)` attr-dict"

    def __init__(
        self,
        column: int,
        row: int,
        direction: DMAChannelDir,
        channel: int,
        *,
        bd_id: int,
        repeat_count: int = 0,
        issue_token: bool = False,
    ):
        super().__init__(
            properties={
                "column": i32_attr(column),
                "row": i32_attr(row),
                "direction": i32_attr(direction),
                "channel": i32_attr(channel),
                "issue_token": BoolAttr.from_bool(issue_token),
                "repeat_count": i32_attr(repeat_count),
                "bd_id": i32_attr(bd_id),
            }
        )


@irdl_op_definition
class SyncOp(IRDLOperation):
    """Wait for one completion token of a channel, of `column_num` × `row_num` tiles from (`column`, `row`)."""

    name = "aiex.npu.sync"
    column = prop_def(I32)
    row = prop_def(I32)
    direction = prop_def(I32)
    channel = prop_def(I32)
    column_num = prop_def(I32)
    row_num = prop_def(I32)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(
        self, column: int, row: int, direction: DMAChannelDir, channel: int, *, column_num: int = 1, row_num: int = 1
    ):
        super().__init__(
            properties={
                "column": i32_attr(column),
                "row": i32_attr(row),
                "direction": i32_attr(direction),
                "channel": i32_attr(channel),
                "column_num": i32_attr(column_num),
                "row_num": i32_attr(row_num),
            }
        )
