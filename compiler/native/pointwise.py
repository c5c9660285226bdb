"""
What looks at one pixel of each operand: copies, with or without another position or clamp, and sums or differences.

    void copy(input, output)      void sum(left, right, output)      the first pixels of the maps

A row is done in runs of up to 8 pixels, or pixel by pixel where they do not lie next to each other. The last run is
moved back so that it ends with the row, and what it does a second time gives the same bytes, because no map is written
over one that is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.jit.writer import Writer, Written
from compiler.native.conv import Narrowing
from compiler.native.dot_products import DotProducts
from compiler.native.layout import CHANNELS, ZERO
from compiler.native.rounding import Rescaling, as_bytes, as_values, requantised, rescaling_constants
from compiler.quantization.arithmetic import INT8_RANGE, Clamp, Rounding

MOST_PIXELS = 8
Strides = tuple[int, int, int]
"""Bytes from one pixel, from one row and from one block to the next."""


@dataclass(frozen=True)
class CopyCode:
    """A map narrowed to another one; without a shift and a clamp its bytes stay."""

    blocks: int
    rows: int
    columns: int
    input: Strides
    output: Strides
    narrowing: Narrowing
    rounding: Rounding

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""

        def narrowed(body: Writer, operands: list[str], lanes: int) -> str:
            if self.narrowing == Narrowing(0, INT8_RANGE):
                return operands[0]
            values, narrow = as_values(body, operands[0], lanes), self.narrowing
            return as_bytes(body, requantised(body, values, lanes, narrow.shift, self.rounding, narrow.clamp), lanes)

        maps = {"input": self.input, "output": self.output}
        return written_by_pixels(name, (self.blocks, self.rows, self.columns), maps, narrowed)


@dataclass(frozen=True)
class SumCode:
    """Two maps, each shifted left, added, or the second one taken off, and narrowed."""

    blocks: int
    rows: int
    columns: int
    left: Strides
    right: Strides
    output: Strides
    shifts: tuple[int, int]
    narrowing: Narrowing
    rounding: Rounding
    sign: int = 1

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""

        def added(body: Writer, operands: list[str], lanes: int) -> str:
            kind = f"<{lanes} x i32>"
            left, right = (
                body.emit(f"shl {kind} {as_values(body, operand, lanes)}, splat (i32 {shift})")
                for operand, shift in zip(operands, self.shifts, strict=True)
            )
            operation = "add" if self.sign > 0 else "sub"
            total, narrow = body.emit(f"{operation} {kind} {left}, {right}"), self.narrowing
            return as_bytes(body, requantised(body, total, lanes, narrow.shift, self.rounding, narrow.clamp), lanes)

        maps = {"left": self.left, "right": self.right, "output": self.output}
        return written_by_pixels(name, (self.blocks, self.rows, self.columns), maps, added)


@dataclass(frozen=True)
class Term:
    """A map, less its zero-point, times a factor, which is negative in a difference."""

    strides: Strides
    zero_point: int
    factor: int


@dataclass(frozen=True)
class ScaledSumCode:
    """Σ factor · (map - zero-point), times 2^-shift, rounded, plus a zero-point, clamped; of one map or of two."""

    blocks: int
    rows: int
    columns: int
    terms: tuple[Term, ...]
    output: Strides
    shift: int
    zero_point: int
    clamp: Clamp
    rounding: Rounding

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""

        def rescaled(body: Writer, operands: list[str], lanes: int) -> str:
            kind = f"<{lanes} x i64>"
            total = "zeroinitializer"
            for term, operand in zip(self.terms, operands, strict=True):
                wide = body.emit(f"zext <{lanes} x i8> {operand} to {kind}")
                around = body.emit(f"sub {kind} {wide}, splat (i64 {ZERO + term.zero_point})")
                product = body.emit(f"mul {kind} {around}, splat (i64 {term.factor})")
                total = body.emit(f"add {kind} {total}, {product}")
            numbers = [f"splat (i64 {number})" for number in rescaling_constants(self.shift, self.rounding)]
            return as_bytes(body, Rescaling(*numbers).apply(body, total, lanes, self.zero_point, self.clamp), lanes)

        maps = {f"term{number}": term.strides for number, term in enumerate(self.terms)}
        return written_by_pixels(
            name, (self.blocks, self.rows, self.columns), {**maps, "output": self.output}, rescaled
        )


def written_by_pixels(
    name: str, shape: tuple[int, int, int], maps: dict[str, Strides], result: Callable[[Writer, list[str], int], str]
) -> Written:
    """A function that stores the `result` of every run of pixels to the last of the maps."""
    blocks, rows, columns = shape
    run = min(columns, MOST_PIXELS) if all(pixel == CHANNELS for pixel, _, _ in maps.values()) else 1
    kind = f"<{run * CHANNELS} x i8>"
    body = Writer(name, [("ptr", argument) for argument in maps])
    with (
        body.loop(0, blocks) as block,
        body.loop(0, rows) as down,
        body.loop(0, columns, run) as along,
    ):
        column = body.call("i64", "llvm.smin.i64", ("i64", along.index), ("i64", str(columns - run)))
        places: list[str] = []
        for argument, (pixel_bytes, row_bytes, block_bytes) in maps.items():
            place = body.offset(f"%{argument}", body.multiply_add(block.index, block_bytes))
            place = body.offset(place, body.multiply_add(down.index, row_bytes))
            places.append(body.offset(place, body.multiply_add(column, pixel_bytes)))
        operands = [body.load(kind, place) for place in places[:-1]]
        body.store(kind, result(body, operands, run * CHANNELS), places[-1])
    body.do("ret void")
    return body.written()
