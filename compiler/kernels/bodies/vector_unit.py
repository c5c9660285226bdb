"""
The three things a core's vector unit does for every kernel: multiply-accumulate, widen, and requantise.

*Multiply-accumulate*: 4 pixels × 8 channels times an 8 × 8 block into 4 × 8 int32, by the intrinsic, because
upstream's `aievec.matmul` takes activations as unsigned. *Widen*: int8 to int32 is the same instruction with the
identity matrix; xDSL has no sign extension of vectors. *Requantise*: shift, round, saturate and clamp 32 lanes at once.

Rounding on the array is half up. Half to even is exact on top of it: an even quotient gets its accumulator lowered by
1, so that only a tie falls below the half. Here every accumulator is lowered, and then raised again by the lowest bit
of its quotient. That bit may be read after the lowering: it differs only for a multiple of 2^shift, which has nothing
to round. For a shift of 0 nothing is lowered or raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import i8, i32
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, B32, B64, W4, W8, W16, W32, Assembler
from compiler.kernels.parameters import Parameter, Rounding
from dialects.aievec import ShiftRoundSaturateOp

SET = "llvm.aie2.set.I512.I256"
"""Puts 256 bits into the lower half of 512."""

MULTIPLY_ACCUMULATE = "llvm.aie2.I512.I512.ACC1024.acc32.mac.conf"
"""4 × 8 int8 times 8 × 8 int8, added to 4 × 8 int32."""

SIGNED_4X8X8 = 776
"""Configuration word: left signed (512), right signed (256), int8 4 × 8 × 8 (8)."""


def intrinsics() -> list[func.FuncOp]:
    """Declarations that the device needs beside the kernels."""
    return [
        func.FuncOp.external(SET, [W8, i32], [W16]),
        func.FuncOp.external(MULTIPLY_ACCUMULATE, [B64, W16, ACCUMULATOR, i32], [ACCUMULATOR]),
    ]


def multiply_accumulate(body: Assembler, pixels: SSAValue, block: SSAValue, sums: SSAValue) -> SSAValue:
    """`sums` + `pixels` (8 words) × `block` (16 words)."""
    wide = body.call(SET, [pixels, body.word(0)], W16)
    return body.call(MULTIPLY_ACCUMULATE, [body.bitcast(wide, B64), block, sums, body.word(SIGNED_4X8X8)], ACCUMULATOR)


def zeros(body: Assembler) -> SSAValue:
    """32 int32 sums of 0."""
    return body.words(np.zeros(32, np.int32), ACCUMULATOR)


@dataclass(frozen=True)
class Widener:
    """Adds int8 values to int32 sums; the identity matrix is loaded once per kernel."""

    body: Assembler
    identity: SSAValue

    @classmethod
    def of(cls, body: Assembler) -> Widener:
        """Prepare before the kernel's loops."""
        return cls(body, body.words(np.eye(8, dtype=np.int8).view(np.int32).reshape(-1), W16))

    def accumulate(self, pixels: SSAValue, sums: SSAValue) -> SSAValue:
        """`sums` + the 32 int8 values in `pixels`."""
        return multiply_accumulate(self.body, pixels, self.identity, sums)


@dataclass(frozen=True)
class Clamper:
    """Clamps 32 int8 lanes to [CLAMP_LOW, CLAMP_HIGH]."""

    body: Assembler
    low: SSAValue
    high: SSAValue

    @classmethod
    def of(cls, body: Assembler) -> Clamper:
        """Prepare before the kernel's loops."""
        low = body.maximum(body.parameter_word(Parameter.CLAMP_LOW), body.word(-128))
        high = body.minimum(body.parameter_word(Parameter.CLAMP_HIGH), body.word(127))
        return cls(
            body,
            body.broadcast(body.emit(arith.TruncIOp(low, i8)), B32),
            body.broadcast(body.emit(arith.TruncIOp(high, i8)), B32),
        )

    def apply(self, lanes: SSAValue) -> SSAValue:
        """int8[32] → 8 words"""
        body = self.body
        return body.bitcast(body.minimum(body.maximum(lanes, self.low), self.high), W8)

    def narrow(self, lanes: SSAValue, shift: SSAValue) -> SSAValue:
        """int32[32] → 8 words: shift right, round half up, saturate, clamp."""
        return self.apply(self.body.emit(ShiftRoundSaturateOp(lanes, shift, B32)))


@dataclass(frozen=True)
class Requantiser:
    """Shifts right by SHIFT with ROUNDING, saturates and clamps 32 int32 lanes."""

    body: Assembler
    clamper: Clamper
    shift: SSAValue
    shifts: SSAValue
    parity: SSAValue
    """1 in every lane where a tie goes to the even value, else 0."""
    lowering: SSAValue
    """What the accumulators must have been lowered by before `apply`, as a word to add: -1 or 0."""

    @classmethod
    def of(cls, body: Assembler) -> Requantiser:
        """Prepare before the kernel's loops."""
        shift = body.parameter_word(Parameter.SHIFT)
        to_even = body.compare(body.parameter_word(Parameter.ROUNDING), "eq", body.word(Rounding.HALF_EVEN))
        shifted = body.compare(shift, "sgt", body.word(0))
        both = body.binary(arith.AndIOp, to_even, shifted)
        return cls(
            body,
            Clamper.of(body),
            shift,
            body.broadcast(shift, W32),
            body.broadcast(body.select(both, body.word(1), body.word(0)), W32),
            body.select(both, body.word(-1), body.word(0)),
        )

    def apply(self, lowered: SSAValue) -> SSAValue:
        """int32[32] plus `lowering` → 8 words"""
        body = self.body
        odd = body.binary(arith.AndIOp, body.shift_right(lowered, self.shifts), self.parity)
        return self.clamper.narrow(body.add(lowered, odd), self.shift)


def gather(body: Assembler, pixels: Sequence[SSAValue]) -> SSAValue:
    """Four pixels of two words each as eight words."""
    first = body.shuffle(pixels[0], pixels[1], range(4), W4)
    second = body.shuffle(pixels[2], pixels[3], range(4), W4)
    return body.shuffle(first, second, range(8), W8)
