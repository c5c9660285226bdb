"""Rings: slots that a channel fills or empties in turn, task after task, by the iterations of a descriptor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from xdsl.ir import Operation

from dialects.aie import LockAction
from passes.array_checks.fault import Found, Rule
from passes.array_checks.order import where_of
from passes.array_checks.progress import ChannelKey, key_of
from passes.array_checks.turns import streams_of, turns_of
from passes.array_program import Descriptor, Lock, Program


def _place(descriptor: Descriptor, run: int) -> int:
    """Where the slot of a run begins, in elements."""
    return descriptor.offset + run % descriptor.wrap * descriptor.step


def _acquired(descriptor: Descriptor) -> Lock | None:
    uses = descriptor.uses_of(LockAction.Acquire, LockAction.AcquireGreaterEqual)
    return uses[0].lock if uses else None


def iteration_goes_on_in_a_ring(program: Program) -> Iterator[Found]:
    """
    A task begins with the first of its iterations, or acquires a lock, by which the slots of a ring go on from task to
    task: it begins behind the slot in which the task before it ended that acquires this lock on the same channel. Only
    where a core begins a launch may that be any slot, since its parameters say which.
    """
    streams = streams_of(program)
    for sequence in program.sequences:
        runs: Counter[Operation] = Counter()
        ended: dict[tuple[ChannelKey, Lock, int], tuple[int, int]] = {}
        """Turn and last slot of the task before, by place in the chain."""
        starts = [step for step in sequence.steps if step.what == "start"]
        for step, turn in zip(starts, turns_of(sequence, streams)[0], strict=True):
            key = key_of(step.task)
            for number, descriptor in enumerate(step.task.chain):
                run = runs[step.task.op] + descriptor.first_run
                where, lock = f"{where_of(step)}, descriptor {descriptor.number}", _acquired(descriptor)
                stands = run % descriptor.wrap
                if stands and lock is None:
                    yield (
                        where,
                        f"started at run {stands} of {descriptor.wrap} iterations, with no lock that counts them",
                    )
                if lock is None:
                    continue
                before, last = ended.get((key, lock, number), (turn, _place(descriptor, run - 1)))
                if stands and before == turn and last != _place(descriptor, run - 1):
                    yield (
                        where,
                        f"started at run {stands} of {descriptor.wrap} iterations, element "
                        f"{_place(descriptor, run)}; the task before it on this channel ended with the slot at {last}",
                    )
                ended[key, lock, number] = (turn, _place(descriptor, run + step.task.runs - 1))
            runs[step.task.op] += step.task.runs


RING_RULES: tuple[Rule, ...] = (iteration_goes_on_in_a_ring,)
