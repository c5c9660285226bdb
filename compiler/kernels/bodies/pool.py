"""
The pooling kernels: a window per output pixel, cut to the map.

Where whole windows lie on the map, and neighbouring windows are one or two columns apart, pixels are loaded as for a
convolution. Elsewhere four pixels are computed cell by cell: for a maximum, a column outside the map is replaced by the
nearest one inside, which belongs to the same window, so nothing changes; for a sum it counts as zero. Border rows are
cut off the ends of the list of taps.

An average over the whole map leaves one pixel per block. The pixels of blocks lie side by side in the output, and as
far apart in the input as blocks do, so four blocks are computed together like four pixels of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import W2, Assembler
from compiler.kernels.bodies.pixel_loads import Loads, every_second, neighbours, single
from compiler.kernels.bodies.pool_columns import COLUMN, Columns
from compiler.kernels.bodies.pool_reductions import Largest, Mean, Reduction, Values
from compiler.kernels.bodies.taps import taps_on_map
from compiler.kernels.bodies.vector_unit import gather
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.row_steps import GROUP


@dataclass(frozen=True)
class Windows:
    """The loops over output blocks, pixels, taps and columns that both pools share."""

    body: Assembler
    columns: Columns
    taps: tuple[SSAValue, SSAValue]
    """Those on the map, [first, last)."""
    block_stride: SSAValue
    reduction: Reduction

    @classmethod
    def of(cls, body: Assembler, columns: Columns, reduction: Reduction) -> Windows:
        """Read the geometry before the loops."""
        taps = taps_on_map(body, body.parameter(Parameter.TAPS))
        return cls(body, columns, taps, body.parameter(Parameter.BLOCK_STRIDE), reduction)

    def blocks(self, begin: SSAValue, by_stride: Sequence[Loads]) -> None:
        """All pixels of the blocks from `begin` on; in the map, the loads for strides of 1, 2, … columns."""
        body, columns = self.body, self.columns
        row_words = body.multiply(columns.width, body.index(2))
        first, last = columns.on_map(self.reduction.together)
        ends: list[SSAValue] = []
        for stride in range(1, len(by_stride) + 1):
            mine = body.compare(columns.stride, "eq", body.index(stride * COLUMN))
            ends.append(body.select(mine, last, first))
        done = ends[0]
        for end in ends[1:]:
            done = body.maximum(done, end)
        with body.loop(begin, body.arguments.blocks) as block:
            source = body.multiply(block.index, self.block_stride)
            out = body.add(body.arguments.out, body.multiply(block.index, row_words))
            # the right border before what lies between: its surplus pixels are the next block's, which is still to come
            with body.loop(body.index(0), body.index(2)) as side:
                right = body.compare(side.index, "ne", body.index(0))
                begin, end = body.select(right, done, body.index(0)), body.select(right, columns.width, first)
                self._cell_by_cell(begin, end, source, out)
            for loads, end in zip(by_stride, ends, strict=True):
                self._together(first, end, source, out, loads, columns.stride, columns.first, self._neighbours)

    def blocks_as_pixels(self) -> SSAValue:
        """If rows have one pixel, whose window lies on the map, whole steps of blocks; returns the first one left."""
        body, columns = self.body, self.columns
        end = body.add(columns.origin, body.multiply(columns.kernel, body.index(COLUMN)))
        inside = body.binary(
            arith.AndIOp,
            body.compare(columns.origin, "sge", body.index(0)),
            body.compare(end, "sle", columns.map_width),
        )
        inside = body.binary(arith.AndIOp, inside, body.compare(columns.width, "eq", body.index(1)))
        amount = body.index(self.reduction.together.bit_length() - 1)
        whole = body.shift_left(body.shift_right(body.arguments.blocks, amount), amount)
        done = body.select(inside, whole, body.index(0))

        def source(block: SSAValue) -> SSAValue:
            return body.add(columns.origin, body.multiply(block, self.block_stride))

        start = body.index(0)
        same = [columns.origin] * self.reduction.together
        self._together(start, done, start, body.arguments.out, single, self.block_stride, source, lambda _: same)
        return done

    def _neighbours(self, pixel: SSAValue) -> Values:
        """The first columns of the windows that are computed together."""
        return self.columns.several(pixel, self.reduction.together)

    def _together(
        self,
        first: SSAValue,
        last: SSAValue,
        source: SSAValue,
        out: SSAValue,
        loads: Loads,
        stride: SSAValue,
        start: Callable[[SSAValue], SSAValue],
        columns: Callable[[SSAValue], Values],
    ) -> None:
        """Pixels [first, last), whole steps: their windows begin `start` words behind `source`, at `columns`."""
        body, groups = self.body, self.reduction.groups
        pixel_loads = loads(body, body.index(0), stride, groups)
        with body.loop(first, last, self.reduction.together) as pixel:
            from_source = body.add(source, start(pixel.index))

            def cells(row: SSAValue, along: SSAValue) -> Values:
                address = body.add(body.add(row, from_source), along)
                return [pixel_loads.group(group, address) for group in range(groups)]

            carried = self._reduce(groups, cells)
            self.reduction.store(
                carried, columns(pixel.index), body.add(out, body.multiply(pixel.index, body.index(2)))
            )

    def _cell_by_cell(self, first: SSAValue, last: SSAValue, source: SSAValue, out: SSAValue) -> None:
        """Pixels [first, last) in groups of four, whose windows may reach beyond the map."""
        body = self.body
        with body.loop(first, last, GROUP) as pixel:
            columns = self.columns.several(pixel.index, GROUP)

            def cells(row: SSAValue, along: SSAValue) -> Values:
                base = body.add(row, source)
                return [gather(body, [self._cell(base, body.add(column, along)) for column in columns])]

            carried = self._reduce(1, cells)
            self.reduction.store(carried, columns, body.add(out, body.multiply(pixel.index, body.index(2))))

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
    windows = Windows.of(body, Columns.of(body), Largest(body))
    windows.blocks(body.index(0), [neighbours, every_second])
    return body.finish()


def avg_pool(arena_words: int) -> func.FuncOp:
    """See `semantics.avg_pool`."""
    body = Assembler(Kernel.AVG_POOL.symbol, arena_words)
    columns = Columns.of(body)
    windows = Windows.of(body, columns, Mean(body, columns))
    windows.blocks(windows.blocks_as_pixels(), [neighbours])
    return body.finish()
