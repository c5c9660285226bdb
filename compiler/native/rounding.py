"""
Shift, round, saturate and clamp int32 lanes, as `compiler.quantization.arithmetic` defines it.

A right shift by up to 23 clamps first: the ends of int8 shifted back fit 32 bits, rounding keeps order, and what is
left cannot overflow when half a unit is added. Wider shifts round what falls off apart from what stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.jit.writer import Writer
from compiler.quantization.arithmetic import Clamp, Rounding

WIDEST_CLAMPED_SHIFT = 23
"""128 · 2^23 and half of 2^23 fit 31 bits."""

WIDEST_SHIFT = 31
"""An int32 within LARGEST_ACCUMULATOR, shifted right by more, is zero."""

SATURATING_SHIFT = 8
"""Any other value than 0 shifted left by this much leaves int8."""


def lanes_type(lanes: int) -> str:
    """`lanes` int32."""
    return f"<{lanes} x i32>"


def clamped(body: Writer, values: str, lanes: int, low: int, high: int) -> str:
    """Lanes within [low, high]."""
    kind = lanes_type(lanes)
    above = body.call(kind, f"llvm.smax.v{lanes}i32", (kind, values), (kind, f"splat (i32 {low})"))
    return body.call(kind, f"llvm.smin.v{lanes}i32", (kind, above), (kind, f"splat (i32 {high})"))


def requantised(body: Writer, values: str, lanes: int, shift: int, rounding: Rounding, clamp: Clamp) -> str:
    """int32 lanes times 2^-shift, rounded to int8 and clamped, still as int32. A negative shift multiplies."""
    low, high = clamp
    if shift <= 0:
        kind, left = lanes_type(lanes), min(-shift, SATURATING_SHIFT)
        if left:
            small = clamped(body, values, lanes, -128, 127)
            values = body.emit(f"shl {kind} {small}, splat (i32 {left})")
        return clamped(body, values, lanes, low, high)
    if shift <= WIDEST_CLAMPED_SHIFT:
        return _rounded(body, clamped(body, values, lanes, low << shift, high << shift), lanes, shift, rounding)
    if shift <= WIDEST_SHIFT:
        return clamped(body, _rounded_apart(body, values, lanes, shift, rounding), lanes, low, high)
    return f"splat (i32 {min(max(0, low), high)})"


def _rounded(body: Writer, values: str, lanes: int, shift: int, rounding: Rounding) -> str:
    """Add half a unit, less one if the quotient is even and ties go there, and shift."""
    kind, amount, half = lanes_type(lanes), f"splat (i32 {shift})", 1 << (shift - 1)
    if rounding == "half_even":
        quotient = body.emit(f"ashr {kind} {values}, {amount}")
        odd = body.emit(f"and {kind} {quotient}, splat (i32 1)")
        values = body.emit(f"add {kind} {values}, {odd}")
        half -= 1
    return body.emit(f"ashr {kind} {body.emit(f'add {kind} {values}, splat (i32 {half})')}, {amount}")


def _rounded_apart(body: Writer, values: str, lanes: int, shift: int, rounding: Rounding) -> str:
    """The quotient, plus what the rest of fewer than 32 bits rounds to."""
    kind, amount, half = lanes_type(lanes), f"splat (i32 {shift})", 1 << (shift - 1)
    quotient = body.emit(f"ashr {kind} {values}, {amount}")
    rest = body.emit(f"and {kind} {values}, splat (i32 {(1 << shift) - 1})")
    if rounding == "half_even":
        rest = body.emit(f"add {kind} {rest}, {body.emit(f'and {kind} {quotient}, splat (i32 1)')}")
        half -= 1
    up = body.emit(f"lshr {kind} {body.emit(f'add {kind} {rest}, splat (i32 {half})')}, {amount}")
    return body.emit(f"add {kind} {quotient}, {up}")


@dataclass(frozen=True)
class Rescaling:
    """
    A product of 62 bits as int8 of a general scale: (v + addend + ((v >> shift) & odd)) >> shift, plus the zero-point.

    `addend` is half a unit, less one where ties go to even ones; `odd` is 1 there. Without a shift both are 0. They are
    values of <lanes x i64>, so each lane may have its own.
    """

    shift: str
    addend: str
    odd: str

    def apply(self, body: Writer, products: str, lanes: int, zero_point: int, clamp: Clamp) -> str:
        """<lanes x i64> as int32 lanes within the clamp."""
        kind, vectors = f"<{lanes} x i64>", f"v{lanes}i64"
        quotient = body.emit(f"ashr {kind} {products}, {self.shift}")
        total = body.emit(f"add {kind} {products}, {self.addend}")
        total = body.emit(f"add {kind} {total}, {body.emit(f'and {kind} {quotient}, {self.odd}')}")
        result = body.emit(f"add {kind} {body.emit(f'ashr {kind} {total}, {self.shift}')}, splat (i64 {zero_point})")
        above = body.call(kind, f"llvm.smax.{vectors}", (kind, result), (kind, f"splat (i64 {clamp[0]})"))
        within = body.call(kind, f"llvm.smin.{vectors}", (kind, above), (kind, f"splat (i64 {clamp[1]})"))
        return body.emit(f"trunc {kind} {within} to {lanes_type(lanes)}")


def rescaling_constants(shift: int, rounding: Rounding) -> tuple[int, int, int]:
    """`shift`, `addend` and `odd` of a Rescaling."""
    if shift == 0:
        return 0, 0, 0
    half = 1 << (shift - 1)
    return (shift, half, 0) if rounding == "half_up" else (shift, half - 1, 1)


def as_bytes(body: Writer, values: str, lanes: int) -> str:
    """int32 lanes in the range of int8 as bytes of a map, which are 128 more."""
    narrow = body.emit(f"trunc {lanes_type(lanes)} {values} to <{lanes} x i8>")
    return body.emit(f"xor <{lanes} x i8> {narrow}, splat (i8 -128)")


def as_values(body: Writer, stored: str, lanes: int) -> str:
    """Bytes of a map as int32 lanes."""
    wide = body.emit(f"zext <{lanes} x i8> {stored} to {lanes_type(lanes)}")
    return body.emit(f"sub {lanes_type(lanes)} {wide}, splat (i32 128)")
