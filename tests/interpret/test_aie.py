"""The array interpreter's schedules and its refusals."""

from __future__ import annotations

import re

import numpy as np
import pytest
from interpret.array_programs import residual_program, sequence_of, tasks_of
from xdsl.dialects import vector
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IndexType, ModuleOp, i32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation

from compiler.errors import BlockloomError
from compiler.hardware.routes import FIRST_CORE_ROW
from compiler.interpret.aie import interpret_aie
from compiler.interpret.aie_machine import Agent, DeadlockError, Lock, LockTable, Scheduler
from compiler.interpret.aie_memory import Actor
from compiler.interpret.core_program import LONGEST_LOOP, remainder, trips
from compiler.jit.machine import has_jit
from compiler.kernels.bodies.core_program import FOREVER
from compiler.kernels.bodies.faults import KernelBodyError
from dialects.aie import TileOp, UseLockOp
from dialects.aie_attributes import i32_attr
from dialects.aiex import DMAConfigureTaskOp, DMAStartTaskOp


@pytest.mark.parametrize("target", ["mesh-1x1", "mesh-2x1", "mesh-1x3", "mesh-2x2"])
def test_every_schedule_gives_the_numbers_of_the_network(target: str) -> None:
    program = residual_program(target)
    for seed in range(4):
        run = interpret_aie(program.module, program.inputs, seed=seed)
        for name, value in {**run.tensors, **run.outputs}.items():
            np.testing.assert_array_equal(value, program.expected[name], err_msg=f"{name}, seed {seed}")


@pytest.mark.skipif(not has_jit(), reason="llvmlite is an extra")
@pytest.mark.parametrize("target", ["mesh-1x1", "mesh-2x2"])
def test_the_functions_of_the_device_give_the_numbers_of_the_network(target: str) -> None:
    """Compiled from the first call on, after some calls, or never: what ran is said, and the numbers are the same."""
    program = residual_program(target)
    said: list[str] = []
    for after in (0, 3, None):
        run = interpret_aie(program.module, program.inputs, compile_after=after)
        for name, value in {**run.tensors, **run.outputs}.items():
            np.testing.assert_array_equal(value, program.expected[name], err_msg=f"{name}, compiled after {after}")
        said.append(run.how)
    every, some, none = ([int(number) for number in re.findall(r"\d+", how)] for how in said)
    assert every[0] == every[1] > some[1] > none[1] == 0


@pytest.mark.skipif(not has_jit(), reason="llvmlite is an extra")
def test_a_body_that_leaves_its_memory_stops_the_run() -> None:
    """The device's own function is what is run: here it stores beyond the arena, which the numpy meaning does not."""
    program = residual_program("mesh-1x1")
    body = next(op for op in program.module.walk() if isinstance(op, FuncOp) and op.sym_name.data == "conv")
    far = ConstantOp.from_int_and_width(1 << 20, IndexType())
    body.body.block.insert_op_before(far, body.body.block.first_op)
    for op in body.walk():
        if isinstance(op, vector.StoreOp):
            op.operands[2] = far.result
    interpret_aie(program.module, program.inputs, compile_after=1 << 30)
    with pytest.raises(KernelBodyError, match=r"words \[1048576, 10485\d\d\) of a memory of"):
        interpret_aie(program.module, program.inputs, compile_after=0)


def _agent(number: int, name: str, is_dma: bool, log: list[str], turns: int = 3) -> Agent:
    def steps():
        for turn in range(turns):
            log.append(f"{name}{turn}")
            yield "nothing"

    agent = Agent(Actor(number, name, np.zeros(4, np.int64)), is_dma)
    agent.steps = steps()
    return agent


def order(seed: int) -> list[str]:
    """Who is chosen first, of two cores and two DMA engines."""
    scheduler, log = Scheduler(seed), list[str]()
    for number, name in enumerate("abxy"):
        scheduler.add(_agent(number, name, name in "xy", log))
    scheduler.settle()
    return log


def test_the_order_is_a_function_of_the_seed() -> None:
    assert all(order(seed) == order(seed) for seed in range(8))
    assert len({tuple(order(seed)) for seed in range(8)}) > 1


def test_odd_seeds_let_dma_engines_go_on_only_when_nothing_else_can() -> None:
    for seed in range(1, 16, 2):
        assert [name[0] in "xy" for name in order(seed)] == [False, False, True, True]
    assert any([name[0] in "xy" for name in order(seed)] != [False, False, True, True] for seed in range(0, 16, 2))


