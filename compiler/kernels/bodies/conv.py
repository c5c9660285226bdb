"""
The convolution kernel: one output row of one weight chunk, for every kernel size, stride and dilation.

The weight chunk lists, for each output block, its non-zero 8 × 8 blocks and where each one's input pixel lies: its
tap, and the distance from the start of that tap's row. So one inner loop runs over all that an output block needs.
Zero blocks cost nothing, and border rows, which are the first and the last taps, are cut off the ends of the list.

A weight block takes as long to load as eight pixels, so it has to serve several groups of four to keep the multiplier
busy: a step of a row keeps the sums of many pixels in accumulators (`row_steps`). Surplus pixels of the last step fall
on the next output block, which is written afterwards, or behind the slot.

A skip row is added when the whole row is made: that is one more pass over int8, but in one pipelined loop, where each
step of the row would wait for its own sums. The row is made beside the output slot, which holds what is added to it.

What a call does is chosen before its loops, so a step of a row that one call begins and ends has no branches: it starts
from the bias and ends as int8. With partial sums, which come and go in int32, a step chooses as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, W8, W16, W32, Assembler
from compiler.kernels.bodies.pixel_loads import Loads, every_second, neighbours, single
from compiler.kernels.bodies.row_sums import sum_rows
from compiler.kernels.bodies.steps import step_ends, step_loops
from compiler.kernels.bodies.taps import taps_on_map
from compiler.kernels.bodies.vector_unit import Requantiser, multiply_accumulate
from compiler.kernels.parameters import OF_SUM, Kernel, Parameter
from compiler.kernels.row_steps import EVERY_SECOND, GROUP, LONG_STEPS, NEIGHBOURS, SHORT_STEPS, SINGLE_STEPS
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_BITS, OFFSET_MASK

Sums = Sequence[SSAValue]


@dataclass(frozen=True)
class _Call:
    """What all output blocks share."""

    body: Assembler
    requantiser: Requantiser
    taps: SSAValue
    first_tap: SSAValue
    last_tap: SSAValue
    """The taps [first, last) are on the map; first > last if none is."""
    width: SSAValue
    stride: SSAValue
    neighbours: SSAValue
    """Whether pixels lie next to each other, and whether every second one is wanted."""
    every_second: SSAValue
    pointers: SSAValue
    bias: SSAValue
    offsets: SSAValue
    blocks: SSAValue
    out: SSAValue
    """Where int8 results go."""


@dataclass(frozen=True)
class _OutputBlock:
    """One output channel block of the row: its number, its entries [begin, end), and its bias for four pixels."""

    call: _Call
    number: SSAValue
    begin: SSAValue
    end: SSAValue
    biases: SSAValue

    def multiplied(self, pixel: SSAValue, starts: Sums, loads: Loads) -> Sums:
        """The sums of groups of pixels from `pixel` on, after multiplying every entry's block with each group."""
        call, body = self.call, self.call.body
        groups = loads(body, body.multiply(pixel, call.stride), call.stride, len(starts))
        with body.loop(self.begin, self.end, carried=starts) as entry:
            word = body.load_word(body.add(call.offsets, entry.index))
            row = body.tap(body.as_index(body.shift_right(word, body.word(OFFSET_BITS))))
            offset = body.binary(arith.AndIOp, word, body.word(OFFSET_MASK))
            address = body.add(row, body.as_index(offset))
            block = body.load(body.add(call.blocks, body.multiply(entry.index, body.index(BLOCK_WORDS))), W16)
            sums = enumerate(entry.values)
            body.yield_(*(multiply_accumulate(body, groups.group(n, address), block, total) for n, total in sums))
        return [body.bitcast(total, W32) for total in entry.results]

    def out(self, pixel: SSAValue) -> SSAValue:
        """Where the result of `pixel` goes."""
        body = self.call.body
        row = body.add(self.call.out, body.multiply(self.number, body.multiply(self.call.width, body.index(2))))
        return body.add(row, body.multiply(pixel, body.index(2)))


def _each_block(call: _Call, compute: Callable[[_OutputBlock], None]) -> None:
    """The loop over output blocks."""
    body = call.body
    with body.loop(body.index(0), body.arguments.blocks) as block:
        eight = body.load(body.add(call.bias, body.multiply(block.index, body.index(8))), W8)
        lists = body.add(call.pointers, body.multiply(block.index, call.taps))
        compute(
            _OutputBlock(
                call,
                block.index,
                begin=body.load_index(body.add(lists, call.first_tap)),
                end=body.load_index(body.add(lists, call.last_tap)),
                biases=body.bitcast(body.shuffle(eight, eight, [*range(8)] * GROUP, W32), ACCUMULATOR),
            )
        )


