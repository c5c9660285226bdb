"""
The convolution kernel: one output row of one weight chunk, for every kernel size, stride and dilation.

The weight chunk lists, for each output block and vertical tap, its non-zero 8 × 8 blocks and where each one's input
pixel lies from the start of the tap's row. So the inner loop is load, load, multiply-accumulate; zero blocks cost
nothing. Four output pixels are computed together. A row whose width is not a multiple of four ends in a group
that overhangs: its surplus pixels fall on the next output block, which is written afterwards, or behind the slot.
"""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, W2, W8, W16, W32, Assembler
from compiler.kernels.bodies.vector_unit import Requantiser, gather, multiply_accumulate, zeros
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.weight_chunk import BLOCK_WORDS

GROUP = 4
"""Pixels per multiply-accumulate."""


def conv(arena_words: int) -> func.FuncOp:
    """See `semantics.conv`."""
    body = Assembler(Kernel.CONV.symbol, arena_words)
    call = body.arguments
    taps, width = body.parameter(Parameter.TAPS), body.parameter(Parameter.WIDTH)
    stride = body.parameter(Parameter.PIXEL_STRIDE)
    adjacent = body.compare(stride, "eq", body.index(2))
    requantiser = Requantiser.of(body)
    blocks = body.add(call.weights, body.load_index(call.weights))
    pointers = body.add(call.weights, body.index(1))
    bias = body.add(body.add(pointers, body.multiply(call.blocks, taps)), body.index(1))
    offsets = body.add(bias, body.multiply(call.blocks, body.index(8)))
    groups = body.shift_right(body.add(width, body.index(GROUP - 1)), body.index(2))
    partial_block = body.multiply(groups, body.index(8 * GROUP))
    row_words = body.multiply(width, body.index(2))
    none = zeros(body)
    first = body.compare(call.first, "ne", body.index(0))
    last = body.compare(call.last, "ne", body.index(0))

    def entries(start: SSAValue, begin: SSAValue, end: SSAValue, sums: SSAValue, contiguous: bool) -> SSAValue:
        """Add the blocks [begin, end) of one tap; `start` is the group's first pixel in the tap's row."""
        with body.loop(begin, end, carried=[sums]) as entry:
            address = body.add(start, body.load_index(body.add(offsets, entry.index)))
            if contiguous:
                pixels = body.load(address, W8)
            else:
                pairs = [body.load(address, W2)]
                for _ in range(GROUP - 1):
                    address = body.add(address, stride)
                    pairs.append(body.load(address, W2))
                pixels = gather(body, pairs)
            block = body.load(body.add(blocks, body.multiply(entry.index, body.index(BLOCK_WORDS))), W16)
            body.yield_(multiply_accumulate(body, pixels, block, entry.values[0]))
        return entry.results[0]

    with body.loop(body.index(0), call.blocks) as block:
        partials = body.add(call.partial, body.multiply(block.index, partial_block))
        bias_words = body.load(body.add(bias, body.multiply(block.index, body.index(8))), W8)
        biases = body.shuffle(bias_words, bias_words, [*range(8)] * GROUP, W32)
        block_pointers = body.add(pointers, body.multiply(block.index, taps))
        block_out = body.add(call.out, body.multiply(block.index, row_words))
        with body.loop(body.index(0), width, GROUP) as group:
            partial = body.add(partials, body.multiply(group.index, body.index(8)))
            start = body.choose(first, lambda: none, lambda: body.bitcast(body.load(partial, W32), ACCUMULATOR))
            shift = body.multiply(group.index, stride)
            with body.loop(body.index(0), taps, carried=[start]) as tap:
                row = body.tap(tap.index)
                (sums,) = tap.values

                def accumulate(row: SSAValue = row, tap: SSAValue = tap.index, sums: SSAValue = sums) -> SSAValue:
                    pointer = body.add(block_pointers, tap)
                    begin = body.load_index(pointer)
                    end = body.load_index(body.add(pointer, body.index(1)))
                    where = body.add(row, shift)
                    return body.choose(
                        adjacent,
                        lambda: entries(where, begin, end, sums, True),
                        lambda: entries(where, begin, end, sums, False),
                    )

                on_map = body.compare(row, "sge", body.index(0))
                body.yield_(body.choose(on_map, accumulate, lambda sums=sums: sums))
            total = body.bitcast(tap.results[0], W32)
            body.branch(
                last,
                lambda: body.store(
                    requantiser.apply(body.add(total, biases)),
                    body.add(block_out, body.multiply(group.index, body.index(2))),
                ),
                lambda: body.store(total, partial),
            )
    return body.finish()
