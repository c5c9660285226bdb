"""
Products of two rows, value by value.

    y = clamp(round((a << SHIFT_A) · (b << SHIFT_B) · 2^-SHIFT))
    y = clamp(zero + round((a - zero_a) · (b - zero_b) · m · 2^-s))

Values become 16-bit lanes, which hold an int8 shifted left or less a zero-point; the product of two such lanes is an
int32 sum. With a general scale it is then multiplied as the sums of a convolution are (`bodies.rescaling`), by one
multiplier for all channels.
"""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, W8, W32, Assembler
from compiler.kernels.bodies.rescaling import Rescaler
from compiler.kernels.bodies.row_sums import LANE_WORDS, STEP_WORDS, requantise_row
from compiler.kernels.bodies.vector_unit import Requantiser, Widener, multiply_signed, narrowed, zeros
from compiler.kernels.parameters import Kernel, Parameter


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
    block = rescaler.uniform()
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
