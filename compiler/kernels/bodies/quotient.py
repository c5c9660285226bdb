"""
Sums over the number of cells that they are of, rounded once and exactly: without a division.

A core has none, but a divisor that all lanes share is divided into a power of two once, and then each sum is one 16-bit
product. With n cells, 2^(L-1) < n <= 2^L, and m the integer next to 2^(15 + L) / n, the product S·m is too large or too
small by |S|·e, where e = |m·n - 2^(15 + L)| / n <= 1/2. Where the quotient is an int8, that is at most `error` below.
Adding `error` makes every product the exact quotient or up to 2·`error` larger, which is less than from any quotient of
n to the next tie, so half up is exact; and a product less 2·`error` + 1 is smaller than the exact quotient by no more
than that, so it goes down at a tie only. Of the two, `vector_unit` makes half to even.

A test does all sums of up to MOST_CELLS cells (`tests/kernels/test_quotient.py`). More are divided, digit by digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import i16
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, B32, H32, W16, W32, Assembler
from compiler.kernels.bodies.vector_unit import Clamper, Narrower, multiply_lanes
from compiler.kernels.parameters import Parameter, Rounding
from compiler.kernels.pool_steps import MOST_CELLS, MOST_QUOTIENT_SHIFT
from dialects.aievec import ShiftRoundSaturateOp

RECIPROCAL_BITS = 16
"""Digits of m, the first of which is 1."""

OFFSET_BITS = 8
"""A quotient of at least -2^8 plus 2^8 is positive."""

QUOTIENT_BITS = OFFSET_BITS + 1
"""Digits of such a sum; of the largest, 2^9, they make 2^9 - 1 and a rest, and both are beyond int8."""


@dataclass(frozen=True)
class Divisors:
    """What all quotients of a call share."""

    body: Assembler
    clamper: Clamper
    numerator_shift: SSAValue
    denominator_shift: SSAValue
    half_up: SSAValue
    """1, or 0 for half to even."""
    by_products: SSAValue
    """Whether sums of no window are too long."""
    even: SSAValue
    """`Narrower.all_but_lowest`."""

    @classmethod
    def of(cls, body: Assembler, cells: SSAValue) -> Divisors:
        """Prepare before the kernel's loops, for windows of `cells`."""
        shifts = [body.parameter_word(shift) for shift in (Parameter.NUMERATOR_SHIFT, Parameter.DENOMINATOR_SHIFT)]
        few = body.compare(cells, "sle", body.index(MOST_CELLS))
        small = body.compare(body.maximum(*shifts), "sle", body.word(MOST_QUOTIENT_SHIFT))
        return cls(
            body,
            Clamper.of(body),
            *shifts,
            half_up=body.parameter_word(Parameter.ROUNDING),
            by_products=body.binary(arith.AndIOp, few, small),
            even=Narrower.constant(body),
        )


