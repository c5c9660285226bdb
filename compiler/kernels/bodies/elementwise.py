"""
The kernels that sum what they see once: addition, subtraction, and the copy to another fixed-point position.

Their rows are contiguous like the output, so they are summed as `row_sums` says. Shifts that no int8 matrix has, which
are rare, move lane by lane, 32 bytes at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import W8, W32, Assembler
from compiler.kernels.bodies.row_sums import LANE_WORDS, requantise_row, sum_rows
from compiler.kernels.bodies.vector_unit import Requantiser, Widener, zeros
from compiler.kernels.parameters import LARGEST_WEIGHT_SHIFT, Kernel, Parameter


def _elementwise(
    symbol: str, arena_words: int, shifts: tuple[Parameter, ...], signs: tuple[int, ...] = (1, 1)
) -> func.FuncOp:
    """Σ over the taps of ±(row << shift), requantised; one shift parameter per tap."""
    body = Assembler(symbol, arena_words)
    call = body.arguments
    requantiser = Requantiser.of(body)
    rows = [body.tap(body.index(tap)) for tap in range(len(shifts))]
    amounts = [body.parameter_word(shift) for shift in shifts]
    words = body.multiply(call.blocks, body.parameter(Parameter.BLOCK_STRIDE))

    def by_products() -> None:
        wideners = [Widener.of(body, amount, sign) for amount, sign in zip(amounts, signs, strict=False)]
        sum_rows(body, requantiser, list(zip(rows, wideners, strict=True)), words, call.out)

    def by_lanes() -> None:
        none = zeros(body)
        wideners = {sign: Widener.of(body, sign=sign) for sign in signs}
        lanes = [body.broadcast(amount, W32) for amount in amounts]

        def shifted(row: SSAValue, place: SSAValue, amount: SSAValue, sign: int) -> SSAValue:
            pixels = body.load(body.add(row, place), W8)
            return body.shift_left(body.bitcast(wideners[sign].accumulate(pixels, none), W32), amount)

        def group(place: SSAValue) -> SSAValue:
            operands: Sequence[SSAValue] = [
                shifted(row, place, amount, sign) for row, amount, sign in zip(rows, lanes, signs, strict=False)
            ]
            return reduce(body.add, operands)

        requantise_row(body, requantiser, words, call.out, LANE_WORDS, group)

    small = [body.compare(amount, "sle", body.word(LARGEST_WEIGHT_SHIFT)) for amount in amounts]
    body.branch(reduce(lambda one, other: body.binary(arith.AndIOp, one, other), small), by_products, by_lanes)
    return body.finish()


def add(arena_words: int) -> func.FuncOp:
    """See `semantics.add`."""
    return _elementwise(Kernel.ADD.symbol, arena_words, (Parameter.SHIFT_A, Parameter.SHIFT_B))


def subtract(arena_words: int) -> func.FuncOp:
    """See `semantics.subtract`."""
    return _elementwise(Kernel.SUBTRACT.symbol, arena_words, (Parameter.SHIFT_A, Parameter.SHIFT_B), (1, -1))


def requantise(arena_words: int) -> func.FuncOp:
    """See `semantics.requantise_row`."""
    return _elementwise(Kernel.REQUANTISE.symbol, arena_words, (Parameter.SHIFT_A,))
