"""
The convolution with general scales: the other convolution, whose sums then become int8 by multipliers.

The convolution keeps the sums of the row as if more input chunks were to come. After the last one, one loop over the
groups of pixels of each step and output block multiplies them, which is pipelined, where the convolution would wait for
its own sums.

Around the map lies the zero-point of the input. At the sides, where descriptors put zeros, it is written into the rows
that have come. Above and below, where there are no rows, it adds the same to all pixels of an output channel: that is
in the chunk, tap by tap, and is added to the sums of the few rows that need it.
"""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects import arith, func
from xdsl.dialects.builtin import i8
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import B64, W2, W8, W16, W32, Assembler
from compiler.kernels.bodies.pixel_loads import PIXEL_WORDS
from compiler.kernels.bodies.rescaling import Rescaler
from compiler.kernels.bodies.steps import SUM_WORDS, kept_steps
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.rescaling import EDGE_WORDS, HEAD_WORDS
from compiler.kernels.row_steps import GROUP


def _fill_sides(body: Assembler) -> None:
    """
    Write the zero-point into the columns of all rows that are not on the map.

    Columns are counted from the left up to the map, then from the right down to it: the next one is in the next part
    of a row, or in the first part at the next place.
    """
    left, right = body.parameter(Parameter.EDGE_LEFT), body.parameter(Parameter.EDGE_RIGHT)
    both = body.add(left, right)
    filled = body.compare(both, "sgt", body.index(0))
    blocks, stride = body.parameter(Parameter.EDGE_BLOCKS), body.parameter(Parameter.EDGE_STRIDE)
    part = body.multiply(blocks, stride)
    parts = body.multiply(part, body.parameter(Parameter.COLUMN_STRIDE))
    last_part, last_place = body.subtract(parts, part), body.subtract(stride, body.index(PIXEL_WORDS))
    nothing = body.index(0)
    byte = body.emit(arith.TruncIOp(body.parameter_word(Parameter.ZERO_A), i8))
    words = body.bitcast(body.broadcast(byte, B64), W16)
    zero = body.shuffle(words, words, range(2), W2)
    with body.loop(nothing, body.select(filled, body.parameter(Parameter.TAPS), nothing)) as tap:
        row = body.tap(tap.index)
        columns = body.select(body.compare(row, "sge", nothing), both, nothing)
        with body.loop(nothing, columns, carried=[nothing, nothing]) as column:
            at_right = body.compare(column.index, "eq", left)
            starts = zip((last_part, last_place), column.values, strict=True)
            here, place = (body.select(at_right, first, carried) for first, carried in starts)
            address = body.add(row, body.add(here, place))
            with body.loop(nothing, blocks) as block:
                body.store(zero, body.add(address, body.multiply(block.index, stride)))
            on_left = body.compare(column.index, "slt", left)
            following = body.select(on_left, body.add(here, part), body.subtract(here, part))
            outside = body.compare(following, "eq", body.select(on_left, parts, body.subtract(nothing, part)))
            first = body.select(on_left, nothing, last_part)
            step = body.select(on_left, body.index(PIXEL_WORDS), body.index(-PIXEL_WORDS))
            body.yield_(
                body.select(outside, first, following),
                body.add(place, body.select(outside, step, nothing)),
            )


def _add_edges(body: Assembler, sums: SSAValue, end: SSAValue, edges: SSAValue, taps: SSAValue) -> None:
    """Add to the sums in words [sums, end) what the taps off the map contribute."""
    with body.loop(body.index(0), taps) as tap:
        off_map = body.compare(body.tap(tap.index), "slt", body.index(0))
        with body.loop(sums, body.select(off_map, end, sums), GROUP * SUM_WORDS) as group:
            eight = body.load(body.add(edges, body.multiply(tap.index, body.index(EDGE_WORDS))), W8)
            four = body.shuffle(eight, eight, [*range(EDGE_WORDS)] * GROUP, W32)
            body.store(body.add(body.load(group.index, W32), four), group.index)


def _rescale(body: Assembler) -> None:
    """Make int8 of the sums of all output blocks, step by step as the convolution left them."""
    call = body.arguments
    rescaler = Rescaler.of(body)
    width = body.parameter(Parameter.WIDTH)
    stride = body.parameter(Parameter.RESCALING_WORDS)
    edge_bits = body.index(EDGE_WORDS.bit_length() - 1)
    edge_taps = body.shift_right(body.subtract(stride, body.index(HEAD_WORDS)), edge_bits)
    start = body.subtract(body.add(call.weights, body.load_index(call.weights)), body.multiply(call.blocks, stride))
    with kept_steps(body, call.partial, width) as step:
        out = body.add(call.out, body.multiply(step.first, body.index(PIXEL_WORDS)))
        with body.loop(body.index(0), call.blocks) as block:
            head = body.add(start, body.multiply(block.index, stride))
            own = body.add(step.sums, body.multiply(block.index, step.words))
            row = body.add(out, body.multiply(block.index, body.multiply(width, body.index(PIXEL_WORDS))))
            _add_edges(body, own, body.add(own, step.words), body.add(head, body.index(HEAD_WORDS)), edge_taps)
            factors = rescaler.block(head)
            with body.loop(body.index(0), step.size, GROUP) as pixel:
                place = body.add(own, body.multiply(pixel.index, body.index(SUM_WORDS)))
                lanes = rescaler.rescaled(body.load(place, W32), factors)
                rescaler.settler.store_one(lanes, body.add(row, body.multiply(pixel.index, body.index(PIXEL_WORDS))))


def scaled_conv(arena_words: int) -> func.FuncOp:
    """See `semantics.scaled_conv`."""
    body = Assembler(Kernel.SCALED_CONV.symbol, arena_words)
    _fill_sides(body)
    body.call_kernel(Kernel.CONV.symbol, replace(body.arguments, last=body.index(0)))
    last = body.compare(body.arguments.last, "ne", body.index(0))
    body.branch(last, lambda: _rescale(body), lambda: None)
    return body.finish()