@dataclass(frozen=True)
class Reciprocal:
    """Divides by a number of cells, at most MOST_CELLS."""

    body: Assembler
    narrower: Narrower
    factor: SSAValue
    """m in 32 lanes of 16 bits."""
    above: SSAValue
    """What is added to a product: for half up, and for what is smaller at a tie."""
    below: SSAValue

    @classmethod
    def of(cls, divisors: Divisors, cells: SSAValue) -> Reciprocal:
        """The reciprocal of `cells`, as i32."""
        body = divisors.body
        bits = body.word(0)
        for bit in range(MOST_CELLS.bit_length() - 1):
            bits = body.select(body.compare(cells, "sgt", body.word(1 << bit)), body.word(bit + 1), bits)
        # the rest of the division above the digits that are known
        digits = body.word(RECIPROCAL_BITS)
        rest = body.subtract(body.shift_left(body.word(1), bits), cells)
        start = body.add(body.shift_left(rest, digits), body.word(1))
        step = body.subtract(body.word(1), body.shift_left(cells, digits))
        with body.loop(body.index(1), body.index(RECIPROCAL_BITS), carried=[start]) as digit:
            twice = body.add(digit.values[0], digit.values[0])
            less = body.add(twice, step)
            body.yield_(body.select(body.compare(less, "sge", body.word(0)), less, twice))
        rest = body.shift_right(digit.results[0], digits)
        quotient = body.binary(arith.AndIOp, digit.results[0], body.word((1 << RECIPROCAL_BITS) - 1))
        other = body.subtract(cells, rest)
        up = body.compare(other, "slt", rest)
        factor = body.add(quotient, body.select(up, body.word(1), body.word(0)))
        # 129 instead of 128: a quotient that rounds to the end of int8 may be half more
        most = body.multiply(body.minimum(rest, other), body.word(129))
        error = body.add(body.shift_right(most, divisors.numerator_shift), body.word(1))
        less = body.subtract(body.word(-1), error)
        low = body.select(body.compare(divisors.half_up, "eq", body.word(Rounding.HALF_UP)), error, less)
        shift = body.add(body.add(bits, body.word(RECIPROCAL_BITS - 1)), divisors.denominator_shift)
        return cls(
            body,
            Narrower(body, divisors.clamper, body.subtract(shift, divisors.numerator_shift), divisors.even),
            body.bitcast(body.broadcast(body.emit(arith.TruncIOp(factor, i16)), H32), W16),
            *(body.bitcast(body.broadcast(offset, W32), ACCUMULATOR) for offset in (error, low)),
        )

    def quotients(self, totals: Sequence[SSAValue]) -> SSAValue:
        """The words of one or two groups of sums int32[32]."""
        body = self.body
        sums = [body.emit(ShiftRoundSaturateOp(body.bitcast(total, W32), body.word(0), H32)) for total in totals]
        above, below = (
            [multiply_lanes(body, total, self.factor, at) for total in sums] for at in (self.above, self.below)
        )
        return self.narrower.words(above, below)


def divided(divisors: Divisors, total: SSAValue, cells: SSAValue) -> SSAValue:
    """
    The words of a group of sums int32[32] over `cells`, an i32, however many.

    Quotients beyond ±2^OFFSET_BITS are cut to it first: they saturate to int8 all the same.
    """
    body = divisors.body

    def every(value: int) -> SSAValue:
        return body.broadcast(body.word(value), W32)

    zero, sign, offset = every(0), every(31), every(OFFSET_BITS)
    divisor = body.broadcast(body.shift_left(cells, divisors.denominator_shift), W32)
    dividend = body.shift_left(body.bitcast(total, W32), body.broadcast(divisors.numerator_shift, W32))
    highest = body.shift_left(divisor, offset)
    bounded = body.maximum(body.minimum(dividend, highest), body.subtract(zero, highest))
    with body.loop(body.index(0), body.index(QUOTIENT_BITS), carried=[body.add(bounded, highest), zero]) as digit:
        rest, complement = digit.values
        trial = body.subtract(rest, highest)
        negative = body.shift_right(trial, sign)
        rest = body.add(trial, body.binary(arith.AndIOp, negative, highest))
        body.yield_(body.add(rest, rest), body.add(body.add(complement, complement), negative))
    rest = body.shift_right(digit.results[0], offset)
    quotient = body.add(digit.results[1], every((1 << QUOTIENT_BITS) - 1 - (1 << OFFSET_BITS)))
    # twice the rest is more than the divisor, or as much and the tie goes up
    rounds_up = body.binary(arith.OrIOp, quotient, body.broadcast(divisors.half_up, W32))
    surplus = body.subtract(divisor, body.add(rest, body.binary(arith.AndIOp, rounds_up, every(1))))
    rounded = body.subtract(quotient, body.shift_right(surplus, sign))
    return divisors.clamper.apply(body.emit(ShiftRoundSaturateOp(rounded, body.word(0), B32)))
