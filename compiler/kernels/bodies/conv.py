"""
The convolution kernel: one output row of one weight chunk, for every kernel size, stride and dilation.

The weight chunk lists, for each output block, its non-zero 8 × 8 blocks and where each one's input pixel lies: its
tap, and the distance from the start of that tap's row. So one inner loop runs over all that an output block needs.
Zero blocks cost nothing, and border rows, which are the first and the last taps, are cut off the ends of the list.

A weight block takes as long to load as eight pixels, so it has to serve several groups of four to keep the multiplier
busy: 16 pixels at once, whose sums stay in accumulators, then 8 for the rest of the row. Surplus pixels, 7 at most,
fall on the next output block, which is written afterwards, or behind the slot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, W8, W16, W32, Assembler
from compiler.kernels.bodies.pixel_loads import Loads, every_second, neighbours, single
from compiler.kernels.bodies.vector_unit import Requantiser, multiply_accumulate
from compiler.kernels.parameters import Kernel, Parameter
from compiler.kernels.row_steps import EVERY_SECOND, GROUP, NARROW_PIXELS, NEIGHBOURS, WIDE_PIXELS
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_BITS, OFFSET_MASK


@dataclass(frozen=True)
class _Chunk:
    """What the whole call shares."""

    body: Assembler
    requantiser: Requantiser
    stride: SSAValue
    neighbours: SSAValue
    """Whether pixels lie next to each other, and whether every second one is wanted."""
    every_second: SSAValue
    offsets: SSAValue
    blocks: SSAValue
    first: SSAValue
    last: SSAValue


@dataclass(frozen=True)
class _OutputBlock:
    """One output channel block of the row: its entries [begin, end), where its sums start, and where they go."""

    chunk: _Chunk
    begin: SSAValue
    end: SSAValue
    biases: SSAValue
    partials: SSAValue
    out: SSAValue

    def pixels(self, lower: SSAValue, upper: SSAValue, together: int) -> None:
        """Compute the pixels [lower, upper), some `together`."""
        chunk, body = self.chunk, self.chunk.body
        groups = together // GROUP
        with body.loop(lower, upper, together) as pixel:
            sums_at = body.add(self.partials, body.multiply(pixel.index, body.index(8)))
            out_at = body.add(self.out, body.multiply(pixel.index, body.index(2)))
            partials = [body.add(sums_at, body.index(8 * GROUP * group)) for group in range(groups)]
            outs = [body.add(out_at, body.index(2 * GROUP * group)) for group in range(groups)]

            def begun() -> Sequence[SSAValue]:
                return [body.bitcast(self.biases, ACCUMULATOR)] * groups

            def resumed() -> Sequence[SSAValue]:
                sums = [body.add(body.load(partial, W32), self.biases) for partial in partials]
                return [body.bitcast(total, ACCUMULATOR) for total in sums]

            starts = body.choose_all(chunk.first, begun, resumed)
            totals = [body.bitcast(total, W32) for total in self._multiplied(pixel.index, starts)]

            def finish() -> None:
                for total, out in zip(totals, outs, strict=True):
                    body.store(chunk.requantiser.apply(total), out)

            def keep() -> None:
                for total, partial in zip(totals, partials, strict=True):
                    body.store(total, partial)

            body.branch(chunk.last, finish, keep)

    def _multiplied(self, pixel: SSAValue, starts: Sequence[SSAValue]) -> Sequence[SSAValue]:
        """The sums after all entries, by the loads that fit the stride. Single pixels are loaded by the rest only."""
        chunk, body = self.chunk, self.chunk.body

        def by(loads: Loads) -> Callable[[], Sequence[SSAValue]]:
            return lambda: self._entries(pixel, starts, loads)

        def apart() -> Sequence[SSAValue]:
            if GROUP * len(starts) != NARROW_PIXELS:
                return by(every_second)()
            return body.choose_all(chunk.every_second, by(every_second), by(single))

        return body.choose_all(chunk.neighbours, by(neighbours), apart)

    def _entries(self, pixel: SSAValue, starts: Sequence[SSAValue], loads: Loads) -> Sequence[SSAValue]:
        """Multiply every entry's block with each group's pixels."""
        chunk, body = self.chunk, self.chunk.body
        groups = loads(body, body.multiply(pixel, chunk.stride), chunk.stride, len(starts))
        with body.loop(self.begin, self.end, carried=starts) as entry:
            word = body.load_word(body.add(chunk.offsets, entry.index))
            row = body.tap(body.as_index(body.shift_right(word, body.word(OFFSET_BITS))))
            offset = body.binary(arith.AndIOp, word, body.word(OFFSET_MASK))
            address = body.add(row, body.as_index(offset))
            block = body.load(body.add(chunk.blocks, body.multiply(entry.index, body.index(BLOCK_WORDS))), W16)
            sums = enumerate(entry.values)
            body.yield_(*(multiply_accumulate(body, groups.group(n, address), block, total) for n, total in sums))
        return entry.results


def _taps_on_map(body: Assembler, taps: SSAValue) -> tuple[SSAValue, SSAValue]:
    """The taps [first, last) that are not border rows; first > last if all are."""
    with body.loop(body.index(0), taps, carried=[taps, body.index(0)]) as tap:
        first, last = tap.values
        on_map = body.compare(body.tap(tap.index), "sge", body.index(0))
        after = body.add(tap.index, body.index(1))
        body.yield_(
            body.select(on_map, body.minimum(first, tap.index), first),
            body.select(on_map, after, last),
        )
    return tap.results[0], tap.results[1]


def _quotient(body: Assembler, value: SSAValue, more: int, divisor: int) -> SSAValue:
    """(value + more) // divisor, a power of two."""
    return body.shift_right(body.add(value, body.index(more)), body.index(divisor.bit_length() - 1))


