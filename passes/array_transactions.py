"""What the controller does in a runtime sequence that `aie-lower-tasks` has lowered, as a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp
from xdsl.dialects.memref import GetGlobalOp, GlobalOp

from compiler.errors import InputError
from compiler.hardware.transaction_words import BlockWrite, Instruction, Patch, Sync, Transaction, Write
from dialects.aie import RuntimeSequenceOp, int_value
from dialects.aiex import AddressPatchOp, BlockWriteOp, MaskWrite32Op, SyncOp, Write32Op
from passes.array_reader import devices_of

DEVICES = {
    "npu1": (3, 6, 4),
    **{f"npu1_{columns}col": (3, 6, columns) for columns in (1, 2, 3)},
    "npu2": (4, 6, 8),
}
"""Generation, rows and columns of upstream's devices (its target model)."""


def transactions_of(module: ModuleOp) -> dict[str, Transaction]:
    """
    The transaction of every runtime sequence, by name.

    Raises InputError for a device that upstream does not know, and for a sequence that is not lowered.
    """
    found: dict[str, Transaction] = {}
    for device in devices_of(module):
        if device.device_name not in DEVICES:
            raise InputError(
                f"device '{device.device_name}' is hypothetical and has no controller; {', '.join(DEVICES)} have one"
            )
        generation, rows, columns = DEVICES[device.device_name]
        constants = {op.sym_name.data: _words(op) for op in device.body.block.ops if isinstance(op, GlobalOp)}
        for op in device.body.block.ops:
            if isinstance(op, RuntimeSequenceOp):
                instructions = tuple(_instructions(op, constants))
                found[op.sym_name.data] = Transaction(generation, rows, columns, instructions)
    return found


def _words(op: GlobalOp) -> tuple[int, ...]:
    values = cast("DenseIntOrFPElementsAttr[Any]", op.initial_value).get_values()
    return tuple(int(value) & 0xFFFFFFFF for value in values)


def _instructions(sequence: RuntimeSequenceOp, constants: Mapping[str, tuple[int, ...]]) -> Iterator[Instruction]:
    for op in sequence.body.block.ops:
        match op:
            case Write32Op():
                yield Write(int_value(op.address), int_value(op.value))
            case MaskWrite32Op():
                yield Write(int_value(op.address), int_value(op.value), int_value(op.mask))
            case BlockWriteOp():
                constant = op.data.owner
                assert isinstance(constant, GetGlobalOp), "aie-lower-tasks takes words from constants"
                yield BlockWrite(int_value(op.address), constants[constant.name_.string_value()])
            case AddressPatchOp():
                yield Patch(int_value(op.addr), int_value(op.arg_idx), int_value(op.arg_plus))
            case SyncOp():
                tile = int_value(op.column), int_value(op.row)
                channel = int_value(op.direction), int_value(op.channel)
                yield Sync(*tile, *channel, int_value(op.column_num), int_value(op.row_num))
            case GetGlobalOp():
                pass
            case _:
                raise InputError(f"@{sequence.sym_name.data} holds {op.name}; lower it with aie-lower-tasks")
