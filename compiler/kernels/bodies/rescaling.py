"""
Sums times multipliers, in lanes: what `compiler.kernels.rescaling` defines, and the zero-point that ends every scaled
kernel.

Nothing here is wider than 32 bits: digits are 16-bit lanes, products of two fit a sum, and a carry is the sum of one
place narrowed to 16 bits, which is a floor because the sums start with -2^14 and narrowing rounds half up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import i16
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, B32, B64, H32, W4, W8, W16, Assembler
from compiler.kernels.bodies.vector_unit import every_lane, every_sum, multiply_lanes, narrowed, subtract_lanes, zeros
from compiler.kernels.parameters import Parameter
from compiler.kernels.rescaling import DIGIT_BITS, DIGIT_WORDS, DIGITS
from compiler.kernels.row_steps import GROUP


@dataclass(frozen=True)
class Settler:
    """Rounds 32 sums to 16 bits, adds the zero-point and clamps: what int8 lanes cannot do before they saturate."""

    body: Assembler
    shift: SSAValue
    low: SSAValue
    high: SSAValue
    """Of a result less its zero-point."""
    zero: SSAValue
    even: SSAValue
    """~1"""
    ones: SSAValue

    @classmethod
    def of(cls, body: Assembler) -> Settler:
        """Prepare before the kernel's loops."""
        zero = body.parameter_word(Parameter.ZERO)
        low = body.maximum(body.parameter_word(Parameter.CLAMP_LOW), body.word(-128))
        high = body.minimum(body.parameter_word(Parameter.CLAMP_HIGH), body.word(127))
        low, high = (broadcast_lanes(body, body.subtract(end, zero)) for end in (low, high))
        shift = body.parameter_word(Parameter.SHIFT)
        zeros = broadcast_lanes(body, zero)
        return cls(body, shift, low, high, zeros, every_lane(body, -2), every_lane(body, 1))

    def settled(self, above: SSAValue, below: SSAValue) -> SSAValue:
        """int8 values in 16 lanes each, of sums and of the same sums, lower by one where they may be ties."""
        body = self.body
        half_up, less = narrowed(body, above, self.shift), narrowed(body, below, self.shift)
        even = body.maximum(body.binary(arith.AndIOp, half_up, self.even), self.low)
        return body.add(body.minimum(body.maximum(even, less), self.high), self.zero)

    def store_one(self, group: SSAValue, address: SSAValue) -> None:
        """Write a group of settled lanes as 8 words."""
        body = self.body
        lanes = body.bitcast(group, B64)
        body.store(body.bitcast(body.shuffle(lanes, lanes, range(0, 64, 2), B32), W8), address)

    def store_two(self, groups: Sequence[SSAValue], address: SSAValue) -> None:
        """Write two groups of settled lanes as 16 words."""
        body = self.body
        first, second = (body.bitcast(group, B64) for group in groups)
        body.store(body.bitcast(body.shuffle(first, second, range(0, 128, 2), B64), W16), address)


@dataclass(frozen=True)
class Rescaler:
    """Multiplies sums of one output block by its channels' factors."""

    WORDS: ClassVar[int] = (DIGITS + 2) * DIGIT_WORDS

    body: Assembler
    settler: Settler
    ones: SSAValue
    """1 in 32 lanes, as a factor."""
    digit: SSAValue
    """2^DIGIT_BITS in 32 lanes, as a factor."""
    floor: SSAValue
    """Sums of -2^(DIGIT_BITS - 1)."""
    nothing: SSAValue

    @classmethod
    def of(cls, body: Assembler) -> Rescaler:
        """Prepare before the kernel's loops."""
        settler = Settler.of(body)
        return cls(
            body,
            settler,
            body.bitcast(settler.ones, W16),
            body.bitcast(every_lane(body, 1 << DIGIT_BITS), W16),
            every_sum(body, -1 << (DIGIT_BITS - 1)),
            zeros(body),
        )

    def block(self, address: SSAValue) -> tuple[SSAValue, ...]:
        """Digits of the factors, lowest first, as 16 words each, and two masks as 32 lanes, of the block there."""
        body = self.body
        loaded = [body.load(body.add(address, body.index(DIGIT_WORDS * n)), W4) for n in range(DIGITS + 2)]
        lanes = [body.shuffle(each, each, [*range(DIGIT_WORDS)] * GROUP, W16) for each in loaded]
        return (*lanes[:DIGITS], *(body.bitcast(mask, H32) for mask in lanes[DIGITS:]))

    def uniform(self) -> tuple[SSAValue, ...]:
        """The same of one multiplier for all channels, from parameters."""
        body = self.body
        digit = body.word((1 << DIGIT_BITS) - 1)

        def digits(word: SSAValue) -> Sequence[SSAValue]:
            return word, body.shift_right(word, body.word(DIGIT_BITS))

        low, high, mask = (
            body.parameter_word(parameter) for parameter in (Parameter.FACTOR_A, Parameter.FACTOR_B, Parameter.TIE_MASK)
        )
        each = (*digits(low), high, *digits(mask))
        lanes = [broadcast_lanes(body, body.binary(arith.AndIOp, number, digit)) for number in each]
        return (*(body.bitcast(factor, W16) for factor in lanes[:DIGITS]), *lanes[DIGITS:])

    def rescaled(self, sums: SSAValue, block: tuple[SSAValue, ...]) -> SSAValue:
        """int8 values in 16 lanes each, of 32 sums of a block."""
        body, ones = self.body, self.ones
        *factors, low_mask, high_mask = block
        bits = body.word(DIGIT_BITS)
        high = narrowed(body, sums, bits)
        low = narrowed(body, subtract_lanes(body, high, self.digit, body.bitcast(sums, ACCUMULATOR)), body.word(0))
        place = multiply_lanes(body, low, factors[0], self.floor)
        for lower, upper in pairwise(factors):
            carry = narrowed(body, place, bits)
            place = multiply_lanes(body, high, lower, self.floor)
            place = multiply_lanes(body, carry, ones, multiply_lanes(body, low, upper, place))
        carry = narrowed(body, place, bits)
        above = multiply_lanes(body, carry, ones, multiply_lanes(body, high, factors[-1], self.nothing))
        masked = [body.binary(arith.AndIOp, digit, mask) for digit, mask in ((low, low_mask), (high, high_mask))]
        some = body.minimum(body.binary(arith.OrIOp, *masked), self.settler.ones)
        less = body.subtract(some, self.settler.ones)
        return self.settler.settled(above, multiply_lanes(body, less, ones, above))


def broadcast_lanes(body: Assembler, word: SSAValue) -> SSAValue:
    """The low half of a word in 32 lanes of 16 bits."""
    return body.broadcast(body.emit(arith.TruncIOp(word, i16)), H32)
