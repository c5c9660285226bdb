"""
Counts what each straight piece of a kernel body issues, as `compiler.kernels.cycles` describes it.

A piece is named by its way from the function: `for0/for0/if1+` is the true side of the second `if` of the first loop
of the first loop.
"""

from __future__ import annotations

from math import prod

from xdsl.dialects import arith, func, memref, scf, vector
from xdsl.dialects.builtin import IndexType, IntegerType, VectorType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from compiler.kernels.bodies.vector_unit import MULTIPLY_ACCUMULATE, SET
from compiler.kernels.cycles import Code
from dialects.aievec import ShiftRoundSaturateOp

FREE = (arith.ConstantOp, arith.IndexCastOp, arith.TruncIOp, vector.BitcastOp, scf.YieldOp, func.ReturnOp)
VECTOR_BITS = 512


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
        case memref.LoadOp() | vector.LoadOp() | vector.StoreOp():
            return address in user.indices
        case _:
            return is_distance(user, loop)


def pieces(function: func.FuncOp) -> dict[str, Code]:
    """The code of every block that issues anything."""
    found: dict[str, Code] = {}
    _count(function.body.block, "", None, found)
    return found


def _count(block: Block, path: str, loop: scf.ForOp | None, found: dict[str, Code]) -> None:
    loads: list[int] = []
    stores: list[int] = []
    vectors = scalars = loops = choices = 0
    for op in block.ops:
        match op:
            case scf.ForOp():
                _count(op.body.block, f"{path}/for{loops}", op, found)
                loops += 1
            case scf.IfOp():
                for sign, region in (("+", op.true_region), ("-", op.false_region)):
                    _count(region.block, f"{path}/if{choices}{sign}", loop, found)
                choices += 1
            case memref.LoadOp():
                loads.append(4)
            case vector.LoadOp():
                loads.append(bits(op.result.type) // 8)
            case vector.StoreOp():
                stores.append(bits(op.vector.type) // 8)
            case func.CallOp():
                assert op.callee.string_value() in (SET, MULTIPLY_ACCUMULATE)
                vectors += op.callee.string_value() == MULTIPLY_ACCUMULATE
            case ShiftRoundSaturateOp():
                vectors += 1
            case _ if isinstance(op, FREE) or follows_index(op, loop) or is_distance(op, loop):
                pass
            case _ if isinstance(op.results[0].type, VectorType):
                vectors += -(-bits(op.results[0].type) // VECTOR_BITS)
            case _:
                scalars += 1
    code = Code(tuple(loads), tuple(stores), vectors, scalars)
    if code != Code():
        found[path] = code
