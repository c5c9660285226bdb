"""
The output rows of one call of the convolution: where each one's taps, its result and its partial sums lie.

All rows look at one row table, each from `ROW_STRIDE` entries behind those of the row before. So which entries are on
the map is known once for all of them, and of a row's own taps it is what lies in that range. Results go to one output
slot after the other, from the last one of the ring to the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import Assembler
from compiler.kernels.bodies.taps import taps_on_map
from compiler.kernels.parameters import PARAMETER_WORDS, Parameter

P = Parameter


@dataclass(frozen=True)
class OutputRow:
    """One of them."""

    table: SSAValue
    """Where its entries of the row table begin."""
    first_tap: SSAValue
    last_tap: SSAValue
    """The taps [first, last) are on the map; first > last if none is."""
    out: SSAValue
    partial: SSAValue


@dataclass(frozen=True)
class OutputRows:
    """All of them."""

    body: Assembler
    taps: SSAValue
    stride: SSAValue
    """Entries of the row table from an output row to the next one."""
    first_on_map: SSAValue
    last_on_map: SSAValue
    """The entries [first, last) of the table are on the map; first > last if none is."""
    base: SSAValue
    """Where the first output slot lies."""
    slot: SSAValue
    """Words from one to the next."""
    end: SSAValue
    partial_row: SSAValue

    @classmethod
    def of(cls, body: Assembler, taps: SSAValue) -> OutputRows:
        """
        Ask the parameters. Entries that follow each other row by row are counted from the map's own rows; taps that are
        further apart, of one output row, are looked at.
        """
        stride, base, slot, slots = (
            body.parameter(each) for each in (P.ROW_STRIDE, P.OUTPUT_BASE, P.OUTPUT_SLOT, P.OUTPUT_SLOTS)
        )
        origin, stream, step = (body.parameter(each) for each in (P.ROW_ORIGIN, P.STREAM_ROWS, P.ROW_STEP))
        partial_row = body.parameter(P.PARTIAL_ROW)
        end = body.add(base, body.multiply(slot, slots))
        top = body.add(origin, body.multiply(body.arguments.row, stride))
        first, last = body.choose_all(
            body.compare(step, "eq", body.index(1)),
            lambda: [body.subtract(body.index(0), top), body.subtract(stream, top)],
            lambda: taps_on_map(body, taps),
        )
        return cls(body, taps, stride, first, last, base, slot, end, partial_row)

    def each(self, compute: Callable[[OutputRow], None]) -> None:
        """The loop over them."""
        body = self.body
        carried = [body.arguments.out, body.arguments.partial, self.first_on_map, self.last_on_map]
        with body.loop(body.index(0), body.arguments.rows, carried=carried) as row:
            out, partial, *on_map = row.values
            first, last = (body.maximum(body.minimum(entry, self.taps), body.index(0)) for entry in on_map)
            table = body.add(body.multiply(row.index, self.stride), body.index(PARAMETER_WORDS))
            compute(OutputRow(table, first, last, out, partial))
            further = (body.subtract(entry, self.stride) for entry in on_map)
            body.yield_(self._following(out), body.add(partial, self.partial_row), *further)

    def _following(self, out: SSAValue) -> SSAValue:
        """The output slot behind `out`."""
        behind = self.body.add(out, self.slot)
        return self.body.select(self.body.compare(behind, "sge", self.end), self.base, behind)
