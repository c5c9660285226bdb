"""
The average pool: a window per output pixel, cut to the map.

Pixels whose windows lie on the map, one column apart, are summed in long steps of neighbours, like those of a
convolution with one weight. All the others, and all pixels of maps too small for that, are taken one by one, but of
several blocks at a time: they have the same columns on the map, so a sum has no cell to leave out, and the same number
of cells that count, so all lanes are divided by one divisor. The last step of blocks may have some of them twice.

A step's sums run over the cells of its windows in one loop, row by row. Steps between the borders may reach over them,
and into the next block; what belongs there is written afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import W2, W8, W16, Assembler
from compiler.kernels.bodies.pixel_loads import PixelLoads, neighbours
from compiler.kernels.bodies.pool_columns import COLUMN, Columns, column_words
from compiler.kernels.bodies.quotient import Divisors, Reciprocal, divided
from compiler.kernels.bodies.steps import step_ends, step_loops
from compiler.kernels.bodies.taps import taps_on_map
from compiler.kernels.bodies.vector_unit import Widener, gather, store_pairs, zeros
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.pool_steps import AVERAGE_STEPS, BLOCKS_TOGETHER, FEWEST_NEIGHBOURS
from compiler.kernels.row_steps import GROUP

Values = Sequence[SSAValue]
Range = tuple[SSAValue, SSAValue]


@dataclass(frozen=True)
class _Call:
    """What all pixels share."""

    body: Assembler
    columns: Columns
    window: SSAValue
    """Words from the first column of a window to its end."""
    first_tap: SSAValue
    taps: SSAValue
    """How many are on the map, from the first one."""
    rows: SSAValue
    """Of a window that count."""
    divisors: Divisors
    widener: Widener
    none: SSAValue
    block_stride: SSAValue
    row_words: SSAValue
    """Of the output."""

    @classmethod
    def of(cls, body: Assembler) -> _Call:
        """Read the geometry before the loops."""
        columns, taps = Columns.of(body), body.parameter(Parameter.TAPS)
        first_tap, last_tap = taps_on_map(body, taps)
        stride = body.parameter(Parameter.ROW_STRIDE)
        top = body.add(body.parameter(Parameter.ROW_ORIGIN), body.multiply(body.arguments.row, stride))
        bottom = body.minimum(body.add(top, taps), body.parameter(Parameter.COUNT_BOTTOM))
        return cls(
            body,
            columns,
            body.multiply(columns.kernel, body.index(COLUMN)),
            first_tap,
            body.subtract(last_tap, first_tap),
            body.subtract(bottom, body.maximum(top, body.parameter(Parameter.COUNT_TOP))),
            Divisors.of(body, body.multiply(taps, columns.kernel)),
            Widener.of(body),
            zeros(body),
            body.parameter(Parameter.BLOCK_STRIDE),
            body.multiply(columns.width, body.index(COLUMN)),
        )

    def between_borders(self) -> tuple[SSAValue, SSAValue]:
        """Pixels [first, last) that are summed as neighbours, maybe none."""
        body, columns = self.body, self.columns
        nothing = body.index(0)
        beyond = body.subtract(body.add(columns.map_width, body.index(COLUMN)), body.add(columns.origin, self.window))
        bits = body.index(COLUMN.bit_length() - 1)
        first = body.maximum(body.shift_right(body.subtract(nothing, columns.origin), bits), nothing)
        last = body.minimum(body.shift_right(beyond, bits), columns.width)
        enough = body.compare(body.subtract(last, first), "sge", body.index(FEWEST_NEIGHBOURS))
        beside = body.compare(columns.stride, "eq", body.index(COLUMN))
        able = body.binary(arith.AndIOp, body.binary(arith.AndIOp, enough, beside), self.divisors.by_products)
        return body.select(able, first, nothing), body.select(able, last, nothing)

    def cells(self, words: SSAValue, rows: SSAValue) -> SSAValue:
        """`rows` of `words`."""
        return self.body.multiply(rows, self.body.shift_right(words, self.body.index(COLUMN.bit_length() - 1)))

    def sums(self, loads: PixelLoads, first: SSAValue, end: SSAValue) -> Values:
        """Sums of groups of windows, over their columns that lie [first, end) words behind the rows' starts."""
        body = self.body
        starts = [self.first_tap, first, *[self.none] * len(loads.distances)]
        cells = self.cells(body.subtract(end, first), self.taps)
        with body.loop(body.index(0), cells, carried=starts) as cell:
            tap, column, *totals = cell.values
            address = body.add(body.tap(tap), column)
            after = body.add(column, body.index(COLUMN))
            ends = body.compare(after, "eq", end)
            body.yield_(
                body.select(ends, body.add(tap, body.index(1)), tap),
                body.select(ends, first, after),
                *(self.widener.accumulate(loads.group(n, address), total) for n, total in enumerate(totals)),
            )
        return cell.results[2:]


