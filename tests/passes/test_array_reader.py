"""What no program of the array level can be read from is refused with what would be read instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from interpret.array_programs import residual_program
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i32
from xdsl.ir import Operation

from compiler.errors import InputError
from dialects.aie import DeviceOp, DMABDOp, RuntimeSequenceOp, UseLockOp
from dialects.aiex import DMAConfigureTaskOp, DMAStartTaskOp
from passes.array_reader import devices_of, read_program


def first(module: ModuleOp, kind: type[Operation]) -> Operation:
    """The first operation of a kind."""
    return next(op for op in module.walk() if isinstance(op, kind))


def second_descriptor(module: ModuleOp) -> None:
    descriptor = first(module, DMABDOp)
    block = descriptor.parent
    assert block is not None
    block.insert_op_before(descriptor.clone(), descriptor)


def a_constant_in_the_sequence(module: ModuleOp) -> None:
    sequence = first(module, RuntimeSequenceOp)
    constant = ConstantOp(IntegerAttr(0, i32))
    sequence.regions[0].block.insert_op_before(constant, next(iter(sequence.regions[0].block.ops)))


def started_before_it_is_made(module: ModuleOp) -> None:
    start = first(module, DMAStartTaskOp)
    block, task = start.parent, start.operands[0].owner
    assert block is not None
    assert isinstance(task, DMAConfigureTaskOp)
    start.detach()
    block.insert_op_before(start, task)


def a_tile_as_a_lock(module: ModuleOp) -> None:
    lock = first(module, DMAConfigureTaskOp)
    use = next(
        op for op in module.walk() if isinstance(op, UseLockOp) and isinstance(op.parent_op(), DMAConfigureTaskOp)
    )
    use.operands[0] = lock.operands[0]


def no_descriptor(module: ModuleOp) -> None:
    task = first(module, DMAConfigureTaskOp)
    block = task.regions[0].block
    for op in list(block.ops):
        op.detach()
    task.regions[0].detach_block(block)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (second_descriptor, "a descriptor block holds 2 aie.dma_bd, it is one descriptor"),
        (a_constant_in_the_sequence, "a runtime sequence holds arith.constant; tasks are configured, started, awaited"),
        (started_before_it_is_made, "dma_start_task refers to a task that no aiex.dma_configure_task before it makes"),
        (a_tile_as_a_lock, "as a lock; only the result of aie.lock is one"),
        (no_descriptor, "has no descriptor"),
    ],
)
def test_what_cannot_be_read(change: Callable[[ModuleOp], None], message: str) -> None:
    module = residual_program("mesh-1x1").module.clone()
    change(module)
    with pytest.raises(InputError, match=message):
        read_program(module, devices_of(module)[0])


def test_a_module_without_a_device() -> None:
    with pytest.raises(InputError, match=r"the module has no aie\.device; convert-mem-to-aie writes one"):
        devices_of(ModuleOp([]))


def test_a_device_of_its_own_name_stands_for_its_chip() -> None:
    module = residual_program("mesh-1x1").module.clone()
    module.attributes.clear()
    device = next(op for op in module.ops if isinstance(op, DeviceOp))
    assert read_program(module, device).chip.name == "npu1"
