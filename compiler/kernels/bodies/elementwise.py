"""
The kernels that see each value once: addition, and the copy to another fixed-point position.

Their rows are contiguous, [block][pixel][8 channels] like the output, so a row is one run of words, taken 32 bytes at
a time; the last step may read and write up to 24 bytes beyond the row.
"""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import W8, W32, Assembler
from compiler.kernels.bodies.vector_unit import Requantiser, Widener, zeros
from compiler.kernels.parameters import Kernel, Parameter

STEP_WORDS = 8
"""32 int8 values."""


def _elementwise(symbol: str, arena_words: int, shifts: tuple[Parameter, ...]) -> func.FuncOp:
    """Σ over the taps of (row << shift), requantised; one shift parameter per tap."""
    body = Assembler(symbol, arena_words)
    call = body.arguments
    requantiser, widener = Requantiser.of(body), Widener.of(body)
    none, lowering = zeros(body), body.broadcast(requantiser.lowering, W32)
    operands = [
        (body.tap(body.index(tap)), body.broadcast(body.parameter_word(shift), W32)) for tap, shift in enumerate(shifts)
    ]
    words = body.multiply(call.blocks, body.parameter(Parameter.BLOCK_STRIDE))
    with body.loop(body.index(0), words, STEP_WORDS) as step:

        def shifted(row: SSAValue, amount: SSAValue) -> SSAValue:
            pixels = body.load(body.add(row, step.index), W8)
            return body.shift_left(body.bitcast(widener.accumulate(pixels, none), W32), amount)

        total = shifted(*operands[0])
        for operand in operands[1:]:
            total = body.add(total, shifted(*operand))
        body.store(requantiser.apply(body.add(total, lowering)), body.add(call.out, step.index))
    return body.finish()


def add(arena_words: int) -> func.FuncOp:
    """See `semantics.add`."""
    return _elementwise(Kernel.ADD.symbol, arena_words, (Parameter.SHIFT_A, Parameter.SHIFT_B))


def requantise(arena_words: int) -> func.FuncOp:
    """See `semantics.requantise_row`."""
    return _elementwise(Kernel.REQUANTISE.symbol, arena_words, (Parameter.SHIFT_A,))
