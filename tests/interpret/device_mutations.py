"""
Ways to make a program of the array level wrong that are not a change of one task.

Each changes a module in place at a place that is drawn, and returns the change, or None if there is nothing to change.
With the mutations of tasks these are the mistakes of `tests/benchmarks/mutate_programs.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar, cast

import numpy as np
from interpret.array_mutations import descriptors, users
from interpret.array_programs import device_of, tasks_of
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IntegerAttr, IntegerType, ModuleOp
from xdsl.dialects.memref import LoadOp
from xdsl.ir import Operation

from compiler.kernels.parameters import PARAMETER_WORDS
from dialects.aie import BufferOp, CoreOp, DMABDOp, FlowOp, LockAction, LockOp, UseLockOp, int_value
from dialects.aie_attributes import BDDimLayoutArrayAttr, i32_attr
from dialects.aiex import DMAConfigureTaskOp, DMAStartTaskOp
from dialects.bsr import array_of
from dialects.constants import constant_attribute
from dialects.mem import ImageOp


@dataclass(frozen=True)
class Change:
    """Where a module was changed, and a way to put something absurd in the same place."""

    site: str
    absurd: Callable[[], None] | None = None
    """A change that does no harm is one to which nothing reacts: if this does none either, nobody looks there."""


DeviceMutation = Callable[[ModuleOp, Random], Change | None]
T = TypeVar("T")
TASK_DIMENSIONS = 4
"""Of a descriptor whose first dimension is its iteration."""
FAR = 40
"""Much more than any lock of these programs ever counts to, and less than a lock holds."""


def _draw(random: Random, found: Sequence[T]) -> T | None:
    return random.choice(found) if found else None


def _in_device(module: ModuleOp, kind: type[T]) -> list[T]:
    return [op for op in device_of(module).body.block.ops if isinstance(op, kind)]


def _all_descriptors(module: ModuleOp) -> list[DMABDOp]:
    return [op for task in tasks_of(module) for op in descriptors(task)]


def _in_cores(module: ModuleOp, kind: type[T]) -> list[T]:
    return [op for core in _in_device(module, CoreOp) for op in core.walk() if isinstance(op, kind)]


def _site(module: ModuleOp, op: Operation) -> str:
    """The number of an operation in its module, and its text."""
    number = next(number for number, other in enumerate(module.walk()) if other is op)
    return f"operation {number}: {str(op).splitlines()[0][:100]}"


def _become_a_wait(op: UseLockOp) -> None:
    """Wait for what never comes: who gets here stays here."""
    op.properties["action"] = i32_attr(LockAction.AcquireGreaterEqual)
    op.properties["value"] = i32_attr(FAR)


def forget_lock_in_core(module: ModuleOp, random: Random) -> Change | None:
    """A core leaves out an acquire or a release."""
    op = _draw(random, _in_cores(module, UseLockOp))
    if op is None:
        return None
    site = _site(module, op)
    block, following = op.parent, op.next_op
    assert block is not None, "an operation lies in a block"
    assert following is not None, "a block ends with a terminator"
    op.detach()
    return Change(
        site, lambda: block.insert_op_before(UseLockOp(op.lock, LockAction.AcquireGreaterEqual, FAR), following)
    )


def other_lock_in_core(module: ModuleOp, random: Random) -> Change | None:
    """A core takes or gives another lock of its tile."""
    op = _draw(random, _in_cores(module, UseLockOp))
    if op is None:
        return None
    owner = op.lock.owner
    assert isinstance(owner, LockOp)
    others = [lock for lock in _in_device(module, LockOp) if lock.tile is owner.tile and lock is not owner]
    site = _site(module, op)
    op.operands[0] = random.choice(others).result
    return Change(site, lambda: _become_a_wait(op))


def other_count_in_core(module: ModuleOp, random: Random) -> Change | None:
    """A core takes or gives one more than it should."""
    op = _draw(random, _in_cores(module, UseLockOp))
    if op is None:
        return None
    site = _site(module, op)
    op.properties["value"] = i32_attr(int_value(op.value) + 1)
    return Change(site, lambda: _become_a_wait(op))


def other_first_value(module: ModuleOp, random: Random) -> Change | None:
    """A lock begins one higher."""
    op = _draw(random, _in_device(module, LockOp))
    if op is None:
        return None
    site = _site(module, op)
    op.properties["init"] = i32_attr((int_value(op.init) if op.init is not None else 0) + 1)
    return Change(site, lambda: op.properties.__setitem__("init", i32_attr(FAR)))


def swap_locks(module: ModuleOp, random: Random) -> Change | None:
    """A descriptor acquires what it should release and releases what it should acquire."""
    found = [op for op in _all_descriptors(module) if isinstance(op.prev_op, UseLockOp)]
    op = _draw(random, found)
    if op is None:
        return None
    first, second = op.prev_op, op.next_op
    assert isinstance(first, UseLockOp)
    assert isinstance(second, UseLockOp)
    assert {first.lock_action, second.lock_action} == {LockAction.AcquireGreaterEqual, LockAction.Release}
    one, other = first.lock, second.lock
    first.operands[0], second.operands[0] = other, one
    return Change(_site(module, op))


def _goes_on(op: DMABDOp) -> bool:
    """Whether a descriptor runs more than once: if not, nobody asks how far its iteration goes on."""
    task = op.parent_op()
    assert isinstance(task, DMAConfigureTaskOp), "descriptors of sequences belong to tasks"
    starts = [start for start in users(task, DMAStartTaskOp) if isinstance(start, DMAStartTaskOp)]
    return sum(start.runs(task) for start in starts) > 1


def other_stride(module: ModuleOp, random: Random) -> Change | None:
    """A stride that is used is two words, one pixel, longer."""
    found = [op for op in _all_descriptors(module) if op.dimensions is not None]
    op = _draw(random, found)
    if op is None or op.dimensions is None:
        return None
    dimensions = list(op.dimensions.data)
    places = [place for place, (size, _) in enumerate(dimensions) if size > 1]
    if len(dimensions) == TASK_DIMENSIONS and not _goes_on(op):
        places = [place for place in places if place]
    if not places:
        return None
    place = random.choice(places)
    size, stride = dimensions[place]
    site = f"dimension {place} of {_site(module, op)}"
    dimensions[place] = (size, stride + 2)
    op.properties["dimensions"] = BDDimLayoutArrayAttr(tuple(dimensions))
    return Change(site)


def swap_numbers(module: ModuleOp, random: Random) -> Change | None:
    """A descriptor gets the number of another one of its tile."""
    tasks = tasks_of(module)
    task = random.choice(tasks)
    mine = descriptors(task)[0]
    others = [
        op.bd_id
        for other in tasks
        if other.tile is task.tile
        for op in descriptors(other)
        if op.bd_id is not None and op.bd_id != mine.bd_id
    ]
    number = _draw(random, others)
    if number is None:
        return None
    site = _site(module, mine)
    mine.properties["bd_id"] = number
    # a number is only a name: where nothing else has it at the time, any other will do
    return Change(site, lambda: None)


def other_buffer(module: ModuleOp, random: Random) -> Change | None:
    """A descriptor moves another buffer of the same type's tile, or another argument."""
    op = random.choice(_all_descriptors(module))
    if isinstance(op.buffer.owner, Operation):
        mine = op.buffer.owner
        assert isinstance(mine, BufferOp)
        others = [other.buffer for other in _in_device(module, BufferOp) if other is not mine]
    else:
        others = [argument for argument in op.buffer.owner.args if argument is not op.buffer]
    other = _draw(random, others)
    if other is None:
        return None
    site = _site(module, op)
    op.operands[0] = other
    return Change(site)


