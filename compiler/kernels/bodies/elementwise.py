"""
The kernels that see each value once: addition, and the copy to another fixed-point position.

Their rows are contiguous, [block][pixel][8 channels] like the output, so a row is one run of words. A left shift is a
product with a multiple of the identity matrix as far as that is int8, 64 bytes at a time; the last step may read and
write up to 56 bytes beyond the row. Larger shifts, which are rare, move lane by lane, 32 bytes at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import W8, W32, Assembler
from compiler.kernels.bodies.vector_unit import Requantiser, Widener, zeros
from compiler.kernels.parameters import Kernel, Parameter

LANE_WORDS = 8
"""32 int8 values."""

STEP_WORDS = 16
"""64 int8 values: what is clamped at once."""

LARGEST_WEIGHT_SHIFT = 6
"""2^6 is the largest power of two in int8."""

Group = Callable[[SSAValue], SSAValue]
"""int32[32] of the 8 words at a distance from the rows' start."""


def _elementwise(symbol: str, arena_words: int, shifts: tuple[Parameter, ...]) -> func.FuncOp:
    """Σ over the taps of (row << shift), requantised; one shift parameter per tap."""
    body = Assembler(symbol, arena_words)
    call = body.arguments
    requantiser, none = Requantiser.of(body), zeros(body)
    rows = [body.tap(body.index(tap)) for tap in range(len(shifts))]
    amounts = [body.parameter_word(shift) for shift in shifts]
    words = body.multiply(call.blocks, body.parameter(Parameter.BLOCK_STRIDE))

    def each(step_words: int, group: Group) -> None:
        with body.loop(body.index(0), words, step_words) as step:
            places = [body.add(step.index, body.index(far)) for far in range(0, step_words, LANE_WORDS)]
            requantiser.store([group(place) for place in places], body.add(call.out, step.index))

    def by_products() -> None:
        wideners = [Widener.of(body, amount) for amount in amounts]

        def group(place: SSAValue) -> SSAValue:
            total = none
            for row, widener in zip(rows, wideners, strict=True):
                total = widener.accumulate(body.load(body.add(row, place), W8), total)
            return body.bitcast(total, W32)

        each(STEP_WORDS, group)

    def by_lanes() -> None:
        widener = Widener.of(body)
        lanes = [body.broadcast(amount, W32) for amount in amounts]

        def shifted(row: SSAValue, place: SSAValue, amount: SSAValue) -> SSAValue:
            pixels = body.load(body.add(row, place), W8)
            return body.shift_left(body.bitcast(widener.accumulate(pixels, none), W32), amount)

        def group(place: SSAValue) -> SSAValue:
            operands: Sequence[SSAValue] = [
                shifted(row, place, amount) for row, amount in zip(rows, lanes, strict=True)
            ]
            return reduce(body.add, operands)

        each(LANE_WORDS, group)

    small = [body.compare(amount, "sle", body.word(LARGEST_WEIGHT_SHIFT)) for amount in amounts]
    body.branch(reduce(lambda one, other: body.binary(arith.AndIOp, one, other), small), by_products, by_lanes)
    return body.finish()


def add(arena_words: int) -> func.FuncOp:
    """See `semantics.add`."""
    return _elementwise(Kernel.ADD.symbol, arena_words, (Parameter.SHIFT_A, Parameter.SHIFT_B))


def requantise(arena_words: int) -> func.FuncOp:
    """See `semantics.requantise_row`."""
    return _elementwise(Kernel.REQUANTISE.symbol, arena_words, (Parameter.SHIFT_A,))