def test_a_deadlock_says_who_waits_for_what() -> None:
    scheduler = Scheduler(0)
    locks = LockTable(scheduler)
    value = ConstantOp.from_int_and_width(0, i32).result
    locks.locks[value] = Lock("full_0_2", 0, 63, np.zeros(4, np.int64))
    agent = _agent(0, "core (0, 2)", False, [], turns=0)
    agent.steps = locks.acquire(agent, value, 1)
    scheduler.add(agent)
    with pytest.raises(DeadlockError, match=r"nothing can go on: core \(0, 2\) waits for lock full_0_2"):
        scheduler.run(agent)


def test_a_lock_does_not_count_beyond_its_limit() -> None:
    locks = LockTable(Scheduler(0))
    value = ConstantOp.from_int_and_width(0, i32).result
    locks.locks[value] = Lock("full_0_2", 60, 63, np.zeros(4, np.int64))
    actor = Actor(0, "core (0, 2)", np.zeros(4, np.int64))
    locks.release(actor, value, 3)
    with pytest.raises(BlockloomError, match="lock full_0_2 is released to 64, it counts to 63"):
        locks.release(actor, value, 1)


def test_a_core_does_not_loop_over_garbage() -> None:
    assert list(trips(0, 3, 1)) == [0, 1, 2]
    assert list(trips(0, -5, 1)) == []
    assert len(trips(0, LONGEST_LOOP, 1)) == LONGEST_LOOP
    assert trips(0, FOREVER, 1)[-1] == FOREVER - 1
    with pytest.raises(BlockloomError, match="it has taken data for parameters"):
        trips(0, LONGEST_LOOP + 1, 1)
    with pytest.raises(BlockloomError, match="a step of 0; steps are at least 1"):
        trips(0, 3, 0)


def test_a_core_divides_towards_zero_and_by_nothing_else_than_numbers() -> None:
    assert [remainder(left, right) for left, right in ((7, 3), (-7, 3), (7, -3), (-7, -3))] == [1, -1, 1, -1]
    with pytest.raises(BlockloomError, match="divides 5 by 0; it has taken data for parameters"):
        remainder(5, 0)


def fails(module: ModuleOp, message: str) -> None:
    program = residual_program("mesh-1x1")
    with pytest.raises(BlockloomError, match=message):
        interpret_aie(module, program.inputs)


def start_of(module: ModuleOp, index: int) -> Operation:
    task = tasks_of(module)[index]
    return next(op for op in sequence_of(module).ops if isinstance(op, DMAStartTaskOp) and op.task is task.result)


def a_copy() -> ModuleOp:
    return residual_program("mesh-1x1").module.clone()


def test_a_queue_does_not_hold_a_fifth_task() -> None:
    module = a_copy()
    # the core's input channel: its first task waits for parameters that have not been sent yet
    waiting = next(i for i, task in enumerate(tasks_of(module)) if any(isinstance(o, UseLockOp) for o in task.walk()))
    start = start_of(module, waiting)
    for _ in range(5):
        sequence_of(module).insert_op_after(start.clone(), start)
    fails(module, "holds 4 tasks; one more is lost")


def is_of_a_core(task: DMAConfigureTaskOp) -> bool:
    tile = task.tile.owner
    assert isinstance(tile, TileOp)
    return tile.position[1] >= FIRST_CORE_ROW


def test_a_descriptor_in_use_is_not_rewritten() -> None:
    module = a_copy()
    ops = list(sequence_of(module).ops)
    first = next(task for task in tasks_of(module) if is_of_a_core(task))
    begun = next(i for i, op in enumerate(ops) if isinstance(op, DMAStartTaskOp) and op.task is first.result)
    later = next(op for op in ops[begun:] if isinstance(op, DMAConfigureTaskOp) and op.tile is first.tile)
    one, other = (next(op for op in task.walk() if op.name == "aie.dma_bd") for task in (first, later))
    other.properties["bd_id"] = one.properties["bd_id"]
    fails(module, "is rewritten while in use")


def test_a_descriptor_stays_in_its_buffer() -> None:
    module = a_copy()
    descriptor = next(op for op in tasks_of(module)[0].walk() if op.name == "aie.dma_bd")
    descriptor.properties["offset"] = i32_attr(131071)
    fails(module, "visits words 131071 to .* of a buffer of ")


def test_a_channel_without_a_flow_cannot_be_used() -> None:
    module = a_copy()
    tasks_of(module)[0].properties["channel"] = i32_attr(3)
    fails(module, r"tile \(0, 0\) has no flow at MM2S 3")


def test_inputs_must_be_those_of_the_network() -> None:
    program = residual_program("mesh-1x1")
    with pytest.raises(BlockloomError, match="missing: input0, unknown: picture"):
        interpret_aie(program.module, {"picture": program.inputs["input0"]})
