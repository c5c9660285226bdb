"""
The three things a core's vector unit does for every kernel: multiply-accumulate, widen, and requantise.

*Multiply-accumulate*: 4 pixels × 8 channels times an 8 × 8 block into 4 × 8 int32, by the intrinsic, because
upstream's `aievec.matmul` takes activations as unsigned. *Widen*: int8 to int32 is the same instruction with the
identity matrix, or a multiple of it; xDSL has no sign extension of vectors. *Requantise*: shift, round and saturate
32 lanes at once, then clamp them, 64 at a time because they are bytes by then.

A core rounds half up and saturates: upstream sets both registers where a core starts, and has no way to ask for another
rounding. Half to even follows from two of those. With r the sum rounded half up and t the sum less one, they differ at
a tie only, where t is r - 1, and where an odd r has to become t:

    max(r & ~1, t)

An even r stays. Where t is the same as r, because no shift can make a tie, because ties go up, or because both
saturate, the maximum is r.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import i8, i32
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, B32, B64, H32, W4, W8, W16, W32, Assembler
from compiler.kernels.parameters import OF_RESULT, Kernel, Narrowing, Parameter, Rounding
from compiler.kernels.row_steps import GROUP
from dialects.aievec import ShiftRoundSaturateOp

SET = "llvm.aie2.set.I512.I256"
"""Puts 256 bits into the lower half of 512."""

MULTIPLY_ACCUMULATE = "llvm.aie2.I512.I512.ACC1024.acc32.mac.conf"
"""4 × 8 int8 times 8 × 8 int8, added to 4 × 8 int32."""

SIGNED_4X8X8 = 776
"""Configuration word: left signed (512), right signed (256), int8 4 × 8 × 8 (8)."""

SIGNED_BY_UNSIGNED_LANES = 568
"""
Configuration word: left signed (512), 32 lanes of 16 bits (24) one by one (32).

As upstream composes it in `MulElemOpConversion` (mlir-aie, AIEVecToLLVM.cpp), but for the right operand's sign.
"""

SIGNED_LANES = 824
"""
Configuration word: both signed (512, 256), 32 lanes of 16 bits (24) one by one (32).

What upstream composes in `MulElemOpConversion` for `aievec.mul_elem` of int16.
"""

SHUFFLE = "llvm.aie2.vshuffle"
"""Bytes of two registers in one of the orders that the core has wires for, by number."""

TRANSPOSE_BYTES = 35
"""That of an 8 × 8 block of the first register, transposed: `t8_8x8` of upstream's AIEVecAttributes.td."""

SUBTRACTED = 2048
"""Bit of a configuration word that takes the products off (`aiev2_vmac_compute_control`, same place: `sub_mul`)."""


def intrinsics(kernels: Collection[Kernel]) -> list[func.FuncOp]:
    """Declarations that a device with these kernels needs beside them."""
    matrices = any(kernel.multiplies_maps for kernel in kernels)
    shuffle = [func.FuncOp.external(SHUFFLE, [W16, W16, i32], [W16])] if matrices else []
    return [
        func.FuncOp.external(SET, [W8, i32], [W16]),
        func.FuncOp.external(MULTIPLY_ACCUMULATE, [B64, W16, ACCUMULATOR, i32], [ACCUMULATOR]),
        *shuffle,
    ]


def multiply_accumulate(body: Assembler, pixels: SSAValue, block: SSAValue, sums: SSAValue) -> SSAValue:
    """`sums` + `pixels` (8 words) × `block` (16 words)."""
    wide = body.call(SET, [pixels, body.word(0)], W16)
    operands = [body.bitcast(wide, B64), block, body.bitcast(sums, ACCUMULATOR), body.word(SIGNED_4X8X8)]
    return body.call(MULTIPLY_ACCUMULATE, operands, ACCUMULATOR)


def transposed(body: Assembler, block: SSAValue) -> SSAValue:
    """An 8 × 8 block of bytes (16 words), transposed."""
    return body.call(SHUFFLE, [block, block, body.word(TRANSPOSE_BYTES)], W16)


