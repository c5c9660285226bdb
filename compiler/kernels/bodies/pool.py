"""
The maximum pool: a window per output pixel, cut to the map.

Where whole windows lie on the map, and neighbouring windows are one or two columns apart, pixels are loaded as for a
convolution, and one loop goes over the cells of their windows, row by row. The last such step begins earlier and takes
some pixels again, or reaches over the border if there are too few. Elsewhere four pixels are computed cell by cell: a
column outside the map is replaced by the nearest one inside, which belongs to the same window, so nothing changes.
Border rows are cut off the ends of the list of taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from xdsl.dialects import func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import B32, B64, W2, W16, Assembler
from compiler.kernels.bodies.pixel_loads import PixelLoads, every_second, neighbours
from compiler.kernels.bodies.pool_columns import COLUMN, Columns
from compiler.kernels.bodies.taps import taps_on_map
from compiler.kernels.bodies.vector_unit import Clamper, gather
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.pool_steps import MAXIMUM_STEP
from compiler.kernels.row_steps import GROUP

Values = Sequence[SSAValue]


class Largest:
    """The largest value under the window."""

    def __init__(self, body: Assembler):
        self.body, self.clamper = body, Clamper.of(body)
        lowest = np.full(16, 0x80808080, np.uint32).view(np.int32)
        self.lowest = {1: body.words(lowest[:8], B32), 2: body.words(lowest, B64)}

    def start(self, groups: int) -> Values:
        """Nothing is smaller. One or two groups fill a register."""
        return [self.lowest[1]] if groups == 1 else [self.lowest[2]] * (groups // 2)

    def step(self, cells: Values, carried: Values) -> Values:
        """Lane by lane."""
        body = self.body
        if len(cells) == 1:
            return [body.maximum(body.bitcast(cells[0], B32), carried[0])]
        pairs = [body.shuffle(*pair, range(16), W16) for pair in zip(cells[::2], cells[1::2], strict=True)]
        return [body.maximum(body.bitcast(pair, B64), last) for pair, last in zip(pairs, carried, strict=True)]

    def store(self, carried: Values, out: SSAValue) -> None:
        """Write the pixels, clamped."""
        for number, lanes in enumerate(carried):
            self.body.store(self.clamper.apply(lanes), self.body.add(out, self.body.index(16 * number)))


@dataclass(frozen=True)
class Windows:
    """Reducing the windows of a few pixels."""

    body: Assembler
    columns: Columns
    taps: tuple[SSAValue, SSAValue]
    """Those on the map, [first, last)."""
    block_stride: SSAValue
    row_words: SSAValue
    """Of the output."""
    largest: Largest

    @classmethod
    def of(cls, body: Assembler, columns: Columns, largest: Largest) -> Windows:
        """Read the geometry before the loops."""
        return cls(
            body,
            columns,
            taps_on_map(body, body.parameter(Parameter.TAPS)),
            body.parameter(Parameter.BLOCK_STRIDE),
            body.multiply(columns.width, body.index(2)),
            largest,
        )

    def on_map(self, loads: PixelLoads, start: SSAValue) -> Values:
        """Reduce windows that begin `start` words behind the rows' starts, and from one pixel to the next as loaded."""
        body = self.body
        groups = range(len(loads.distances))
        first, last = self.taps
        end = body.add(start, body.multiply(self.columns.kernel, body.index(COLUMN)))
        cells = body.multiply(body.subtract(last, first), self.columns.kernel)
        with body.loop(body.index(0), cells, carried=[first, start, *self.largest.start(len(groups))]) as cell:
            tap, column, *carried = cell.values
            address = body.add(body.tap(tap), column)
            after = body.add(column, body.index(COLUMN))
            ends = body.compare(after, "eq", end)
            body.yield_(
                body.select(ends, body.add(tap, body.index(1)), tap),
                body.select(ends, start, after),
                *self.largest.step([loads.group(group, address) for group in groups], carried),
            )
        return cell.results[2:]

    def cell_by_cell(self, columns: Values, source: SSAValue) -> Values:
        """Reduce four windows that begin at `columns`, and may reach beyond the map, of the block at `source`."""
        body = self.body

        def cells(row: SSAValue, along: SSAValue) -> Values:
            base = body.add(row, source)
            return [gather(body, [self._cell(base, body.add(column, along)) for column in columns])]

        with body.loop(*self.taps, carried=self.largest.start(1)) as tap:
            row = body.tap(tap.index)
            with body.loop(body.index(0), self.columns.kernel, carried=tap.values) as column:
                along = body.multiply(column.index, body.index(COLUMN))
                body.yield_(*self.largest.step(cells(row, along), column.values))
            body.yield_(*column.results)
        return tap.results

    def _cell(self, base: SSAValue, column: SSAValue) -> SSAValue:
        """The two words of one column of a row."""
        body = self.body
        rightmost = body.subtract(self.columns.map_width, body.index(COLUMN))
        inside = body.minimum(body.maximum(column, body.index(0)), rightmost)
        return body.load(body.add(base, inside), W2)


def max_pool(arena_words: int) -> func.FuncOp:
    """See `semantics.max_pool`."""
    body = Assembler(Kernel.MAX_POOL.symbol, arena_words)
    columns, largest = Columns.of(body), Largest(body)
    windows = Windows.of(body, columns, largest)
    first, last = columns.on_map()
    ways = {1: neighbours, 2: every_second}
    # of the loops of the fast strides, the others end where they begin
    ends = [
        body.select(body.compare(columns.stride, "eq", body.index(stride * COLUMN)), last, first) for stride in ways
    ]
    done = reduce(body.maximum, ends)
    with body.loop(body.index(0), body.arguments.blocks) as block:
        source = body.multiply(block.index, windows.block_stride)
        row = body.add(body.arguments.out, body.multiply(block.index, windows.row_words))

        def out(pixel: SSAValue) -> SSAValue:
            return body.add(row, body.multiply(pixel, body.index(2)))

        # what lies between before the borders: its surplus pixels are those of a border, or the next block's
        for loads, end in zip(ways.values(), ends, strict=True):
            pixel_loads = loads(body, body.index(0), MAXIMUM_STEP // GROUP)
            with body.loop(first, end, MAXIMUM_STEP) as step:
                pixel = body.maximum(body.minimum(step.index, body.subtract(end, body.index(MAXIMUM_STEP))), first)
                start = body.add(source, columns.first(pixel))
                largest.store(windows.on_map(pixel_loads, start), out(pixel))
        with body.loop(body.index(0), body.index(2)) as side:
            right = body.compare(side.index, "ne", body.index(0))
            begin, end = body.select(right, done, body.index(0)), body.select(right, columns.width, first)
            with body.loop(begin, end, GROUP) as pixel:
                four = columns.several(columns.first(pixel.index), columns.stride)
                largest.store(windows.cell_by_cell(four, source), out(pixel.index))
    return body.finish()
