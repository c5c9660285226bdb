"""
Products of two rows, value by value.

    y = clamp(round((a << SHIFT_A) · (b << SHIFT_B) · 2^-SHIFT))
    y = clamp(zero + round((a - zero_a) · (b - zero_b) · m · 2^-s))

Values become 16-bit lanes, which hold an int8 shifted left or less a zero-point; the product of two such lanes is an
int32 sum. With a general scale it is then multiplied as the sums of a convolution are (`bodies.rescaling`), by one
multiplier for all channels.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, W8, W16, W32, Assembler
from compiler.kernels.bodies.rescaling import Rescaler, broadcast_lanes
from compiler.kernels.bodies.row_sums import LANE_WORDS, STEP_WORDS, requantise_row
from compiler.kernels.bodies.vector_unit import Requantiser, Widener, multiply_signed, narrowed, zeros
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.rescaling import DIGIT_BITS, DIGITS


def multiply(arena_words: int) -> func.FuncOp:
    """See `semantics.multiply`."""
    body = Assembler(Kernel.MULTIPLY.symbol, arena_words)
    call, requantiser, none = body.arguments, Requantiser.of(body), zeros(body)
    shifts = (Parameter.SHIFT_A, Parameter.SHIFT_B)
    wideners = [Widener.of(body, body.parameter_word(shift)) for shift in shifts]
    rows = [body.tap(body.index(tap)) for tap in range(2)]
    words = body.multiply(call.blocks, body.parameter(Parameter.BLOCK_STRIDE))

    def group(place: SSAValue) -> SSAValue:
        loaded = [body.load(body.add(row, place), W8) for row in rows]
        sums = [widener.accumulate(pixels, none) for widener, pixels in zip(wideners, loaded, strict=True)]
        left, right = (narrowed(body, each, body.word(0)) for each in sums)
        return multiply_signed(body, left, right, none)

    requantise_row(body, requantiser, words, call.out, STEP_WORDS, group)
    return body.finish()


def scaled_multiply(arena_words: int) -> func.FuncOp:
    """See `semantics.scaled_multiply`."""
    body = Assembler(Kernel.SCALED_MULTIPLY.symbol, arena_words)
    call, rescaler, widener = body.arguments, Rescaler.of(body), Widener.of(body)
    rows = [body.tap(body.index(tap)) for tap in range(2)]
    zero_points = [body.parameter_word(zero) for zero in (Parameter.ZERO_A, Parameter.ZERO_B)]
    less = [body.bitcast(body.broadcast(body.subtract(body.word(0), zero), W32), ACCUMULATOR) for zero in zero_points]
    block = _constants(body)
    words = body.multiply(call.blocks, body.parameter(Parameter.BLOCK_STRIDE))

    def settled(place: SSAValue) -> SSAValue:
        left, right = (
            narrowed(body, widener.accumulate(body.load(body.add(row, place), W8), zero), body.word(0))
            for row, zero in zip(rows, less, strict=True)
        )
        return rescaler.rescaled(body.bitcast(multiply_signed(body, left, right, rescaler.nothing), W32), block)

    with body.loop(body.index(0), words, STEP_WORDS) as step:
        places = [step.index, body.add(step.index, body.index(LANE_WORDS))]
        rescaler.settler.store_two([settled(place) for place in places], body.add(call.out, step.index))
    return body.finish()


def _constants(body: Assembler) -> tuple[SSAValue, ...]:
    """What `Rescaler.block` loads for the channels of a block: digits of the multiplier, and the mask of ties."""
    digit = body.word((1 << DIGIT_BITS) - 1)

    def digits(word: SSAValue) -> Sequence[SSAValue]:
        return word, body.shift_right(word, body.word(DIGIT_BITS))

    low, high, mask = (
        body.parameter_word(parameter) for parameter in (Parameter.FACTOR_A, Parameter.FACTOR_B, Parameter.TIE_MASK)
    )
    each = (*digits(low), high, *digits(mask))
    lanes = [broadcast_lanes(body, body.binary(arith.AndIOp, number, digit)) for number in each]
    return (*(body.bitcast(factor, W16) for factor in lanes[:DIGITS]), *lanes[DIGITS:])
