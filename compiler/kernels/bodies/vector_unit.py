"""
The three things a core's vector unit does for every kernel: multiply-accumulate, widen, and requantise.

*Multiply-accumulate*: 4 pixels × 8 channels times an 8 × 8 block into 4 × 8 int32, by the intrinsic, because
upstream's `aievec.matmul` takes activations as unsigned. *Widen*: int8 to int32 is the same instruction with the
identity matrix, or a multiple of it; xDSL has no sign extension of vectors. *Requantise*: shift, round and saturate
32 lanes at once, then clamp them, 64 at a time because they are bytes by then.

How a core rounds is a register. Upstream sets it to half up where a core starts; a kernel sets what its ROUNDING asks
for, as upstream's own lowering does for floating-point products (register 6, convergent to even: UG1603 and
mlir-aie's AIECoreToStandard).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import i8, i32
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, B32, B64, W4, W8, W16, Assembler
from compiler.kernels.parameters import Parameter, Rounding
from dialects.aievec import ShiftRoundSaturateOp

SET = "llvm.aie2.set.I512.I256"
"""Puts 256 bits into the lower half of 512."""

MULTIPLY_ACCUMULATE = "llvm.aie2.I512.I512.ACC1024.acc32.mac.conf"
"""4 × 8 int8 times 8 × 8 int8, added to 4 × 8 int32."""

SIGNED_4X8X8 = 776
"""Configuration word: left signed (512), right signed (256), int8 4 × 8 × 8 (8)."""


SET_CONTROL = "llvm.aie2.set.ctrl.reg"
"""Writes a control register of the core."""

ROUNDING_REGISTER = 6
"""Control register that holds the rounding of `aievec.srs`."""

HALF_UP_MODE = 9
"""Round half towards positive infinity."""

HALF_EVEN_MODE = 12
"""Round half to the even neighbour."""


def intrinsics() -> list[func.FuncOp]:
    """Declarations that the device needs beside the kernels."""
    return [
        func.FuncOp.external(SET, [W8, i32], [W16]),
        func.FuncOp.external(MULTIPLY_ACCUMULATE, [B64, W16, ACCUMULATOR, i32], [ACCUMULATOR]),
        func.FuncOp.external(SET_CONTROL, [i32, i32], []),
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
    """Adds int8 values, or a power of two of them, to int32 sums; the matrix is made once per kernel."""

    body: Assembler
    diagonal: SSAValue

    @classmethod
    def of(cls, body: Assembler, shift: SSAValue | None = None) -> Widener:
        """Prepare before the kernel's loops; a `shift`, as i32, lies in [0, 6]."""
        identity = np.eye(8, dtype=np.int8)
        if shift is None:
            return cls(body, body.words(identity.view(np.int32).reshape(-1), W16))
        weight = body.broadcast(body.emit(arith.TruncIOp(body.shift_left(body.word(1), shift), i8)), B64)
        mask = body.words((-identity).view(np.int32).reshape(-1), B64)
        return cls(body, body.bitcast(body.binary(arith.AndIOp, weight, mask), W16))

    def accumulate(self, pixels: SSAValue, sums: SSAValue) -> SSAValue:
        """`sums` + the 32 int8 values in `pixels`, each shifted."""
        return multiply_accumulate(self.body, pixels, self.diagonal, sums)


@dataclass(frozen=True)
class Clamper:
    """Clamps int8 lanes to [CLAMP_LOW, CLAMP_HIGH]."""

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
            body.broadcast(body.emit(arith.TruncIOp(low, i8)), B64),
            body.broadcast(body.emit(arith.TruncIOp(high, i8)), B64),
        )

    def apply(self, lanes: SSAValue) -> SSAValue:
        """int8[64] → 16 words, or int8[32] → 8 words"""
        body = self.body
        if lanes.type == B64:
            return body.bitcast(body.minimum(body.maximum(lanes, self.low), self.high), W16)
        low, high = (body.shuffle(limit, limit, range(32), B32) for limit in (self.low, self.high))
        return body.bitcast(body.minimum(body.maximum(lanes, low), high), W8)


@dataclass(frozen=True)
class Requantiser:
    """Shifts right by SHIFT with ROUNDING, saturates and clamps groups of 32 int32 lanes."""

    body: Assembler
    clamper: Clamper
    shift: SSAValue

    @classmethod
    def of(cls, body: Assembler) -> Requantiser:
        """Prepare before the kernel's loops, and set the core's rounding."""
        to_even = body.compare(body.parameter_word(Parameter.ROUNDING), "eq", body.word(Rounding.HALF_EVEN))
        set_rounding(body, body.select(to_even, body.word(HALF_EVEN_MODE), body.word(HALF_UP_MODE)))
        return cls(body, Clamper.of(body), body.parameter_word(Parameter.SHIFT))

    def store(self, totals: Sequence[SSAValue], address: SSAValue) -> None:
        """Write int32[32] each, one behind the other, as 8 words each."""
        body = self.body
        narrow = [body.emit(ShiftRoundSaturateOp(total, self.shift, B32)) for total in totals]
        for first in range(0, len(narrow), 2):
            pair = narrow[first : first + 2]
            lanes = body.shuffle(pair[0], pair[1], range(64), B64) if len(pair) == 2 else pair[0]
            body.store(self.clamper.apply(lanes), body.add(address, body.index(8 * first)))


def set_rounding(body: Assembler, mode: SSAValue) -> None:
    """Set how `aievec.srs` rounds from here on."""
    body.block.add_op(func.CallOp(SET_CONTROL, [body.word(ROUNDING_REGISTER), mode], []))


def gather(body: Assembler, pixels: Sequence[SSAValue]) -> SSAValue:
    """Four pixels of two words each as eight words."""
    first = body.shuffle(pixels[0], pixels[1], range(4), W4)
    second = body.shuffle(pixels[2], pixels[3], range(4), W4)
    return body.shuffle(first, second, range(8), W8)
