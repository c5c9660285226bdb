"""
The pooling kernels: a window per output pixel, cut to the map.

Where whole windows lie on the map, and neighbouring windows are one or two columns apart, pixels are loaded as for a
convolution. Elsewhere four pixels are computed cell by cell: for a maximum, a column outside the map is replaced by the
nearest one inside, which belongs to the same window, so nothing changes; for a sum it counts as zero. Border rows are
cut off the ends of the list of taps.

An average over the whole map leaves one pixel per block. The pixels of blocks lie side by side in the output, and as
far apart in the input as blocks do, so whole steps of them are one line of pixels, and the rest are lines of their own.

The division of an average is long, so its loops come to one place for it, and choose inside how to add four windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import W2, Assembler
from compiler.kernels.bodies.pixel_loads import PixelLoads, every_second, neighbours, single
from compiler.kernels.bodies.pool_columns import COLUMN, Columns
from compiler.kernels.bodies.pool_reductions import Largest, Mean, Reduction, Values
from compiler.kernels.bodies.taps import taps_on_map
from compiler.kernels.bodies.vector_unit import gather
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.row_steps import GROUP


@dataclass(frozen=True)
class Windows:
    """Reducing the windows of a few pixels, which both pools share."""

    body: Assembler
    columns: Columns
    taps: tuple[SSAValue, SSAValue]
    """Those on the map, [first, last)."""
    block_stride: SSAValue
    row_words: SSAValue
    """Of the output."""
    reduction: Reduction

    @classmethod
    def of(cls, body: Assembler, columns: Columns, reduction: Reduction) -> Windows:
        """Read the geometry before the loops."""
        return cls(
            body,
            columns,
            taps_on_map(body, body.parameter(Parameter.TAPS)),
            body.parameter(Parameter.BLOCK_STRIDE),
            body.multiply(columns.width, body.index(2)),
            reduction,
        )

    def on_map(self, loads: PixelLoads, start: SSAValue) -> Values:
        """Reduce windows that begin `start` words behind the rows' starts, and from one pixel to the next as loaded."""
        body = self.body
        groups = range(len(loads.distances))

        def cells(row: SSAValue, along: SSAValue) -> Values:
            address = body.add(body.add(row, start), along)
            return [loads.group(group, address) for group in groups]

        return self._reduce(len(groups), cells)

    def cell_by_cell(self, columns: Values, source: SSAValue) -> Values:
        """Reduce four windows that begin at `columns`, and may reach beyond the map, of the block at `source`."""
        body = self.body

        def cells(row: SSAValue, along: SSAValue) -> Values:
            base = body.add(row, source)
            return [gather(body, [self._cell(base, body.add(column, along)) for column in columns])]

        return self._reduce(1, cells)

    def _reduce(self, groups: int, cells: Callable[[SSAValue, SSAValue], Values]) -> Values:
        """Carry the reduction over the windows' cells, of a row at a distance along it."""
        body = self.body
        with body.loop(*self.taps, carried=self.reduction.start(groups)) as tap:
            row = body.tap(tap.index)
            with body.loop(body.index(0), self.columns.kernel, carried=tap.values) as column:
                along = body.multiply(column.index, body.index(COLUMN))
                body.yield_(*self.reduction.step(cells(row, along), column.values))
            body.yield_(*column.results)
        return tap.results

    def _cell(self, base: SSAValue, column: SSAValue) -> SSAValue:
        """The two words of one column of a row."""
        body, outside = self.body, self.reduction.outside
        rightmost = body.subtract(self.columns.map_width, body.index(COLUMN))
        inside = body.minimum(body.maximum(column, body.index(0)), rightmost)
        cell = body.load(body.add(base, inside), W2)
        return cell if outside is None else body.select(body.compare(inside, "eq", column), cell, outside)


