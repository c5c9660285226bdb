"""
The convolution kernel: one output row of one weight chunk, for every kernel size, stride and dilation.

The weight chunk lists, for each output block, its non-zero 8 × 8 blocks and where each one's input pixel lies: its
tap, and the distance from the start of that tap's row. So one inner loop runs over all that an output block needs.
Zero blocks cost nothing, and border rows, which are the first and the last taps, are cut off the ends of the list.
Pixels of a strided convolution are neighbours, too: its rows arrive with those that belong together side by side.

A weight block takes as long to load as eight pixels, so it has to serve several groups of four to keep the multiplier
busy: a step of a row keeps the sums of many pixels in accumulators (`row_steps`). All output blocks take a step before
the next one begins, so that the ends of an output block's list and its bias are loaded while the one before still
rounds its sums. Surplus pixels fall on the next output block, which is written afterwards, or behind the slot.

A skip row is added when the whole row is made: that is one more pass over int8, but in one pipelined loop, where each
step of the row would wait for its own sums.

A row that one call begins and ends starts from the bias and ends as int8, without a choice in any loop. With partial
sums, which come and go in int32, a step chooses as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, W8, W16, W32, Assembler
from compiler.kernels.bodies.pixel_loads import PIXEL_WORDS, PixelLoads, neighbours
from compiler.kernels.bodies.row_sums import sum_rows
from compiler.kernels.bodies.steps import SUM_WORDS, step_ends, step_loops
from compiler.kernels.bodies.taps import only_tap_on_map, taps_on_map
from compiler.kernels.bodies.vector_unit import Requantiser, multiply_accumulate
from compiler.kernels.parameters import OF_SUM, Kernel, Parameter
from compiler.kernels.row_steps import GROUP, STEPS
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_BITS, OFFSET_MASK

Sums = Sequence[SSAValue]

Carried = Sequence[SSAValue]
"""Of an output block: its entries [begin, end), and what its sums start from."""


@dataclass(frozen=True)
class _Call:
    """What all steps share."""

    body: Assembler
    requantiser: Requantiser
    taps: SSAValue
    first_tap: SSAValue
    last_tap: SSAValue
    """The taps [first, last) are on the map; first > last if none is."""
    width: SSAValue
    pointers: SSAValue
    bias: SSAValue
    offsets: SSAValue
    blocks: SSAValue

    def entries(self, block: SSAValue) -> list[SSAValue]:
        """
        Where an output block's entries begin and end.

        Behind the last one something in the chunk is loaded, which nobody uses.
        """
        body = self.body
        pointers = body.add(self.pointers, body.multiply(block, self.taps))
        return [body.load_index(body.add(pointers, tap)) for tap in (self.first_tap, self.last_tap)]

    def biases(self, block: SSAValue) -> SSAValue:
        """An output block's bias for four pixels; behind the last one like `entries`."""
        body = self.body
        eight = body.load(body.add(self.bias, body.multiply(block, body.index(8))), W8)
        return body.bitcast(body.shuffle(eight, eight, [*range(8)] * GROUP, W32), ACCUMULATOR)


@dataclass(frozen=True)
class _Row:
    """Some groups of pixels of all output blocks: their loads, and where they lie in the row."""

    call: _Call
    loads: PixelLoads
    groups: int
    done: SSAValue
    """Pixels that the steps before have computed."""
    pixel: SSAValue
    """The first pixel of this one, which is as many, or fewer."""

    def multiplied(self, begin: SSAValue, end: SSAValue, starts: Sums) -> Sums:
        """The sums after multiplying the block of every entry of [begin, end) with each group of pixels."""
        call, body = self.call, self.call.body
        with body.loop(begin, end, carried=starts) as entry:
            word = body.load_word(body.add(call.offsets, entry.index))
            row = body.tap(body.as_index(body.shift_right(word, body.word(OFFSET_BITS))))
            offset = body.binary(arith.AndIOp, word, body.word(OFFSET_MASK))
            address = body.add(row, body.as_index(offset))
            block = body.load(body.add(call.blocks, body.multiply(entry.index, body.index(BLOCK_WORDS))), W16)
            sums = enumerate(entry.values)
            body.yield_(*(multiply_accumulate(body, self.loads.group(n, address), block, total) for n, total in sums))
        return [body.bitcast(total, W32) for total in entry.results]

    def rounded(self, totals: Sums) -> Sums:
        """The results of one output block, of two groups each."""
        return [self.call.requantiser.rounded(totals[first : first + 2]) for first in range(0, self.groups, 2)]

    def store(self, results: Sums, block: SSAValue) -> None:
        """Write `rounded` of an output block."""
        call, body = self.call, self.call.body
        row = body.multiply(block, body.multiply(call.width, body.index(PIXEL_WORDS)))
        out = body.add(body.add(body.arguments.out, row), body.multiply(self.pixel, body.index(PIXEL_WORDS)))
        for number, words in enumerate(results):
            body.store(words, body.add(out, body.index(2 * GROUP * PIXEL_WORDS * number)))

    def places(self, block: SSAValue) -> list[SSAValue]:
        """Where an output block's partial sums lie: [step][output block][pixel of the step]."""
        body = self.call.body
        before = body.multiply(self.done, body.arguments.blocks)
        own = body.multiply(block, body.index(GROUP * self.groups))
        at = body.add(body.arguments.partial, body.multiply(body.add(before, own), body.index(SUM_WORDS)))
        return [body.add(at, body.index(SUM_WORDS * GROUP * group)) for group in range(self.groups)]


