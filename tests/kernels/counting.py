"""
Counts what each straight piece of a kernel body issues, as `compiler.kernels.cycles` describes it.

A piece is named by its way from the function: `for0/for0/if1+` is the true side of the second `if` of the first loop
of the first loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

from kernels.list_schedule import (
    BRANCH_LATENCY,
    LOAD_A,
    LOAD_B,
    LOAD_LATENCY,
    MATRIX,
    MATRIX_LATENCY,
    MULTIPLY_LATENCY,
    NARROW_LATENCY,
    SCALAR,
    STORE,
    VECTOR,
    VECTOR_LATENCY,
    Step,
    Sums,
    schedule_cycles,
)
from xdsl.dialects import arith, func, memref, scf, vector
from xdsl.dialects.builtin import IndexType, IntegerType, VectorType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from compiler.kernels.bodies import vector_unit
from compiler.kernels.bodies.assembler import ACCUMULATOR, W32
from compiler.kernels.pieces import Code
from dialects.aievec import ShiftRoundSaturateOp

FREE = (arith.ConstantOp, arith.IndexCastOp, arith.TruncIOp, vector.BitcastOp, scf.YieldOp, func.ReturnOp)
VECTOR_BITS = 512
SUMS_BITS = 1024
"""Of an accumulator."""
HALF_BITS = 256
"""Of a vector register; also what one load or store moves."""


Moves = list[tuple[SSAValue, Step]]
"""Accumulators that are moved to another one at the end of a part."""


def bits(kind: Attribute) -> int:
    """Of a scalar or a vector."""
    if isinstance(kind, VectorType):
        return prod(kind.get_shape()) * bits(kind.element_type)
    return kind.width.data if isinstance(kind, IntegerType) else 32


def follows_index(op: Operation, loop: scf.ForOp | None) -> bool:
    """Whether an index operation is made of the loop's index and of values from before the loop only."""
    if loop is None or not isinstance(op.results[0].type, IndexType):
        return False
    if not isinstance(op, arith.AddiOp | arith.SubiOp | arith.MuliOp):
        return False
    return all(_is_address(operand, loop) for operand in op.operands)


def _is_address(value: SSAValue, loop: scf.ForOp) -> bool:
    if value is loop.body.block.args[0]:
        return True
    if _is_before(value, loop):
        return True
    return isinstance(value.owner, Operation) and follows_index(value.owner, loop)


def _is_before(value: SSAValue, loop: scf.ForOp) -> bool:
    """Whether a value is made outside the loop."""
    owner = value.owner
    inside = owner if isinstance(owner, Block) else owner.parent_block()
    while inside is not None and inside is not loop.body.block:
        inside = inside.parent_block()
    return inside is None


def is_distance(op: Operation, loop: scf.ForOp | None) -> bool:
    """Whether an addition only adds a value from before the loop to an address: a load or store does that itself."""
    if loop is None or not isinstance(op, arith.AddiOp) or not isinstance(op.results[0].type, IndexType):
        return False
    if not any(_is_before(operand, loop) for operand in op.operands):
        return False
    return all(_takes_address(use.operation, op.results[0], loop) for use in op.results[0].uses)


def _takes_address(user: Operation, address: SSAValue, loop: scf.ForOp) -> bool:
    match user:
        case memref.LoadOp() | memref.StoreOp() | vector.LoadOp() | vector.StoreOp():
            return address in user.indices
        case _:
            return is_distance(user, loop)


def is_halves(op: Operation) -> bool:
    """Whether a shuffle only puts two halves of a register side by side, or takes one: no instruction does that."""
    if not isinstance(op, vector.ShuffleOp):
        return False
    lanes = list(op.mask.get_values())
    taken = bits(op.result.type)
    return lanes == list(range(len(lanes))) and taken % HALF_BITS == 0 and bits(op.v1.type) % HALF_BITS == 0


def copied(op: Operation) -> list[SSAValue]:
    """Accumulators that go on into a loop or out of a choice and are needed again: each is moved to its own."""
    values = op.iter_args if isinstance(op, scf.ForOp) else op.operands if isinstance(op, scf.YieldOp) else ()
    return [value for value in values if value.type == ACCUMULATOR and (_is_shared(value) or _is_outer(value, op))]