def max_pool(arena_words: int) -> func.FuncOp:
    """See `semantics.max_pool`."""
    body = Assembler(Kernel.MAX_POOL.symbol, arena_words)
    columns, largest = Columns.of(body), Largest(body)
    windows = Windows.of(body, columns, largest)
    groups = 2
    first, last = columns.on_map(GROUP * groups)
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

        # the right border before what lies between: its surplus pixels are the next block's, which is still to come
        with body.loop(body.index(0), body.index(2)) as side:
            right = body.compare(side.index, "ne", body.index(0))
            begin, end = body.select(right, done, body.index(0)), body.select(right, columns.width, first)
            with body.loop(begin, end, GROUP) as pixel:
                four = columns.several(columns.first(pixel.index), columns.stride)
                largest.store(windows.cell_by_cell(four, source), out(pixel.index))
        for loads, end in zip(ways.values(), ends, strict=True):
            pixel_loads = loads(body, body.index(0), columns.stride, groups)
            with body.loop(first, end, GROUP * groups) as pixel:
                start = body.add(source, columns.first(pixel.index))
                largest.store(windows.on_map(pixel_loads, start), out(pixel.index))
    return body.finish()


def _blocks_as_pixels(windows: Windows) -> SSAValue:
    """How many blocks, whole steps of them, are a line of pixels: only if rows have one, with its window on the map."""
    body, columns = windows.body, windows.columns
    end = body.add(columns.origin, body.multiply(columns.kernel, body.index(COLUMN)))
    on_map = body.binary(
        arith.AndIOp,
        body.compare(columns.origin, "sge", body.index(0)),
        body.compare(end, "sle", columns.map_width),
    )
    on_map = body.binary(arith.AndIOp, on_map, body.compare(columns.width, "eq", body.index(1)))
    amount = body.index(GROUP.bit_length() - 1)
    whole = body.shift_left(body.shift_right(body.arguments.blocks, amount), amount)
    return body.select(on_map, whole, body.index(0))


def avg_pool(arena_words: int) -> func.FuncOp:
    """See `semantics.avg_pool`."""
    body = Assembler(Kernel.AVG_POOL.symbol, arena_words)
    columns = Columns.of(body)
    mean = Mean(body, columns)
    windows = Windows.of(body, columns, mean)
    first, last = columns.on_map(GROUP)
    last = body.select(body.compare(columns.stride, "eq", body.index(COLUMN)), last, first)
    as_pixels = _blocks_as_pixels(windows)
    before = body.maximum(body.subtract(as_pixels, body.index(1)), body.index(0))
    # the last of the blocks that are pixels stands for their line
    with body.loop(before, body.arguments.blocks) as line:
        of_blocks = body.compare(line.index, "slt", as_pixels)

        def either(for_blocks: SSAValue, otherwise: SSAValue) -> SSAValue:
            return body.select(of_blocks, for_blocks, otherwise)

        source = either(body.index(0), body.multiply(line.index, windows.block_stride))
        row = body.add(body.arguments.out, either(body.index(0), body.multiply(line.index, windows.row_words)))
        apart = either(windows.block_stride, columns.stride)
        column_stride = either(body.index(0), columns.stride)
        together, gathered = (loads(body, body.index(0), apart, 1) for loads in (neighbours, single))
        with body.loop(body.index(0), either(as_pixels, columns.width), GROUP) as pixel:
            start = body.add(body.add(source, columns.origin), body.multiply(pixel.index, apart))
            column = body.add(columns.origin, body.multiply(pixel.index, column_stride))
            four = columns.several(column, column_stride)
            inside = body.binary(
                arith.AndIOp,
                body.compare(pixel.index, "sge", first),
                body.compare(pixel.index, "slt", last),
            )

            def beside() -> Values:
                return body.choose_all(
                    of_blocks,
                    lambda: windows.on_map(gathered, start),
                    lambda: windows.cell_by_cell(four, source),
                )

            sums = body.choose_all(inside, lambda: windows.on_map(together, start), beside)
            mean.store(sums, four, body.add(row, body.multiply(pixel.index, body.index(2))))
    return body.finish()
