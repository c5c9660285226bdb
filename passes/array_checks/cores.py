"""Core programs: what they may name, and the locks that they share with DMA engines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from xdsl.ir import Operation, Region, SSAValue

from compiler.hardware.routes import FIRST_CORE_ROW
from dialects.aie import CoreOp, LockAction, UseLockOp, int_value
from passes.array_checks.fault import Found, Rule
from passes.array_program import Lock, Place, Program


def _outside(core: CoreOp) -> Iterator[tuple[Operation, SSAValue]]:
    """Operands of a core's operations that are defined outside it."""
    inside: set[Region] = {core.body}
    for op in core.walk():
        inside.update(op.regions)
    for op in core.walk():
        if op is core:
            continue
        for operand in op.operands:
            block = operand.owner if not isinstance(operand.owner, Operation) else operand.owner.parent
            if block is None or block.parent not in inside:
                yield op, operand


def _reaches(core: Place, other: Place) -> bool:
    """Whether a core's loads, stores and locks reach a tile: itself, north, west, and south if that is a core."""
    step = (other[0] - core[0], other[1] - core[1])
    return other[1] >= FIRST_CORE_ROW and step in ((0, 0), (0, 1), (0, -1), (-1, 0))


def core_names_only_memory(program: Program) -> Iterator[Found]:
    """A core uses buffers and locks from outside and nothing else; upstream compiles it without the rest."""
    for core, place in program.cores:
        for op, value in _outside(core):
            if value not in program.buffers and value not in program.locks:
                owner = value.owner.name if isinstance(value.owner, Operation) else "an argument"
                yield f"core {place}", f"{op.name} uses {owner} from outside the core; define it inside"


def core_reaches_what_it_names(program: Program) -> Iterator[Found]:
    """Buffers and locks of a core are in its own tile or the one to the north, south or west."""
    for core, place in program.cores:
        for op, value in _outside(core):
            found = program.buffers.get(value) or program.locks.get(value)
            if found is not None and not _reaches(place, found.place):
                yield f"core {place}", f"{op.name} uses {found.name} of tile {found.place}, which it does not reach"


def _uses(program: Program) -> Iterator[tuple[Place, UseLockOp, Lock]]:
    for core, place in program.cores:
        for op in core.walk():
            if isinstance(op, UseLockOp) and op.lock in program.locks:
                yield place, op, program.locks[op.lock]


def core_changes_locks_in_range(program: Program) -> Iterator[Found]:
    """A core acquires or releases 1 to 63; more is cut off."""
    limit = program.chip.lock_limit
    for place, op, lock in _uses(program):
        if not 1 <= int_value(op.value) <= limit:
            yield (
                f"core {place}",
                f"{op.lock_action.name} of {lock.name} by {int_value(op.value)}; 1 to {limit} is the range",
            )


def shared_lock_has_two_sides(program: Program) -> Iterator[Found]:
    """A lock that tasks acquire is released by somebody, and one that they release is acquired by somebody."""
    acquired: dict[Lock, str] = {}
    released: dict[Lock, str] = {}
    for task in program.tasks():
        for descriptor in task.chain:
            for use in descriptor.uses:
                side = released if use.action is LockAction.Release else acquired
                side.setdefault(use.lock, task.where)
    in_cores: dict[Lock, set[LockAction]] = defaultdict(set)
    for _, op, lock in _uses(program):
        in_cores[lock].add(op.lock_action)
    waits = {LockAction.Acquire, LockAction.AcquireGreaterEqual}
    for lock, where in acquired.items():
        if lock not in released and LockAction.Release not in in_cores[lock]:
            yield where, f"it acquires {lock.name}, which nobody releases"
    for lock, where in released.items():
        if lock not in acquired and not waits & in_cores[lock]:
            yield where, f"it releases {lock.name}, which nobody acquires"


CORE_RULES: tuple[Rule, ...] = (
    core_names_only_memory,
    core_reaches_what_it_names,
    core_changes_locks_in_range,
    shared_lock_has_two_sides,
)