def alias_buffers(module: ModuleOp, random: Random) -> Change | None:
    """A buffer lies where another one of its tile begins."""
    buffers = _in_device(module, BufferOp)
    pairs = [(one, other) for one in buffers for other in buffers if one is not other and one.tile is other.tile]
    pair = _draw(random, pairs)
    if pair is None:
        return None
    one, other = pair
    site = _site(module, one)
    assert other.address is not None
    one.properties["address"] = other.address
    return Change(site)


def move_buffer(module: ModuleOp, random: Random) -> Change | None:
    """A core's buffer lies 64 bytes lower."""
    buffers = [op for op in _in_device(module, BufferOp) if op.address is not None and int_value(op.address)]
    op = _draw(random, buffers)
    if op is None or op.address is None:
        return None
    site = _site(module, op)
    op.properties["address"] = i32_attr(int_value(op.address) - 64)
    return Change(site)


def redirect_flow(module: ModuleOp, random: Random) -> Change | None:
    """Two streams end at each other's destinations."""
    flows = _in_device(module, FlowOp)
    one, other = random.sample(flows, 2)
    site = f"{_site(module, one)} and {_site(module, other)}"
    ends = [(flow.dest, flow.dest_channel) for flow in (one, other)]
    for flow, (dest, channel) in zip((one, other), reversed(ends), strict=True):
        flow.operands[1] = dest
        flow.properties["dest_channel"] = channel
    return Change(site)