def _is_shared(value: SSAValue) -> bool:
    return sum(1 for _ in value.uses) > 1


def _is_outer(value: SSAValue, op: Operation) -> bool:
    owner = value.owner
    return (owner if isinstance(owner, Block) else owner.parent_block()) is not op.parent_block()


def issued(op: Operation, loop: scf.ForOp | None) -> Step:
    """What an operation takes of a core."""
    match op:
        case memref.LoadOp():
            return Step((LOAD_A,), 1, LOAD_LATENCY)
        case vector.LoadOp():
            size = bits(op.result.type)
            slots = (LOAD_A,) if size == bits(W32) else (LOAD_A, LOAD_B)
            return Step(slots, -(-size // HALF_BITS), LOAD_LATENCY)
        case memref.StoreOp():
            return Step((STORE,), 1, 1)
        case vector.StoreOp():
            return Step((STORE,), -(-bits(op.vector.type) // HALF_BITS), 1)
        case func.CallOp():
            match op.callee.string_value():
                case vector_unit.MULTIPLY_ACCUMULATE:
                    return Step((MATRIX,), 1, MATRIX_LATENCY)
                case vector_unit.SHUFFLE:
                    return Step((VECTOR,), 1, VECTOR_LATENCY)
                case symbol:
                    assert symbol == vector_unit.SET
                    return Step()
        case ShiftRoundSaturateOp():
            return Step((STORE,), 1, NARROW_LATENCY)
        case _ if isinstance(op, FREE) or is_halves(op) or follows_index(op, loop) or is_distance(op, loop):
            return Step()
        case _ if isinstance(op.results[0].type, VectorType):
            return Step((VECTOR,), -(-bits(op.results[0].type) // VECTOR_BITS), VECTOR_LATENCY)
        case _:
            return Step((SCALAR,), 1, MULTIPLY_LATENCY if isinstance(op, arith.MuliOp) else 1)


def pieces(function: func.FuncOp) -> dict[str, Code]:
    """The code of every block that issues anything."""
    found: dict[str, Code] = {}
    _count(function.body.block, "", None, found)
    return found


def _count(block: Block, path: str, loop: scf.ForOp | None, found: dict[str, Code]) -> None:
    """Count a block and those inside it; they and calls of kernels cut it into parts that are scheduled one by one."""
    loads: list[int] = []
    stores: list[int] = []
    used: dict[str, int] = dict.fromkeys((STORE, SCALAR, VECTOR, MATRIX), 0)
    parts: list[dict[Operation, Step]] = [{}]
    moves: Moves = []
    nested = dict.fromkeys("fi", 0)
    straight = branches = 0
    for op in block.ops:
        part = parts[-1]
        before = _makers(op.operands, part)
        for value in copied(op):
            moves.append((value, Step((VECTOR,), 1, VECTOR_LATENCY, _makers([value], part), True)))
            used[VECTOR] += 1
        match op:
            case scf.ForOp() | scf.IfOp():
                kind = "for" if isinstance(op, scf.ForOp) else "if"
                branch: list[Step] = []
                if isinstance(op, scf.IfOp):
                    branches += 1
                    branch = [_branch(_makers([op.cond], part))]
                inside = op if isinstance(op, scf.ForOp) else loop
                for sign, region in zip(("",) if kind == "for" else ("+", "-"), op.regions, strict=True):
                    _count(region.block, f"{path}/{kind}{nested[kind[0]]}{sign}", inside, found)
                nested[kind[0]] += 1
                straight += _part_cycles(block, part, moves, branch)
                parts.append({})
                moves = []
                continue
            case func.CallOp() if not op.results:
                straight += _part_cycles(block, part, moves)
                parts.append({})
                moves = []
                continue
            case memref.LoadOp():
                loads.append(4)
            case vector.LoadOp():
                loads.append(bits(op.result.type) // 8)
            case memref.StoreOp():
                stores.append(4)
            case vector.StoreOp():
                stores.append(bits(op.vector.type) // 8)
            case _:
                pass
        step = issued(op, loop)
        step.after = before
        if isinstance(op, memref.LoadOp | vector.LoadOp):
            step.after += [one for other, one in part.items() if isinstance(other, memref.StoreOp | vector.StoreOp)]
        elif not isinstance(op, memref.StoreOp | vector.StoreOp) and step.times:
            used[step.slots[0]] += step.times
        part[op] = step
    repeats = loop is not None and block is loop.body.block
    innermost = repeats and not sum(nested.values())
    back = [_branch([])] if repeats and not innermost else []
    straight += _part_cycles(block, parts[-1], moves, back)
    issues = used[MATRIX], used[VECTOR], used[STORE], used[SCALAR]
    code = Code(tuple(loads), tuple(stores), *issues, 0 if innermost else straight, branches + len(back))
    if code != Code():
        found[path] = code


def _branch(condition: list[Step]) -> Step:
    return Step((SCALAR,), 1, BRANCH_LATENCY, condition, True)


def _root(value: SSAValue) -> SSAValue:
    """What a value has been before it was seen as other lanes."""
    return _root(value.owner.source) if isinstance(value.owner, vector.BitcastOp) else value


def _readers(value: SSAValue) -> Iterator[Operation]:
    """What reads a value, as whatever lanes."""
    for use in value.uses:
        if isinstance(use.operation, vector.BitcastOp):
            yield from _readers(use.operation.result)
        else:
            yield use.operation


def _around(block: Block, outer: Block) -> Iterator[Operation]:
    """The operations that `block` is in, up to `outer`."""
    while block is not outer and (op := block.parent_op()) is not None and (above := op.parent_block()) is not None:
        yield op
        block = above


def _stays(value: SSAValue, block: Block, part: dict[Operation, Step], moves: Moves) -> bool:
    """Whether a value is still needed behind a part of a block: read there, or by the next round of a loop."""
    owner = value.owner
    made = owner if isinstance(owner, Block) else owner.parent_block()
    assert made is not None
    around = list(_around(block, made))
    if any(isinstance(op, scf.ForOp) for op in around):
        return True
    own = [region for op in around for region in op.regions if region.is_ancestor(block)]
    others = [region for op in around for region in op.regions if region not in own]
    moved = any(_root(each) is value for each, _ in moves)
    for reader in _readers(value):
        carried = moved if isinstance(reader, scf.YieldOp | scf.ForOp) else reader in part
        if not carried and not any(region.is_ancestor(reader) for region in others):
            return True
    return False


def _fill_accumulators(block: Block, part: dict[Operation, Step], moves: Moves) -> None:
    """Say which sums the steps of a part read and make."""
    known: dict[SSAValue, Sums] = {}

    def sums(value: SSAValue) -> Sums:
        root = _root(value)
        if root not in known:
            known[root] = Sums(_stays(root, block, part, moves))
        return known[root]

    for op, step in part.items():
        if not step.times:
            continue
        for root in {_root(value) for value in op.operands}:
            if bits(root.type) == SUMS_BITS and not isinstance(root.owner, arith.ConstantOp):
                step.read.append(sums(root))
                step.read[-1].uses += 1
        for value in op.results:
            if bits(value.type) == SUMS_BITS:
                step.made = sums(value)
    for value, step in moves:
        step.made = Sums(1)
        step.read.append(sums(value))
        step.read[-1].uses += 1


def _makers(values: Iterable[SSAValue], part: dict[Operation, Step]) -> list[Step]:
    """The steps of a part that make `values`."""
    return [part[value.owner] for value in values if isinstance(value.owner, Operation) and value.owner in part]


def _part_cycles(block: Block, part: dict[Operation, Step], moves: Moves, branch: Sequence[Step] = ()) -> int:
    """How long a part takes, with the `branch` at its end."""
    _fill_accumulators(block, part, moves)
    for op, step in part.items():
        step.leaves = any(use.operation not in part for result in op.results for use in result.uses)
        step.leaves |= any(isinstance(use.operation, scf.YieldOp) for result in op.results for use in result.uses)
    return schedule_cycles([*part.values(), *(step for _, step in moves), *branch])
