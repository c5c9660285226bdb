"""A wrong program of the array level fails: other numbers, a race, a deadlock, or an error that names the place."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interpret.array_mutations import MUTATIONS, Mutation
from interpret.array_programs import (
    LONG_ROWS,
    PARTIAL_ROWS,
    ArrayProgram,
    device_of,
    residual_program,
    sequence_of,
    tasks_of,
)
from interpret.device_mutations import (
    DeviceMutation,
    alias_buffers,
    move_buffer,
    other_buffer,
    other_stride,
    redirect_flow,
    swap_locks,
)
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, SymbolRefAttr
from xdsl.dialects.memref import LoadOp

from compiler.errors import BlockloomError
from compiler.interpret.aie import interpret_aie
from compiler.interpret.aie_descriptors import LoadedDescriptor
from compiler.interpret.aie_machine import DeadlockError
from compiler.interpret.aie_memory import Memory, RaceError
from compiler.kernels.parameters import PARAMETER_WORDS, Parameter
from compiler.transfers.window import Window
from dialects.aie import CoreOp, FlowOp, LockAction, LockOp, UseLockOp
from dialects.aie_attributes import i32_attr
from dialects.aiex import DMAAwaitTaskOp, DMAStartTaskOp
from dialects.bsr import array_of
from dialects.constants import constant_attribute
from dialects.mem import ImageOp, RunOp
from passes.aie_check import check_array

TARGETS = ("mesh-1x1", "mesh-2x2")
SEEDS = range(4)
"""Even seeds hurry DMA engines, odd ones hold them back."""


def verdict(program: ArrayProgram, module: ModuleOp) -> type[BlockloomError] | str:
    """How a module fails on the first seed on which it does; "right" if it never does."""
    for seed in SEEDS:
        try:
            run = interpret_aie(module, program.inputs, seed=seed)
        except BlockloomError as error:
            return type(error)
        results = {**run.tensors, **run.outputs}
        if not all(np.array_equal(results[name], program.expected[name]) for name in results):
            return "other numbers"
    return "right"


def changed(program: ArrayProgram, mutation: Mutation, index: int) -> tuple[ModuleOp, int]:
    """The program with the first task from `index` on changed that the mutation can change, and which one it was."""
    module = program.module.clone()
    tasks = tasks_of(module)
    for chosen in (*range(index, len(tasks)), *range(index)):
        if mutation(tasks[chosen]):
            return module, chosen
    raise AssertionError(f"no task can be changed by {mutation.__name__}")


@pytest.mark.parametrize("target", TARGETS)
def test_the_program_is_right_as_it_is(target: str) -> None:
    program = residual_program(target)
    assert verdict(program, program.module) == "right"


@given(mutation=st.sampled_from(MUTATIONS), index=st.integers(0, 25))
def test_every_wrong_task_is_caught(mutation: Mutation, index: int) -> None:
    program = residual_program("mesh-1x1")
    module, chosen = changed(program, mutation, index)
    assert verdict(program, module) != "right", f"{mutation.__name__} of task {chosen}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_wrong_tasks_of_several_cores_are_caught(mutation: Mutation) -> None:
    program = residual_program("mesh-2x2")
    # two tasks each, beginning at another place for each mutation: all kinds of channels come up
    for index in (5 * MUTATIONS.index(mutation), 5 * MUTATIONS.index(mutation) + 39):
        module, chosen = changed(program, mutation, index)
        assert verdict(program, module) != "right", f"task {chosen}"


CAUGHT = (swap_locks, other_stride, other_buffer, alias_buffers, move_buffer, redirect_flow)
"""Mutations of devices that always change something."""


@pytest.mark.parametrize("mutation", CAUGHT, ids=lambda mutation: mutation.__name__)
def test_a_device_with_a_mistake_is_refused_or_fails(mutation: DeviceMutation) -> None:
    """By `aie-check` or by the interpreter; `tests/benchmarks/mutate_programs.py` says which, for many more."""
    program = residual_program("mesh-1x1")
    for seed in range(4):
        module = program.module.clone()
        change = mutation(module, Random(seed))
        assert change is not None
        assert check_array(module) or verdict(program, module) != "right", change.site


def test_a_run_of_words_may_have_gaps() -> None:
    """One dimension with a stride is not one run of words."""
    memory = Memory("memory", 64, np.random.default_rng(0))
    words, inside = LoadedDescriptor(0, memory, 4, Window(0, 1, (5,), (3,)), None, None).words(0, 1, 3)
    assert inside is None
    np.testing.assert_array_equal(np.arange(64)[words], [8, 11, 14])


def locks_named(module: ModuleOp, name: str) -> list[LockOp]:
    ops = device_of(module).body.block.ops
    return [op for op in ops if isinstance(op, LockOp) and op.sym_name is not None and op.sym_name.data == name]


def _in_core(op: UseLockOp) -> bool:
    parent = op.parent_op()
    while parent is not None and parent.name != "aie.core":
        parent = parent.parent_op()
    return parent is not None


def uses_in_cores(module: ModuleOp, name: str, action: LockAction) -> list[UseLockOp]:
    """Lock operations of core programs on a lock."""
    (lock,) = locks_named(module, name)
    inside = [op for op in device_of(module).walk() if isinstance(op, UseLockOp) and op.lock is lock.result]
    return [op for op in inside if op.lock_action is action and _in_core(op)]


def forget_in_core(name: str, action: LockAction) -> Callable[[ModuleOp], None]:
    def change(module: ModuleOp) -> None:
        core_uses = uses_in_cores(module, name, action)
        assert core_uses, f"the core program uses {name}"
        for op in core_uses:
            op.detach()

    return change


def no_parameter_slot(module: ModuleOp) -> None:
    (lock,) = locks_named(module, "parameters_empty_0_2")
    lock.properties["init"] = i32_attr(0)


def set_parameter(parameter: Parameter, value: Callable[[int], int]) -> Callable[[ModuleOp], None]:
    """Change a parameter of the first core in the first launch."""

    def change(module: ModuleOp) -> None:
        image = next(op for op in module.walk() if isinstance(op, ImageOp))
        words = array_of(image.values).reshape(-1).copy()
        assert words.size > PARAMETER_WORDS
        words[parameter] = value(int(words[parameter]))
        image.properties["values"] = constant_attribute(words, "changed")

    return change


def wait_at_the_end(module: ModuleOp) -> None:
    """All waits move to the end of the sequence."""
    block = sequence_of(module)
    for op in [op for op in block.ops if isinstance(op, DMAAwaitTaskOp)]:
        op.detach()
        block.add_op(op)


def wait_before_the_start(module: ModuleOp) -> None:
    """The first wait stands before the start of its task."""
    block = sequence_of(module)
    wait = next(op for op in block.ops if isinstance(op, DMAAwaitTaskOp))
    start = next(op for op in block.ops if isinstance(op, DMAStartTaskOp) and op.task is wait.task)
    wait.detach()
    block.insert_op_before(wait, start)


def cut_flow(module: ModuleOp) -> None:
    """The stream of outputs leads nowhere."""
    flows = [op for op in device_of(module).body.block.ops if isinstance(op, FlowOp)]
    flows[1].detach()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (forget_in_core("input_full_0_2", LockAction.AcquireGreaterEqual), RaceError),
        (forget_in_core("weights_full_0_2", LockAction.AcquireGreaterEqual), RaceError),
        (forget_in_core("output_full_0_2", LockAction.Release), DeadlockError),
        (forget_in_core("input_empty_0_2", LockAction.Release), DeadlockError),
        (forget_in_core("parameters_full_0_2", LockAction.AcquireGreaterEqual), RaceError),
        (no_parameter_slot, DeadlockError),
        (set_parameter(Parameter.OUTPUT_BASE, lambda old: 0), RaceError),
        (set_parameter(Parameter.ROWS, lambda old: old + 1), BlockloomError),
        (set_parameter(Parameter.ROWS, lambda old: 1 << 30), BlockloomError),
        (set_parameter(Parameter.WEIGHT_FIRST, lambda old: old + 1), RaceError),
        (set_parameter(Parameter.ROW_ORIGIN, lambda old: old + 1), "other numbers"),
        (set_parameter(Parameter.SHIFT, lambda old: old + 1), "other numbers"),
        (set_parameter(Parameter.TAPS, lambda old: old + 1), BlockloomError),
        (set_parameter(Parameter.PARTIAL_BASE, lambda old: old - 100000), BlockloomError),
        (wait_at_the_end, BlockloomError),
        (wait_before_the_start, DeadlockError),
        (cut_flow, BlockloomError),
    ],
)
def test_a_wrong_device_is_caught(change: Callable[[ModuleOp], None], expected: type[BlockloomError] | str) -> None:
    program = residual_program("mesh-1x1")
    module = program.module.clone()
    change(module)
    assert verdict(program, module) == expected


@pytest.mark.parametrize("parameter", [Parameter.PARTIAL_BASE, Parameter.PARTIAL_ROW, Parameter.WEIGHT_FIRST])
def test_a_core_that_reads_the_parameter_behind_is_caught(parameter: Parameter) -> None:
    """Where it matters: with one row of partial sums, or if all weights begin with the first slot, it may not."""
    program = residual_program(PARTIAL_ROWS, LONG_ROWS)
    module = program.module.clone()
    core = next(op for op in device_of(module).body.block.ops if isinstance(op, CoreOp))
    (index,) = {
        op.indices[0].owner
        for op in core.walk()
        if isinstance(op, LoadOp)
        and isinstance(op.indices[0].owner, ConstantOp)
        and op.indices[0].owner.value == IntegerAttr.from_index_int_value(parameter)
    }
    assert isinstance(index, ConstantOp)
    index.properties["value"] = IntegerAttr.from_index_int_value(parameter + 1)
    assert verdict(program, module) != "right"


def test_streams_of_two_cores_are_exchanged() -> None:
    program = residual_program("mesh-2x2")
    module = program.module.clone()
    flows = [op for op in device_of(module).body.block.ops if isinstance(op, FlowOp)]
    first, second = flows[0], flows[2]
    assert first.source is second.source, "two unicast streams of one MemTile"
    one, other = first.dest, second.dest
    first.operands[1], second.operands[1] = other, one
    assert verdict(program, module) != "right"


def test_main_must_run_a_sequence_that_exists() -> None:
    program = residual_program("mesh-1x1")
    module = program.module.clone()
    run = next(op for op in module.walk() if isinstance(op, RunOp))
    run.properties["sequence"] = SymbolRefAttr("other")
    with pytest.raises(BlockloomError, match=r"@main runs .*other.*, which no device has"):
        interpret_aie(module, program.inputs)
