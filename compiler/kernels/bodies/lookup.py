"""
Any function of a byte: each byte of a row becomes what a table has for it.

    word      b3 b2 b1 b0     ->     t[b3] << 24 | t[b2] << 16 | t[b1] << 8 | t[b0]

Upstream's vector dialect for a core has no gather, so bytes go one by one through scalar registers, a word at a time.
The table has a word for each byte, 0 to 255, so that its entries need no shift of their own.
"""

from __future__ import annotations

from functools import reduce

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import Assembler
from compiler.kernels.parameters import Kernel, Parameter


def lookup(arena_words: int) -> func.FuncOp:
    """See `semantics.lookup`."""
    body = Assembler(Kernel.LOOKUP.symbol, arena_words)
    call, lowest = body.arguments, body.word(255)
    row = body.tap(body.index(0))
    words = body.multiply(call.blocks, body.parameter(Parameter.BLOCK_STRIDE))
    with body.loop(body.index(0), words) as step:
        four = body.load_word(body.add(row, step.index))

        def entry(place: int) -> SSAValue:
            moved = body.shift_right(four, body.word(8 * place)) if place else four
            number = body.as_index(body.binary(arith.AndIOp, moved, lowest))
            found = body.load_word(body.add(call.weights, number))
            return body.shift_left(found, body.word(8 * place)) if place else found

        together = reduce(lambda one, other: body.binary(arith.OrIOp, one, other), [entry(n) for n in range(4)])
        body.store_word(together, body.add(call.out, step.index))
    return body.finish()
