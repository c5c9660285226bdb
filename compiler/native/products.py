"""
Products and extrema of two maps, value by value, in the loops of `pointwise`.

    void product(left, right, output)      void extremum(left, right, output)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compiler.jit.writer import Writer, Written
from compiler.native.conv import Narrowing
from compiler.native.dot_products import DotProducts
from compiler.native.layout import ZERO
from compiler.native.pointwise import Strides, written_by_pixels
from compiler.native.rounding import (
    Rescaling,
    as_bytes,
    as_values,
    clamped,
    requantised,
    rescaling_constants,
)
from compiler.quantization.arithmetic import Clamp, Rounding

Shape = tuple[int, int, int]
"""Blocks, rows and columns."""
Maps = tuple[Strides, Strides, Strides]
"""Of the two operands and the result."""


def _named(maps: Maps) -> dict[str, Strides]:
    return dict(zip(("left", "right", "output"), maps, strict=True))


@dataclass(frozen=True)
class ProductCode:
    """Two maps multiplied and narrowed."""

    shape: Shape
    maps: Maps
    narrowing: Narrowing
    rounding: Rounding

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""

        def multiplied(body: Writer, operands: list[str], lanes: int) -> str:
            left, right = (as_values(body, operand, lanes) for operand in operands)
            product, narrow = body.emit(f"mul <{lanes} x i32> {left}, {right}"), self.narrowing
            return as_bytes(body, requantised(body, product, lanes, narrow.shift, self.rounding, narrow.clamp), lanes)

        return written_by_pixels(name, self.shape, _named(self.maps), multiplied)


@dataclass(frozen=True)
class ScaledProductCode:
    """factor · (left - zero) · (right - zero), times 2^-shift, rounded, plus a zero-point, clamped."""

    shape: Shape
    maps: Maps
    zero_points: tuple[int, int, int]
    """Of the two operands and the result."""
    factor: int
    shift: int
    clamp: Clamp
    rounding: Rounding

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""

        def rescaled(body: Writer, operands: list[str], lanes: int) -> str:
            kind, product = f"<{lanes} x i64>", f"splat (i64 {self.factor})"
            for operand, zero_point in zip(operands, self.zero_points, strict=False):
                wide = body.emit(f"zext <{lanes} x i8> {operand} to {kind}")
                around = body.emit(f"sub {kind} {wide}, splat (i64 {ZERO + zero_point})")
                product = body.emit(f"mul {kind} {product}, {around}")
            numbers = [f"splat (i64 {number})" for number in rescaling_constants(self.shift, self.rounding)]
            result = Rescaling(*numbers).apply(body, product, lanes, self.zero_points[2], self.clamp)
            return as_bytes(body, result, lanes)

        return written_by_pixels(name, self.shape, _named(self.maps), rescaled)


@dataclass(frozen=True)
class ExtremumCode:
    """The larger or the smaller of two values, clamped; bytes of maps are in the order of what they mean."""

    shape: Shape
    maps: Maps
    chosen: Literal["max", "min"]
    clamp: Clamp

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""

        def taken(body: Writer, operands: list[str], lanes: int) -> str:
            kind = f"<{lanes} x i8>"
            left, right = operands
            best = body.call(kind, f"llvm.u{self.chosen}.v{lanes}i8", (kind, left), (kind, right))
            return as_bytes(body, clamped(body, as_values(body, best, lanes), lanes, *self.clamp), lanes)

        return written_by_pixels(name, self.shape, _named(self.maps), taken)