def conv(arena_words: int) -> func.FuncOp:
    """See `semantics.conv`."""
    body = Assembler(Kernel.CONV.symbol, arena_words)
    call = body.arguments
    taps, width = body.parameter(Parameter.TAPS), body.parameter(Parameter.WIDTH)
    requantiser = Requantiser.of(body)
    pointers = body.add(call.weights, body.index(1))
    bias = body.add(body.add(pointers, body.multiply(call.blocks, taps)), body.index(1))
    stride = body.parameter(Parameter.PIXEL_STRIDE)
    last = body.compare(call.last, "ne", body.index(0))
    chunk = _Chunk(
        body,
        requantiser,
        stride,
        neighbours=body.compare(stride, "eq", body.index(NEIGHBOURS)),
        every_second=body.compare(stride, "eq", body.index(EVERY_SECOND)),
        offsets=body.add(bias, body.multiply(call.blocks, body.index(8))),
        blocks=body.add(call.weights, body.load_index(call.weights)),
        first=body.compare(call.first, "ne", body.index(0)),
        last=last,
    )
    # the bias joins the sums in the last chunk only, with what the rounding asks for
    finishing = body.broadcast(body.select(last, body.word(-1), body.word(0)), W8)
    lowering = body.broadcast(requantiser.lowering, W8)
    # a rest of more than NARROW_PIXELS is wide too, with surplus pixels; single pixels are narrow throughout
    wide = body.multiply(_quotient(body, width, WIDE_PIXELS - NARROW_PIXELS - 1, WIDE_PIXELS), body.index(WIDE_PIXELS))
    wide = body.select(body.compare(stride, "sle", body.index(EVERY_SECOND)), wide, body.index(0))
    rounded = _quotient(body, width, NARROW_PIXELS - 1, NARROW_PIXELS)
    partial_block = body.multiply(rounded, body.index(8 * NARROW_PIXELS))
    row_words = body.multiply(width, body.index(2))
    first_tap, last_tap = _taps_on_map(body, taps)
    with body.loop(body.index(0), call.blocks) as block:
        number = block.index
        words = body.load(body.add(bias, body.multiply(number, body.index(8))), W8)
        eight = body.binary(arith.AndIOp, body.add(words, lowering), finishing)
        lists = body.add(pointers, body.multiply(number, taps))
        row = _OutputBlock(
            chunk,
            begin=body.load_index(body.add(lists, first_tap)),
            end=body.load_index(body.add(lists, last_tap)),
            biases=body.shuffle(eight, eight, [*range(8)] * GROUP, W32),
            partials=body.add(call.partial, body.multiply(number, partial_block)),
            out=body.add(call.out, body.multiply(number, row_words)),
        )
        row.pixels(body.index(0), wide, WIDE_PIXELS)
        row.pixels(wide, width, NARROW_PIXELS)
    return body.finish()
