"""
The larger or the smaller of two values: rows of one fixed-point position, which nothing rounds.

Lanes stay int8 all the way, 64 bytes at a time; the last step may read and write up to 56 bytes beyond the rows.
"""

from __future__ import annotations

from xdsl.dialects import func

from compiler.kernels.bodies.assembler import B64, W16, Assembler
from compiler.kernels.bodies.row_sums import STEP_WORDS
from compiler.kernels.bodies.vector_unit import Clamper
from compiler.kernels.parameters import Kernel, Parameter


def _extremum(kernel: Kernel, arena_words: int) -> func.FuncOp:
    body = Assembler(kernel.symbol, arena_words)
    call, clamper = body.arguments, Clamper.of(body)
    rows = [body.tap(body.index(tap)) for tap in range(2)]
    words = body.multiply(call.blocks, body.parameter(Parameter.BLOCK_STRIDE))
    chosen = body.maximum if kernel is Kernel.MAXIMUM else body.minimum
    with body.loop(body.index(0), words, STEP_WORDS) as step:
        left, right = (body.bitcast(body.load(body.add(row, step.index), W16), B64) for row in rows)
        body.store(clamper.apply(chosen(left, right)), body.add(call.out, step.index))
    return body.finish()


def maximum(arena_words: int) -> func.FuncOp:
    """See `semantics.maximum`."""
    return _extremum(Kernel.MAXIMUM, arena_words)


def minimum(arena_words: int) -> func.FuncOp:
    """See `semantics.minimum`."""
    return _extremum(Kernel.MINIMUM, arena_words)
