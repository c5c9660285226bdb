"""
Ways to make a program of the array level wrong.

A mutation changes one task (or one start or await) of a runtime sequence in place and says whether it applied. Each is
a mistake that a code generator can make: a lock forgotten, a count off by one, a wrong address, a wait left out. A
mutation that does not apply leaves its task as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from xdsl.dialects.builtin import BoolAttr, DenseArrayBase, IntegerType
from xdsl.ir import Operation

from dialects.aie import DMABDOp, LockAction, UseLockOp, int_value
from dialects.aie_attributes import BDDimLayoutArrayAttr, i32_attr
from dialects.aiex import DMAAwaitTaskOp, DMAConfigureTaskOp, DMAStartTaskOp
from dialects.mem_attributes import integers_attr, integers_of
from dialects.notes import FIRST_RUN, ITERATION

Mutation = Callable[[DMAConfigureTaskOp], bool]


def descriptors(task: DMAConfigureTaskOp) -> list[DMABDOp]:
    """The descriptors of a task, in chain order."""
    return [op for block in task.body.blocks for op in block.ops if isinstance(op, DMABDOp)]


def lock_uses(task: DMAConfigureTaskOp, *actions: LockAction) -> list[UseLockOp]:
    """Lock operations of a task."""
    uses = [op for block in task.body.blocks for op in block.ops if isinstance(op, UseLockOp)]
    return [op for op in uses if op.lock_action in actions]


def users(task: DMAConfigureTaskOp, kind: type[Operation]) -> list[Operation]:
    """The starts or awaits of a task, in program order."""
    block = task.parent
    assert block is not None, "tasks lie in a sequence"
    return [op for op in block.ops if isinstance(op, kind) and op.operands[0] is task.result]


def forget_locks(task: DMAConfigureTaskOp) -> bool:
    """A descriptor goes ahead without asking and tells nobody."""
    found = lock_uses(task, LockAction.AcquireGreaterEqual, LockAction.Release)
    for op in found:
        op.detach()
    return bool(found)


def forget_release(task: DMAConfigureTaskOp) -> bool:
    """A descriptor has one lock operation; it needs none or two."""
    found = lock_uses(task, LockAction.Release)
    for op in found[:1]:
        op.detach()
    return bool(found)


def acquire_too_much(task: DMAConfigureTaskOp) -> bool:
    """A descriptor waits for one more than there will be."""
    found = lock_uses(task, LockAction.AcquireGreaterEqual)
    for op in found:
        op.properties["value"] = i32_attr(int_value(op.value) + 64)
    return bool(found)


def release_twice(task: DMAConfigureTaskOp) -> bool:
    """A descriptor claims to have filled or emptied two slots."""
    found = lock_uses(task, LockAction.Release)
    for op in found:
        op.properties["value"] = i32_attr(int_value(op.value) + 1)
    return bool(found)


def run_once_more(task: DMAConfigureTaskOp) -> bool:
    """The repeat count is one too large."""
    task.properties["repeat_count"] = i32_attr(int_value(task.repeat_count) + 1)
    return True


def run_once_less(task: DMAConfigureTaskOp) -> bool:
    """The repeat count is one too small."""
    runs = int_value(task.repeat_count)
    if runs:
        task.properties["repeat_count"] = i32_attr(runs - 1)
    return runs > 0


def shift_offset(task: DMAConfigureTaskOp) -> bool:
    """The first descriptor begins two words, one pixel, further on."""
    first = descriptors(task)[0]
    first.properties["offset"] = i32_attr(int_value(first.offset) + 2)
    return True


def shorten(task: DMAConfigureTaskOp) -> bool:
    """The first descriptor moves fewer words, in the innermost dimension that has more than one."""
    first = descriptors(task)[0]
    assert first.len is not None, "our descriptors have lengths"
    length = int_value(first.len)
    if first.dimensions is None:
        if length > 1:
            first.properties["len"] = i32_attr(length - 1)
        return length > 1
    *outer, (size, stride) = first.dimensions.data
    if size == 1 or first.pad_dimensions is not None:
        return False
    first.properties["dimensions"] = BDDimLayoutArrayAttr((*outer, (size - 1, stride)))
    first.properties["len"] = i32_attr(length // size * (size - 1))
    return True


def lie_about_length(task: DMAConfigureTaskOp) -> bool:
    """The length is not what the dimensions move."""
    first = descriptors(task)[0]
    assert first.len is not None, "our descriptors have lengths"
    if first.dimensions is not None:
        first.properties["len"] = i32_attr(int_value(first.len) - 1)
    return first.dimensions is not None


def stand_still(task: DMAConfigureTaskOp) -> bool:
    """A ring never moves on to its next slot."""
    first = descriptors(task)[0]
    note = first.attributes.get(ITERATION)
    if note is not None and note != integers_attr((1, 1)) and int_value(task.repeat_count) > 0:
        first.attributes[ITERATION] = integers_attr((1, 1))
        return True
    if first.dimensions is None or len(first.dimensions.data) != 4:
        return False
    (wrap, _), *rest = first.dimensions.data
    if wrap == 1 or int_value(task.repeat_count) == 0:
        return False
    first.properties["dimensions"] = BDDimLayoutArrayAttr(((1, 1), *rest))
    return True


def begin_elsewhere(task: DMAConfigureTaskOp) -> bool:
    """A ring begins with the slot behind the right one."""
    first = descriptors(task)[0]
    note = first.attributes.get(ITERATION)
    if note is not None:
        (wrap, _) = integers_of(cast("DenseArrayBase[IntegerType]", note))
    elif first.dimensions is not None and len(first.dimensions.data) == 4:
        wrap = first.dimensions.data[0][0]
    else:
        wrap = 1
    first.attributes[FIRST_RUN] = i32_attr((first.first_run + 1) % wrap)
    return wrap > 1


def swap_windows(task: DMAConfigureTaskOp) -> bool:
    """The two first descriptors of a chain change places."""
    found = descriptors(task)
    if len(found) < 2:
        return False
    first, second = found[:2]
    for name in ("offset", "len", "dimensions", "pad_dimensions"):
        one, other = first.properties.get(name), second.properties.get(name)
        for op, value in ((first, other), (second, one)):
            if value is None:
                op.properties.pop(name, None)
            else:
                op.properties[name] = value
    one, other = first.buffer, second.buffer
    first.operands[0], second.operands[0] = other, one
    return True


def never_start(task: DMAConfigureTaskOp) -> bool:
    """The first start of a task is left out."""
    start = users(task, DMAStartTaskOp)[0]
    start.detach()
    return True


def start_twice(task: DMAConfigureTaskOp) -> bool:
    """The first start of a task is written twice."""
    start = users(task, DMAStartTaskOp)[0]
    block = task.parent
    assert block is not None, "tasks lie in a sequence"
    block.insert_op_after(start.clone(), start)
    return True


def never_wait(task: DMAConfigureTaskOp) -> bool:
    """The controller neither asks for a token nor waits for it."""
    waits = users(task, DMAAwaitTaskOp)
    for op in waits:
        op.detach()
    if waits:
        task.properties["issue_token"] = BoolAttr.from_bool(False)
    return bool(waits)


def leave_token(task: DMAConfigureTaskOp) -> bool:
    """The controller asks for a token and does not wait for it."""
    waits = users(task, DMAAwaitTaskOp)
    for op in waits:
        op.detach()
    return bool(waits)


MUTATIONS: tuple[Mutation, ...] = (
    forget_locks,
    forget_release,
    acquire_too_much,
    release_twice,
    run_once_more,
    run_once_less,
    shift_offset,
    shorten,
    lie_about_length,
    stand_still,
    begin_elsewhere,
    swap_windows,
    never_start,
    start_twice,
    never_wait,
    leave_token,
)