def multiply_lanes(body: Assembler, lanes: SSAValue, factors: SSAValue, sums: SSAValue) -> SSAValue:
    """`sums` + `lanes` (int16[32]) times `factors` (16 words of 32 uint16), lane by lane."""
    operands = [body.bitcast(lanes, B64), factors, sums, body.word(SIGNED_BY_UNSIGNED_LANES)]
    return body.call(MULTIPLY_ACCUMULATE, operands, ACCUMULATOR)


def subtract_lanes(body: Assembler, lanes: SSAValue, factors: SSAValue, sums: SSAValue) -> SSAValue:
    """`sums` - `lanes` (int16[32]) times `factors` (16 words of 32 uint16), lane by lane."""
    operands = [body.bitcast(lanes, B64), factors, sums, body.word(SIGNED_BY_UNSIGNED_LANES | SUBTRACTED)]
    return body.call(MULTIPLY_ACCUMULATE, operands, ACCUMULATOR)


def multiply_signed(body: Assembler, left: SSAValue, right: SSAValue, sums: SSAValue) -> SSAValue:
    """`sums` + `left` times `right`, int16[32] both, lane by lane."""
    operands = [body.bitcast(left, B64), body.bitcast(right, W16), sums, body.word(SIGNED_LANES)]
    return body.call(MULTIPLY_ACCUMULATE, operands, ACCUMULATOR)


def zeros(body: Assembler) -> SSAValue:
    """32 int32 sums of 0."""
    return every_sum(body, 0)


def every_sum(body: Assembler, value: int) -> SSAValue:
    """32 int32 sums of `value`."""
    return body.words(np.full(32, value, np.int32), ACCUMULATOR)


def every_lane(body: Assembler, value: int) -> SSAValue:
    """32 lanes of 16 bits."""
    return body.words(np.full(32, value).astype(np.uint16).view(np.int32), H32)


def narrowed(body: Assembler, sums: SSAValue, shift: SSAValue) -> SSAValue:
    """int16[32] of 32 sums shifted right, rounded half up and saturated."""
    return body.emit(ShiftRoundSaturateOp(body.bitcast(sums, W32), shift, H32))


@dataclass(frozen=True)
class Widener:
    """Adds int8 values, or a power of two of them, or takes them off int32 sums; the matrix is made once per kernel."""

    body: Assembler
    diagonal: SSAValue

    @classmethod
    def of(cls, body: Assembler, shift: SSAValue | None = None, sign: int = 1) -> Widener:
        """Prepare before the kernel's loops; a `shift`, as i32, lies in [0, 6], and `sign` is 1 or -1."""
        identity = np.eye(8, dtype=np.int8)
        if shift is None:
            return cls(body, body.words((sign * identity).view(np.int32).reshape(-1), W16))
        weight = body.broadcast(body.emit(arith.TruncIOp(body.shift_left(body.word(sign), shift), i8)), B64)
        mask = body.words((-identity).view(np.int32).reshape(-1), B64)
        return cls(body, body.bitcast(body.binary(arith.AndIOp, weight, mask), W16))

    def accumulate(self, pixels: SSAValue, sums: SSAValue) -> SSAValue:
        """`sums` + the 32 int8 values in `pixels`, each shifted."""
        return multiply_accumulate(self.body, pixels, self.diagonal, sums)


def as_many(body: Assembler, constant: SSAValue, lanes: SSAValue) -> SSAValue:
    """A constant in 64 lanes, or half of it, as many as there are `lanes`."""
    return constant if lanes.type == B64 else body.shuffle(constant, constant, range(32), B32)


@dataclass(frozen=True)
class Clamper:
    """Clamps int8 lanes to [CLAMP_LOW, CLAMP_HIGH]."""

    body: Assembler
    low: SSAValue
    high: SSAValue

    @classmethod
    def of(cls, body: Assembler, narrowing: Narrowing = OF_RESULT) -> Clamper:
        """Prepare before the kernel's loops."""
        low = body.maximum(body.parameter_word(narrowing.low), body.word(-128))
        high = body.minimum(body.parameter_word(narrowing.high), body.word(127))
        return cls(
            body,
            body.broadcast(body.emit(arith.TruncIOp(low, i8)), B64),
            body.broadcast(body.emit(arith.TruncIOp(high, i8)), B64),
        )

    def apply(self, lanes: SSAValue) -> SSAValue:
        """int8[64] → 16 words, or int8[32] → 8 words"""
        return self.not_above(self.not_below(lanes))

    def not_below(self, lanes: SSAValue) -> SSAValue:
        """At least CLAMP_LOW."""
        return self.body.maximum(lanes, as_many(self.body, self.low, lanes))

    def not_above(self, lanes: SSAValue) -> SSAValue:
        """At most CLAMP_HIGH, as words."""
        clamped = self.body.minimum(lanes, as_many(self.body, self.high, lanes))
        return self.body.bitcast(clamped, W16 if lanes.type == B64 else W8)