def _neighbours(call: _Call, reciprocal: Reciprocal, first: SSAValue, last: SSAValue) -> None:
    """The pixels [first, last) of all blocks."""
    body = call.body
    ends = step_ends(body, AVERAGE_STEPS, last)
    with body.loop(body.index(0), body.arguments.blocks) as block:
        source = body.add(call.columns.origin, body.multiply(block.index, call.block_stride))
        row = body.add(body.arguments.out, body.multiply(block.index, call.row_words))

        def compute(pixel: SSAValue, groups: int) -> None:
            along = body.multiply(pixel, body.index(COLUMN))
            start = body.add(source, along)
            loads = neighbours(body, body.index(0), groups)
            sums = call.sums(loads, start, body.add(start, call.window))
            store_pairs(body, sums, body.add(row, along), reciprocal.quotients)

        step_loops(body, first, AVERAGE_STEPS, ends, compute)


def _pixel(call: _Call, reciprocal: Reciprocal, cells: SSAValue, pixel: SSAValue, columns: Range) -> None:
    """One pixel of all blocks, whose windows have those columns on the map and `cells` that count."""
    body = call.body
    out = body.add(body.arguments.out, body.multiply(pixel, body.index(COLUMN)))
    last_block = body.subtract(body.arguments.blocks, body.index(1))
    with body.loop(body.index(0), body.arguments.blocks, BLOCKS_TOGETHER) as step:
        blocks = [body.minimum(body.add(step.index, body.index(n)), last_block) for n in range(BLOCKS_TOGETHER)]
        sources = [body.multiply(block, call.block_stride) for block in blocks]
        fours = [sources[begin : begin + GROUP] for begin in range(0, BLOCKS_TOGETHER, GROUP)]
        sums = call.sums(PixelLoads(body, W2, fours, lambda loaded: gather(body, loaded)), *columns)

        def digit_by_digit() -> SSAValue:
            # one after the other, by the same code
            nothing = body.broadcast(body.word(0), W8)
            with body.loop(body.index(0), body.index(len(sums)), carried=[*sums, nothing, nothing]) as group:
                this, other, _, done = group.values
                body.yield_(other, this, done, divided(call.divisors, this, cells))
            lower, upper = group.results[2:]
            return body.shuffle(lower, upper, range(2 * BLOCKS_TOGETHER), W16)

        words = body.choose(call.divisors.by_products, lambda: reciprocal.quotients(sums), digit_by_digit)
        for n, block in enumerate(blocks):
            pair = body.shuffle(words, words, [2 * n, 2 * n + 1], W2)
            body.store(pair, body.add(out, body.multiply(block, call.row_words)))


def avg_pool(arena_words: int) -> func.FuncOp:
    """See `semantics.avg_pool`."""
    body = Assembler(Kernel.AVG_POOL.symbol, arena_words)
    call = _Call.of(body)
    columns = call.columns
    first, last = call.between_borders()
    between = body.subtract(last, first)
    edges = [column_words(body, edge) for edge in (Parameter.COUNT_LEFT, Parameter.COUNT_RIGHT)]
    # the pixels between the borders are divided like the first of them, and are taken before the others
    before = body.select(body.compare(between, "sgt", body.index(0)), body.index(-1), body.index(0))
    with body.loop(before, body.subtract(columns.width, between)) as border:
        together = body.compare(border.index, "slt", body.index(0))
        right = body.compare(border.index, "sge", first)
        one = body.add(border.index, body.select(right, between, body.index(0)))
        pixel = body.select(together, first, one)
        start = columns.first(pixel)
        end = body.add(start, call.window)
        counted = body.subtract(body.minimum(end, edges[1]), body.maximum(start, edges[0]))
        cells = body.as_word(call.cells(counted, call.rows))
        reciprocal = Reciprocal.of(call.divisors, cells)
        on_map = body.maximum(start, body.index(0)), body.minimum(end, columns.map_width)
        body.branch(
            together,
            lambda: _neighbours(call, reciprocal, first, last),
            lambda: _pixel(call, reciprocal, cells, pixel, on_map),
        )
    return body.finish()
