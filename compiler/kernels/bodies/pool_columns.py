"""
Where the windows of a pool's output pixels lie along a row of the map.

Columns are counted in words, two each, so that inner loops have nothing to multiply.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import Assembler
from compiler.kernels.parameters import Parameter
from compiler.kernels.pool_steps import FEWEST_ON_MAP, LARGEST_FAST_STRIDE
from compiler.kernels.row_steps import GROUP

COLUMN = 2
"""Words of a column in one block."""


def column_words(body: Assembler, columns: Parameter) -> SSAValue:
    """A number of columns in words."""
    return body.multiply(body.parameter(columns), body.index(COLUMN))


@dataclass(frozen=True)
class Columns:
    """The columns of a row's windows."""

    body: Assembler
    width: SSAValue
    """Output pixels."""
    kernel: SSAValue
    """Columns of a window."""
    stride: SSAValue
    origin: SSAValue
    map_width: SSAValue

    @classmethod
    def of(cls, body: Assembler) -> Columns:
        """Read the geometry before the loops."""
        return cls(
            body,
            body.parameter(Parameter.WIDTH),
            body.parameter(Parameter.KERNEL_WIDTH),
            column_words(body, Parameter.COLUMN_STRIDE),
            column_words(body, Parameter.COLUMN_ORIGIN),
            column_words(body, Parameter.MAP_WIDTH),
        )

    def first(self, pixel: SSAValue) -> SSAValue:
        """The first column of a pixel's window."""
        return self.body.add(self.origin, self.body.multiply(pixel, self.stride))

    def several(self, first: SSAValue, stride: SSAValue) -> list[SSAValue]:
        """The first columns of four windows, `stride` apart."""
        columns = [first]
        while len(columns) < GROUP:
            columns.append(self.body.add(columns[-1], stride))
        return columns

    def on_map(self) -> tuple[SSAValue, SSAValue]:
        """Pixels [first, last) behind whole groups, whose windows lie inside; none if that are fewer than pay."""
        body = self.body
        stride = body.parameter(Parameter.COLUMN_STRIDE)
        # columns and strides of 1 and 2 pixels are powers of two words
        amount = body.minimum(stride, body.index(LARGEST_FAST_STRIDE))
        before = body.subtract(self.stride, body.add(self.origin, body.index(1)))
        window = body.multiply(self.kernel, body.index(COLUMN))
        beyond = body.subtract(body.add(self.map_width, self.stride), body.add(self.origin, window))
        before, bits = body.maximum(body.shift_right(before, amount), body.index(0)), body.index(GROUP.bit_length() - 1)
        whole = body.shift_left(body.shift_right(body.add(before, body.index(GROUP - 1)), bits), bits)
        first = body.minimum(whole, self.width)
        inside = body.minimum(body.shift_right(beyond, amount), self.width)
        enough = body.compare(body.subtract(inside, first), "sge", body.index(FEWEST_ON_MAP))
        last = body.select(enough, inside, first)
        fast = body.compare(stride, "sle", body.index(LARGEST_FAST_STRIDE))
        return body.select(fast, first, body.index(0)), body.select(fast, last, body.index(0))
