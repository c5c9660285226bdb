"""
The elementwise kernels with general scales that sum: addition, subtraction, and the copy to another scale.

    T = (a - zero_a) · m_a ± (b - zero_b) · m_b        y = clamp(zero + round(T · 2^-s))

An operand less its zero-point has nine bits, so a multiplier is two digits of 16 bits and T is floored to
h = floor(T · 2^-16) by one carry; `SHIFT` is s - 16. Half to even takes floor((T - 1) · 2^-16) as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, W8, W16, W32, Assembler
from compiler.kernels.bodies.rescaling import Settler, broadcast_lanes
from compiler.kernels.bodies.row_sums import LANE_WORDS, STEP_WORDS
from compiler.kernels.bodies.vector_unit import Widener, multiply_lanes, narrowed, subtract_lanes, zeros
from compiler.kernels.parameters import FACTOR_DIGIT_BITS, Kernel, Parameter, Rounding

_OPERANDS = ((Parameter.FACTOR_A, Parameter.ZERO_A), (Parameter.FACTOR_B, Parameter.ZERO_B))


@dataclass(frozen=True)
class _Operand:
    """A row, and what its values are multiplied by."""

    row: SSAValue
    zero: SSAValue
    """Sums of minus the zero-point."""
    low: SSAValue
    high: SSAValue
    """Digits of the factor in 32 lanes, as 16 words."""


def _operands(body: Assembler, count: int) -> Sequence[_Operand]:
    operands: list[_Operand] = []
    for tap, (factor, zero) in enumerate(_OPERANDS[:count]):
        word = body.parameter_word(factor)
        digits = [word, body.shift_right(word, body.word(FACTOR_DIGIT_BITS))]
        minus = body.broadcast(body.subtract(body.word(0), body.parameter_word(zero)), W32)
        low, high = (body.bitcast(broadcast_lanes(body, digit), W16) for digit in digits)
        operands.append(_Operand(body.tap(body.index(tap)), body.bitcast(minus, ACCUMULATOR), low, high))
    return operands


def _scaled_rows(symbol: str, arena_words: int, signs: Sequence[int]) -> func.FuncOp:
    body = Assembler(symbol, arena_words)
    call = body.arguments
    settler, widener, nothing = Settler.of(body), Widener.of(body), zeros(body)
    ones = body.bitcast(settler.ones, W16)
    operands = _operands(body, len(signs))
    multiplied = [multiply_lanes if sign > 0 else subtract_lanes for sign in signs]
    to_even = body.compare(body.parameter_word(Parameter.ROUNDING), "eq", body.word(Rounding.HALF_EVEN))
    start = body.word(-1 << (FACTOR_DIGIT_BITS - 1))
    lower = body.select(to_even, body.subtract(start, body.word(1)), start)
    floors = [body.bitcast(body.broadcast(each, W32), ACCUMULATOR) for each in (start, lower)]

    def settled(place: SSAValue) -> SSAValue:
        values = [
            narrowed(body, widener.accumulate(body.load(body.add(each.row, place), W8), each.zero), body.word(0))
            for each in operands
        ]
        high = nothing
        for value, operand, multiply in zip(values, operands, multiplied, strict=True):
            high = multiply(body, value, operand.high, high)
        sums: list[SSAValue] = []
        for low in floors:
            for value, operand, multiply in zip(values, operands, multiplied, strict=True):
                low = multiply(body, value, operand.low, low)
            carry = narrowed(body, low, body.word(FACTOR_DIGIT_BITS))
            sums.append(multiply_lanes(body, carry, ones, high))
        return settler.settled(*sums)

    words = body.multiply(call.blocks, body.parameter(Parameter.BLOCK_STRIDE))
    with body.loop(body.index(0), words, STEP_WORDS) as step:
        places = [step.index, body.add(step.index, body.index(LANE_WORDS))]
        settler.store_two([settled(place) for place in places], body.add(call.out, step.index))
    return body.finish()


def scaled_add(arena_words: int) -> func.FuncOp:
    """See `semantics.scaled_add`."""
    return _scaled_rows(Kernel.SCALED_ADD.symbol, arena_words, (1, 1))


def scaled_subtract(arena_words: int) -> func.FuncOp:
    """See `semantics.scaled_subtract`."""
    return _scaled_rows(Kernel.SCALED_SUBTRACT.symbol, arena_words, (1, -1))


def scaled_requantise(arena_words: int) -> func.FuncOp:
    """See `semantics.scaled_requantise`."""
    return _scaled_rows(Kernel.SCALED_REQUANTISE.symbol, arena_words, (1,))