def _load_nonsense(loads: Sequence[Operation]) -> None:
    """Values that no parameter has, in place of what is loaded."""
    for load in loads:
        result, block = load.results[0], load.parent
        assert block is not None, "an operation lies in a block"
        nonsense = ConstantOp(IntegerAttr(0x55AA55, cast("IntegerType", result.type)))
        block.insert_op_before(nonsense, load)
        result.replace_all_uses_with(nonsense.result)


def other_loop(module: ModuleOp, random: Random) -> Change | None:
    """A constant of a core's program, a bound or a step or an index, is one too large."""
    found = [op for op in _in_cores(module, ConstantOp) if isinstance(op.value, IntegerAttr)]
    op = _draw(random, found)
    if op is None:
        return None
    assert isinstance(op.value, IntegerAttr)
    site = _site(module, op)
    value = op.value.value.data
    kind = op.value.type
    op.properties["value"] = IntegerAttr(value + 1 if abs(value) < 1 << 16 else value - 1, kind)
    loads = [use.operation for use in op.result.uses]
    if all(isinstance(load, LoadOp) for load in loads):
        # an index far away is a mistake in itself; whether anybody looks is seen by what is loaded
        return Change(site, lambda: _load_nonsense(loads))
    return Change(site, lambda: op.properties.__setitem__("value", IntegerAttr(value + 60, kind)))


def _other_word(module: ModuleOp, random: Random, last: int | None, other: Callable[[np.int32], int]) -> Change:
    (image,) = [op for op in module.walk() if isinstance(op, ImageOp)]
    words = array_of(image.values).reshape(-1).copy()
    index = random.randrange(words.size if last is None else last)
    site = f"word {index} of {words.size}, which is {int(words[index])}"
    words[index] = other(words[index])
    image.properties["values"] = constant_attribute(words, "changed")

    def absurd() -> None:
        words[index] ^= 0x55AA55
        image.properties["values"] = constant_attribute(words, "absurd")

    return Change(site, absurd)


def other_parameter(module: ModuleOp, random: Random) -> Change:
    """A parameter of the first core in the first launch is one too large."""
    return _other_word(module, random, PARAMETER_WORDS, lambda word: int(word) + 1)


def other_weights(module: ModuleOp, random: Random) -> Change:
    """In a word of what the shims load (bias, Γ, blocks, parameters) a bit of every byte is wrong."""
    return _other_word(module, random, None, lambda word: int(word) ^ 0x20202020)


DEVICE_MUTATIONS: tuple[DeviceMutation, ...] = (
    forget_lock_in_core,
    other_lock_in_core,
    other_count_in_core,
    other_first_value,
    swap_locks,
    other_stride,
    swap_numbers,
    other_buffer,
    alias_buffers,
    move_buffer,
    redirect_flow,
    other_loop,
    other_parameter,
    other_weights,
)