def _whole(call: _Call, loads: Loads, sizes: Sequence[int]) -> None:
    """A row without partial sums: from the bias to int8."""
    body = call.body
    ends = step_ends(body, sizes, call.width)

    def compute(block: _OutputBlock) -> None:
        def step(pixel: SSAValue, groups: int) -> None:
            call.requantiser.store(block.multiplied(pixel, [block.biases] * groups, loads), block.out(pixel))

        step_loops(body, body.index(0), sizes, ends, step)

    _each_block(call, compute)


def _partial(call: _Call, first: SSAValue, last: SSAValue) -> None:
    """A row that begins with partial sums or ends with them."""
    body = call.body
    last_wide, *rest = step_ends(body, SHORT_STEPS, call.width)
    in_fours = body.compare(call.stride, "sle", body.index(EVERY_SECOND))
    ends = [body.select(in_fours, last_wide, body.index(0)), *rest]
    (narrowest,) = SINGLE_STEPS
    wholes = body.shift_right(body.add(call.width, body.index(narrowest - 1)), body.index(narrowest.bit_length() - 1))
    block_words = body.multiply(wholes, body.index(8 * narrowest))

    def compute(block: _OutputBlock) -> None:
        partials = body.add(body.arguments.partial, body.multiply(block.number, block_words))

        def step(pixel: SSAValue, groups: int) -> None:
            at = body.add(partials, body.multiply(pixel, body.index(8)))
            places = [body.add(at, body.index(8 * GROUP * group)) for group in range(groups)]

            def begun() -> Sums:
                return [block.biases] * groups

            def resumed() -> Sums:
                return [body.bitcast(body.load(place, W32), ACCUMULATOR) for place in places]

            starts = body.choose_all(first, begun, resumed)

            def by(loads: Loads) -> Callable[[], Sums]:
                return lambda: block.multiplied(pixel, starts, loads)

            def apart() -> Sums:
                if GROUP * groups not in SINGLE_STEPS:
                    return by(every_second)()
                return body.choose_all(call.every_second, by(every_second), by(single))

            totals = body.choose_all(call.neighbours, by(neighbours), apart)

            def keep() -> None:
                for total, place in zip(totals, places, strict=True):
                    body.store(total, place)

            body.branch(last, lambda: call.requantiser.store(totals, block.out(pixel)), keep)

        step_loops(body, body.index(0), SHORT_STEPS, ends, step)

    _each_block(call, compute)


def _add_skip(call: _Call) -> None:
    """Add the row that the output slot holds to the row that was made."""
    body = call.body
    out = body.arguments.out
    words = body.multiply(body.arguments.blocks, body.multiply(call.width, body.index(2)))
    own, skip = (body.parameter_word(shift) for shift in (Parameter.SHIFT_A, Parameter.SHIFT_B))
    sum_rows(body, Requantiser.of(body, OF_SUM), [(call.out, own), (out, skip)], words, out)


def conv(arena_words: int) -> func.FuncOp:
    """See `semantics.conv`."""
    body = Assembler(Kernel.CONV.symbol, arena_words)
    arguments = body.arguments
    taps, stride = body.parameter(Parameter.TAPS), body.parameter(Parameter.PIXEL_STRIDE)
    pointers = body.add(arguments.weights, body.index(1))
    bias = body.add(body.add(pointers, body.multiply(arguments.blocks, taps)), body.index(1))
    skip = body.compare(body.parameter_word(Parameter.SKIP), "ne", body.word(0))
    call = _Call(
        body,
        Requantiser.of(body),
        taps,
        *taps_on_map(body, taps),
        width=body.parameter(Parameter.WIDTH),
        stride=stride,
        neighbours=body.compare(stride, "eq", body.index(NEIGHBOURS)),
        every_second=body.compare(stride, "eq", body.index(EVERY_SECOND)),
        pointers=pointers,
        bias=bias,
        offsets=body.add(bias, body.multiply(arguments.blocks, body.index(8))),
        blocks=body.add(arguments.weights, body.load_index(arguments.weights)),
        out=body.select(skip, body.parameter(Parameter.INNER_BASE), arguments.out),
    )
    first = body.compare(arguments.first, "ne", body.index(0))
    last = body.compare(arguments.last, "ne", body.index(0))

    def apart() -> None:
        body.branch(
            call.every_second,
            lambda: _whole(call, every_second, SHORT_STEPS),
            lambda: _whole(call, single, SINGLE_STEPS),
        )

    def whole() -> None:
        body.branch(call.neighbours, lambda: _whole(call, neighbours, LONG_STEPS), apart)

    body.branch(body.binary(arith.AndIOp, first, last), whole, lambda: _partial(call, first, last))
    body.branch(body.binary(arith.AndIOp, skip, last), lambda: _add_skip(call), lambda: None)
    return body.finish()
