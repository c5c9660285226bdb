"""
The pooling kernels: a window per output pixel, cut to the map.

Four output pixels are computed together. For the maximum, a column outside the map is replaced by the nearest one
inside: that column belongs to the same window, so nothing changes. For the sum it counts as zero.

An exact average needs a division, which a core does not have. The quotient of an int8 result has nine bits, so nine
steps of shift-and-subtract on 32 lanes give it, and the remainder decides the rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import B32, W2, W8, W16, W32, Assembler
from compiler.kernels.bodies.vector_unit import Clamper, Widener, gather, zeros
from compiler.kernels.parameters import Kernel, Parameter
from dialects.aievec import ShiftRoundSaturateOp

GROUP = 4
"""Output pixels per step."""

COLUMN = 2
"""Words of a column in one block."""

OFFSET_BITS = 8
"""A quotient in [-129, 129] plus 2^8 is positive."""

QUOTIENT_BITS = 9
"""Digits of a quotient in [127, 385]."""


def column_words(body: Assembler, columns: Parameter) -> SSAValue:
    """A number of columns in words."""
    return body.multiply(body.parameter(columns), body.index(COLUMN))


@dataclass(frozen=True)
class Group:
    """Four output pixels of one block: first column of each one's window in words, and where the result goes."""

    columns: list[SSAValue]
    block: SSAValue
    out: SSAValue


@dataclass(frozen=True)
class Windows:
    """
    The loops over output blocks, groups of pixels, taps and columns that both pools share.

    Columns are counted in words, two each, so that the inner loop has nothing to multiply.
    """

    body: Assembler
    taps: SSAValue
    width: SSAValue
    columns: SSAValue
    stride: SSAValue
    origin: SSAValue
    map_width: SSAValue
    block_stride: SSAValue

    @classmethod
    def of(cls, body: Assembler) -> Windows:
        """Read the geometry before the loops."""
        return cls(
            body,
            body.parameter(Parameter.TAPS),
            body.parameter(Parameter.WIDTH),
            body.parameter(Parameter.KERNEL_WIDTH),
            column_words(body, Parameter.COLUMN_STRIDE),
            column_words(body, Parameter.COLUMN_ORIGIN),
            column_words(body, Parameter.MAP_WIDTH),
            body.parameter(Parameter.BLOCK_STRIDE),
        )

    def each(self, compute: Callable[[Group], SSAValue]) -> None:
        """Store what `compute` makes of every group."""
        body = self.body
        row_words = body.multiply(self.width, body.index(2))
        with body.loop(body.index(0), body.arguments.blocks) as block:
            block_out = body.add(body.arguments.out, body.multiply(block.index, row_words))
            with body.loop(body.index(0), self.width, GROUP) as group:
                column = body.add(self.origin, body.multiply(group.index, self.stride))
                columns = [column]
                for _ in range(GROUP - 1):
                    column = body.add(column, self.stride)
                    columns.append(column)
                out = body.add(block_out, body.multiply(group.index, body.index(2)))
                body.store(compute(Group(columns, body.multiply(block.index, self.block_stride), out)), out)

    def reduce(
        self, group: Group, start: SSAValue, step: Callable[[SSAValue, SSAValue], SSAValue], zero: SSAValue | None
    ) -> SSAValue:
        """Fold `step` over the cells of four windows; cells beside the map are `zero`, or their nearest neighbour."""
        body = self.body
        with body.loop(body.index(0), self.taps, carried=[start]) as tap:
            row = body.tap(tap.index)

            def over_columns() -> SSAValue:
                base = body.add(row, group.block)
                with body.loop(body.index(0), self.columns, carried=tap.values) as column:
                    along = body.multiply(column.index, body.index(COLUMN))
                    cells = [self._cell(base, body.add(first, along), zero) for first in group.columns]
                    body.yield_(step(gather(body, cells), column.values[0]))
                return column.results[0]

            on_map = body.compare(row, "sge", body.index(0))
            body.yield_(body.choose(on_map, over_columns, lambda: tap.values[0]))
        return tap.results[0]

    def _cell(self, base: SSAValue, column: SSAValue, zero: SSAValue | None) -> SSAValue:
        """The two words of one column of a row."""
        body = self.body
        rightmost = body.subtract(self.map_width, body.index(COLUMN))
        inside = body.minimum(body.maximum(column, body.index(0)), rightmost)
        cell = body.load(body.add(base, inside), W2)
        return cell if zero is None else body.select(body.compare(inside, "eq", column), cell, zero)


def max_pool(arena_words: int) -> func.FuncOp:
    """See `semantics.max_pool`."""
    body = Assembler(Kernel.MAX_POOL.symbol, arena_words)
    windows, clamper = Windows.of(body), Clamper.of(body)
    lowest = body.words(np.full(8, 0x80808080, np.uint32).view(np.int32), B32)

    def largest(cells: SSAValue, best: SSAValue) -> SSAValue:
        return body.maximum(body.bitcast(cells, B32), best)

    windows.each(lambda group: clamper.apply(windows.reduce(group, lowest, largest, None)))
    return body.finish()


def avg_pool(arena_words: int) -> func.FuncOp:
    """See `semantics.avg_pool`."""
    body = Assembler(Kernel.AVG_POOL.symbol, arena_words)
    windows, clamper, widener = Windows.of(body), Clamper.of(body), Widener.of(body)
    none, no_cell = zeros(body), body.words(np.zeros(2, np.int32), W2)
    scale = body.broadcast(body.parameter_word(Parameter.NUMERATOR_SHIFT), W32)
    divisor_shift = body.parameter_word(Parameter.DENOMINATOR_SHIFT)
    half_up = body.broadcast(body.parameter_word(Parameter.ROUNDING), W32)
    left, right = column_words(body, Parameter.COUNT_LEFT), column_words(body, Parameter.COUNT_RIGHT)
    window = body.multiply(windows.columns, body.index(COLUMN))
    stride = body.parameter(Parameter.ROW_STRIDE)
    top = body.add(body.parameter(Parameter.ROW_ORIGIN), body.multiply(body.arguments.row, stride))
    bottom = body.minimum(body.add(top, windows.taps), body.parameter(Parameter.COUNT_BOTTOM))
    rows = body.subtract(bottom, body.maximum(top, body.parameter(Parameter.COUNT_TOP)))

    def divisor(first: SSAValue) -> SSAValue:
        """How many cells of a pixel's window count, scaled, in eight lanes."""
        words = body.subtract(body.minimum(body.add(first, window), right), body.maximum(first, left))
        cells = body.multiply(rows, body.shift_right(words, body.index(COLUMN.bit_length() - 1)))
        return body.broadcast(body.shift_left(body.as_word(cells), divisor_shift), W8)

    def average(group: Group) -> SSAValue:
        total = body.bitcast(windows.reduce(group, none, widener.accumulate, no_cell), W32)
        lanes = [divisor(first) for first in group.columns]
        upper = body.shuffle(lanes[2], lanes[3], range(16), W16)
        divisors = body.shuffle(body.shuffle(lanes[0], lanes[1], range(16), W16), upper, range(32), W32)
        quotient = _rounded_quotient(body, body.shift_left(total, scale), divisors, half_up)
        return clamper.apply(body.emit(ShiftRoundSaturateOp(quotient, body.word(0), B32)))

    windows.each(average)
    return body.finish()


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
