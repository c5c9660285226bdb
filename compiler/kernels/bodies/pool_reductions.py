"""
What the pools do with the cells of their windows: keep the largest, or the sum and divide it.

An exact average needs a division, which a core does not have. The quotient of an int8 result has nine bits, so nine
steps of shift-and-subtract on 32 lanes give it, and the remainder decides the rounding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from xdsl.dialects import arith
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import B32, B64, W2, W8, W16, W32, Assembler
from compiler.kernels.bodies.pool_columns import COLUMN, Columns, column_words
from compiler.kernels.bodies.vector_unit import Clamper, Widener, zeros
from compiler.kernels.parameters import Parameter
from dialects.aievec import ShiftRoundSaturateOp

OFFSET_BITS = 8
"""A quotient in [-129, 129] plus 2^8 is positive."""

QUOTIENT_BITS = 9
"""Digits of a quotient in [127, 385]."""

Values = Sequence[SSAValue]


class Reduction(ABC):
    """What a pool does with the cells of its windows, in groups of four pixels."""

    outside: SSAValue | None = None
    """A cell beside the map; None for its nearest neighbour."""

    @abstractmethod
    def start(self, groups: int) -> Values:
        """What is carried before the first cell."""

    @abstractmethod
    def step(self, cells: Values, carried: Values) -> Values:
        """Take the next cell of every pixel, eight words per group."""


class Largest(Reduction):
    """The largest value under the window."""

    def __init__(self, body: Assembler):
        self.body, self.clamper = body, Clamper.of(body)
        lowest = np.full(16, 0x80808080, np.uint32).view(np.int32)
        self.lowest = {1: body.words(lowest[:8], B32), 2: body.words(lowest, B64)}

    def start(self, groups: int) -> Values:
        """Nothing is smaller. One or two groups fill a register."""
        return [self.lowest[groups]]

    def step(self, cells: Values, carried: Values) -> Values:
        """Lane by lane."""
        body = self.body
        lanes = cells[0] if len(cells) == 1 else body.shuffle(cells[0], cells[1], range(16), W16)
        return [body.maximum(body.bitcast(lanes, B32 if len(cells) == 1 else B64), carried[0])]

    def store(self, carried: Values, out: SSAValue) -> None:
        """Write the pixels, clamped."""
        self.body.store(self.clamper.apply(carried[0]), out)


class Mean(Reduction):
    """The sum of the window over the number of cells that count, rounded once."""

    def __init__(self, body: Assembler, columns: Columns):
        self.body, self.clamper, self.widener = body, Clamper.of(body), Widener.of(body)
        self.none, self.outside = zeros(body), body.words(np.zeros(2, np.int32), W2)
        self.scale = body.broadcast(body.parameter_word(Parameter.NUMERATOR_SHIFT), W32)
        self.divisor_shift = body.parameter_word(Parameter.DENOMINATOR_SHIFT)
        self.half_up = body.broadcast(body.parameter_word(Parameter.ROUNDING), W32)
        self.left, self.right = (column_words(body, edge) for edge in (Parameter.COUNT_LEFT, Parameter.COUNT_RIGHT))
        self.window = body.multiply(columns.kernel, body.index(COLUMN))
        stride = body.parameter(Parameter.ROW_STRIDE)
        top = body.add(body.parameter(Parameter.ROW_ORIGIN), body.multiply(body.arguments.row, stride))
        bottom = body.minimum(body.add(top, body.parameter(Parameter.TAPS)), body.parameter(Parameter.COUNT_BOTTOM))
        self.rows = body.subtract(bottom, body.maximum(top, body.parameter(Parameter.COUNT_TOP)))

    def start(self, groups: int) -> Values:
        """Sums of int32."""
        return [self.none] * groups

    def step(self, cells: Values, carried: Values) -> Values:
        """One more cell of each pixel."""
        return [self.widener.accumulate(cell, total) for cell, total in zip(cells, carried, strict=True)]

    def store(self, carried: Values, columns: Values, out: SSAValue) -> None:
        """Divide and write four pixels, whose windows begin at `columns`."""
        body = self.body
        (total,) = carried
        lanes = [self._divisor(first) for first in columns]
        lower = body.shuffle(lanes[0], lanes[1], range(16), W16)
        upper = body.shuffle(lanes[2], lanes[3], range(16), W16)
        divisors = body.shuffle(lower, upper, range(32), W32)
        dividend = body.shift_left(body.bitcast(total, W32), self.scale)
        quotient = _rounded_quotient(body, dividend, divisors, self.half_up)
        body.store(self.clamper.apply(body.emit(ShiftRoundSaturateOp(quotient, body.word(0), B32))), out)

    def _divisor(self, first: SSAValue) -> SSAValue:
        """How many cells of a pixel's window count, scaled, in eight lanes."""
        body = self.body
        words = body.subtract(body.minimum(body.add(first, self.window), self.right), body.maximum(first, self.left))
        cells = body.multiply(self.rows, body.shift_right(words, body.index(COLUMN.bit_length() - 1)))
        return body.broadcast(body.shift_left(body.as_word(cells), self.divisor_shift), W8)


def _rounded_quotient(body: Assembler, dividend: SSAValue, divisor: SSAValue, half_up: SSAValue) -> SSAValue:
    """
    dividend / divisor to the nearest integer; a tie to the even one, or up where `half_up` is 1.

    Quotients beyond ±129 are cut to it first: they saturate to int8 all the same.
    """

    def every(value: int) -> SSAValue:
        return body.broadcast(body.word(value), W32)

    zero, one, sign, offset = every(0), every(1), every(31), every(OFFSET_BITS)
    limit = body.add(body.shift_left(divisor, every(7)), divisor)
    bounded = body.maximum(body.minimum(dividend, limit), body.subtract(zero, limit))
    positive = body.add(bounded, body.shift_left(divisor, offset))
    with body.loop(body.index(0), body.index(QUOTIENT_BITS), carried=[positive, zero]) as digit:
        rest, quotient = digit.values
        bit = body.broadcast(body.as_word(body.subtract(body.index(QUOTIENT_BITS - 1), digit.index)), W32)
        step = body.shift_left(divisor, bit)
        trial = body.subtract(rest, step)
        negative = body.shift_right(trial, sign)
        rest = body.add(trial, body.binary(arith.AndIOp, negative, step))
        body.yield_(rest, body.add(quotient, body.shift_left(body.add(negative, one), bit)))
    rest, quotient = digit.results
    rounds_up = body.binary(arith.OrIOp, body.binary(arith.AndIOp, quotient, one), half_up)
    surplus = body.subtract(divisor, body.add(body.add(rest, rest), rounds_up))
    up = body.binary(arith.ShRUIOp, surplus, sign)
    return body.add(body.subtract(quotient, body.shift_left(one, offset)), up)
