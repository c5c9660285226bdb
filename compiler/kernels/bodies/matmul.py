"""
The product of two matrices that were both computed: the convolution, with blocks that arrive instead of weights.

    slot      right operand, [output block][depth block][8 × 8]      then left operand, [depth block][pixel][8]
    partial   the head of a chunk of weights: every block is there, the bias is 0

A block of the right operand, 8 pixels of 8 channels, lies in memory as a block of weights does: [8 of the sum][8 of the
output]. Where its pixels are output channels it comes the other way round, and is transposed where it lies. So all that
is left to do is to say where the blocks are, in words that the convolution reads.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from xdsl.dialects import func

from compiler.kernels.bodies.assembler import W8, W16, Assembler
from compiler.kernels.bodies.vector_unit import transposed
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.weight_chunk import BLOCK_WORDS


def matmul(arena_words: int) -> func.FuncOp:
    """See `semantics.matmul`."""
    body = Assembler(Kernel.MATMUL.symbol, arena_words)
    call, zero, one = body.arguments, body.index(0), body.index(1)
    depth, stride = body.parameter(Parameter.DEPTH), body.parameter(Parameter.BLOCK_STRIDE)
    slot, count = body.tap(zero), body.multiply(call.blocks, depth)
    words = body.multiply(count, body.index(BLOCK_WORDS))
    with body.loop(zero, body.multiply(words, body.parameter(Parameter.TRANSPOSED)), BLOCK_WORDS) as block:
        place = body.add(slot, block.index)
        body.store(transposed(body, body.load(place, W16)), place)
    body.store_word(body.as_word(body.subtract(slot, call.partial)), call.partial)
    pointers = body.add(call.partial, one)
    after = body.add(call.blocks, one)
    with body.loop(zero, after) as block:
        body.store_word(body.as_word(body.multiply(block.index, depth)), body.add(pointers, block.index))
    bias = body.add(pointers, after)
    offsets = body.add(bias, body.multiply(call.blocks, body.index(8)))
    none = body.words(np.zeros(8, np.int32), W8)
    with body.loop(zero, call.blocks) as block:
        body.store(none, body.add(bias, body.multiply(block.index, body.index(8))))
        first = body.add(offsets, body.multiply(block.index, depth))
        with body.loop(zero, depth) as entry:
            offset = body.add(words, body.multiply(entry.index, stride))
            body.store_word(body.as_word(offset), body.add(first, entry.index))
    # the chunk is where sums of other launches are, and it is a whole one: from the bias to int8
    body.call_kernel(Kernel.CONV.symbol, replace(call, weights=call.partial, first=one, last=one))
    return body.finish()