@dataclass(frozen=True)
class Narrower:
    """Shifts groups of 32 int32 lanes right, saturates and clamps them."""

    body: Assembler
    clamper: Clamper
    shift: SSAValue
    all_but_lowest: SSAValue
    """~1 in 64 lanes."""

    @staticmethod
    def constant(body: Assembler) -> SSAValue:
        """`all_but_lowest`"""
        return body.words(np.full(16, ~0x01010101, np.int32), B64)

    def words(self, totals: Sequence[SSAValue], lower: Sequence[SSAValue]) -> SSAValue:
        """
        The words of one or two groups of int32[32], which are `lower` by enough to be rounded down at a tie.

        `lower` is late, so what does not need it is done before: the even neighbour, and one end.
        """
        body, clamper = self.body, self.clamper
        half_up, less = self._narrowed(totals), self._narrowed(lower)
        even = body.binary(arith.AndIOp, half_up, as_many(body, self.all_but_lowest, half_up))
        return clamper.not_above(body.maximum(clamper.not_below(even), less))

    def _narrowed(self, totals: Sequence[SSAValue]) -> SSAValue:
        body = self.body
        narrow = [body.emit(ShiftRoundSaturateOp(body.bitcast(total, W32), self.shift, B32)) for total in totals]
        return body.shuffle(narrow[0], narrow[1], range(64), B64) if len(narrow) == 2 else narrow[0]


@dataclass(frozen=True)
class Requantiser:
    """Shifts right by SHIFT with ROUNDING, saturates and clamps groups of 32 int32 lanes."""

    body: Assembler
    narrower: Narrower
    first_channels: SSAValue
    """Four pixels with 1 in the first channel: their product with a block is its first row."""
    below: SSAValue
    """A block of -1 if ties go to the even neighbour, else of 0."""

    @classmethod
    def of(cls, body: Assembler, narrowing: Narrowing = OF_RESULT) -> Requantiser:
        """Prepare before the kernel's loops."""
        shift = body.parameter_word(narrowing.shift)
        to_even = body.compare(body.parameter_word(Parameter.ROUNDING), "eq", body.word(Rounding.HALF_EVEN))
        # without a shift nothing is rounded, and a sum less one would be another number
        less = body.select(to_even, body.subtract(body.word(0), body.minimum(shift, body.word(1))), body.word(0))
        return cls(
            body,
            Narrower(body, Clamper.of(body, narrowing), shift, Narrower.constant(body)),
            first_channels=body.words(np.tile(np.array([1, 0], np.int32), GROUP), W8),
            below=body.broadcast(less, W16),
        )

    def store(self, totals: Sequence[SSAValue], address: SSAValue) -> None:
        """Write int32[32] each, one behind the other, as 8 words each."""
        store_pairs(self.body, totals, address, self.rounded)

    def rounded(self, totals: Sequence[SSAValue]) -> SSAValue:
        """The words of one or two groups."""
        lower = [multiply_accumulate(self.body, self.first_channels, self.below, total) for total in totals]
        return self.narrower.words(totals, lower)


def store_pairs(
    body: Assembler, totals: Sequence[SSAValue], address: SSAValue, words: Callable[[Sequence[SSAValue]], SSAValue]
) -> None:
    """Write the `words` of groups of int32[32], two at a time, one behind the other."""
    for first in range(0, len(totals), 2):
        body.store(words(totals[first : first + 2]), body.add(address, body.index(8 * first)))


def gather(body: Assembler, pixels: Sequence[SSAValue]) -> SSAValue:
    """Four pixels of two words each as eight words."""
    first = body.shuffle(pixels[0], pixels[1], range(4), W4)
    second = body.shuffle(pixels[2], pixels[3], range(4), W4)
    return body.shuffle(first, second, range(8), W8)