def _each_step(
    call: _Call,
    begun: Callable[[_Row], Carried],
    compute: Callable[[_Row, SSAValue, Carried], Carried],
) -> None:
    """
    The loops over the steps of a row, and in each over output blocks.

    `begun` is what the first output block needs; `compute` writes the sums of one and returns that for the next one:
    loaded before anything is written, it comes while sums are rounded.
    """
    body = call.body

    def step(done: SSAValue, groups: int) -> None:
        last = body.subtract(call.width, body.index(GROUP * groups))
        pixel = body.maximum(body.minimum(done, last), body.index(0))
        row = _Row(call, neighbours(body, body.multiply(pixel, body.index(PIXEL_WORDS)), groups), groups, done, pixel)
        with body.loop(body.index(0), body.arguments.blocks, carried=begun(row)) as block:
            body.yield_(*compute(row, block.index, block.values))

    step_loops(body, body.index(0), STEPS, step_ends(body, STEPS, call.width), step)


def _whole(call: _Call) -> None:
    """A row without partial sums: from the bias to int8. The sums' starts are copied while others are rounded."""
    body = call.body

    def begun(row: _Row, block: SSAValue) -> Carried:
        return [*call.entries(block), *[call.biases(block)] * row.groups]

    def compute(row: _Row, block: SSAValue, carried: Carried) -> Carried:
        begin, end, *starts = carried
        results = row.rounded(row.multiplied(begin, end, starts))
        following = begun(row, body.add(block, body.index(1)))
        row.store(results, block)
        return following

    _each_step(call, lambda row: begun(row, body.index(0)), compute)


def _partial(call: _Call, first: SSAValue, last: SSAValue) -> None:
    """A row that begins with partial sums or ends with them."""
    body = call.body

    def carried(block: SSAValue) -> Carried:
        return [*call.entries(block), call.biases(block)]

    def compute(row: _Row, block: SSAValue, before: Carried) -> Carried:
        begin, end, biases = before
        places = row.places(block)

        def begun() -> Sums:
            return [biases] * row.groups

        def resumed() -> Sums:
            return [body.bitcast(body.load(place, W32), ACCUMULATOR) for place in places]

        totals = row.multiplied(begin, end, body.choose_all(first, begun, resumed))
        following = body.add(block, body.index(1))

        def ended() -> Carried:
            results, after = row.rounded(totals), carried(following)
            row.store(results, block)
            return after

        def kept() -> Carried:
            after = carried(following)
            for total, place in zip(totals, places, strict=True):
                body.store(total, place)
            return after

        return body.choose_all(last, ended, kept)

    _each_step(call, lambda _: carried(body.index(0)), compute)


def _add_skip(call: _Call, far: SSAValue) -> None:
    """Add the row that lies `far` behind the input row to the row that was made."""
    body = call.body
    out = body.arguments.out
    words = body.multiply(body.arguments.blocks, body.multiply(call.width, body.index(2)))
    row = body.tap(body.index(0))
    own, skip = (body.parameter_word(shift) for shift in (Parameter.SHIFT_A, Parameter.SHIFT_B))
    sum_rows(body, Requantiser.of(body, OF_SUM), [(out, own), (body.add(row, far), skip)], words, out)


def conv(arena_words: int) -> func.FuncOp:
    """See `semantics.conv`."""
    body = Assembler(Kernel.CONV.symbol, arena_words)
    arguments = body.arguments
    # all that is loaded is loaded before the first choice, which waits for it
    taps, far, width = (body.parameter(each) for each in (Parameter.TAPS, Parameter.SKIP, Parameter.WIDTH))
    blocks = body.add(arguments.weights, body.load_index(arguments.weights))
    requantiser, only_tap = Requantiser.of(body), only_tap_on_map(body)
    several = body.compare(taps, "ne", body.index(1))
    first, last = (body.compare(each, "ne", body.index(0)) for each in (arguments.first, arguments.last))
    whole = body.binary(arith.AndIOp, first, last)
    skip = body.binary(arith.AndIOp, body.compare(far, "ne", body.index(0)), last)
    pointers = body.add(arguments.weights, body.index(1))
    bias = body.add(body.add(pointers, body.multiply(arguments.blocks, taps)), body.index(1))
    offsets = body.add(bias, body.multiply(arguments.blocks, body.index(8)))
    on_map = body.choose_all(several, lambda: taps_on_map(body, taps), lambda: only_tap)
    first_tap, last_tap = on_map
    call = _Call(body, requantiser, taps, first_tap, last_tap, width, pointers, bias, offsets, blocks)
    body.branch(whole, lambda: _whole(call), lambda: _partial(call, first, last))
    body.branch(skip, lambda: _add_skip(call, far), lambda: None)
    return body.finish()
