"""
The convolution kernel: some output rows of one weight chunk, for every kernel size, stride and dilation.

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

What a call needs once, it does once: the rows of a call look at one table, each from its own first entry on.

A row that one call begins and ends starts from the bias and ends as int8, without a choice in any loop. With partial
sums, which come and go in int32, a step chooses as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, func
from xdsl.ir import SSAValue

from compiler.kernels.bodies.assembler import ACCUMULATOR, W8, W16, W32, Assembler
from compiler.kernels.bodies.output_rows import OutputRow, OutputRows
from compiler.kernels.bodies.pixel_loads import PIXEL_WORDS, PixelLoads, neighbours
from compiler.kernels.bodies.row_sums import sum_rows
from compiler.kernels.bodies.steps import SUM_WORDS, step_ends, step_loops
from compiler.kernels.bodies.vector_unit import Requantiser, Widener, multiply_accumulate
from compiler.kernels.parameters import OF_SUM, Kernel, Parameter
from compiler.kernels.row_steps import GROUP, steps_of
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_BITS, OFFSET_MASK

P = Parameter

Sums = Sequence[SSAValue]

Carried = Sequence[SSAValue]
"""Of an output block: its entries [begin, end), and what its sums start from."""


@dataclass(frozen=True)
class _Call:
    """What all steps share."""

    body: Assembler
    requantiser: Requantiser
    rows: OutputRows
    width: SSAValue
    pointers: SSAValue
    bias: SSAValue
    offsets: SSAValue
    blocks: SSAValue
    sizes: tuple[int, ...]
    """Pixels of the steps of a row."""

    def entries(self, row: OutputRow, block: SSAValue) -> list[SSAValue]:
        """
        Where an output block's entries begin and end, of those for rows on the map.

        Behind the last one something in the chunk is loaded, which nobody uses.
        """
        body = self.body
        pointers = body.add(self.pointers, body.multiply(block, self.rows.taps))
        return [body.load_index(body.add(pointers, tap)) for tap in (row.first_tap, row.last_tap)]

    def biases(self, block: SSAValue) -> SSAValue:
        """An output block's bias for four pixels; behind the last one like `entries`."""
        body = self.body
        eight = body.load(body.add(self.bias, body.multiply(block, body.index(8))), W8)
        return body.bitcast(body.shuffle(eight, eight, [*range(8)] * GROUP, W32), ACCUMULATOR)


@dataclass(frozen=True)
class _Step:
    """Some groups of pixels of all output blocks: their loads, and where they lie in the row."""

    call: _Call
    row: OutputRow
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
            row = body.tap(body.as_index(body.shift_right(word, body.word(OFFSET_BITS))), self.row.table)
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
        out = body.add(body.add(self.row.out, row), body.multiply(self.pixel, body.index(PIXEL_WORDS)))
        for number, words in enumerate(results):
            body.store(words, body.add(out, body.index(2 * GROUP * PIXEL_WORDS * number)))

    def places(self, block: SSAValue) -> list[SSAValue]:
        """Where an output block's partial sums lie: [step][output block][pixel of the step]."""
        body = self.call.body
        before = body.multiply(self.done, body.arguments.blocks)
        own = body.multiply(block, body.index(GROUP * self.groups))
        at = body.add(self.row.partial, body.multiply(body.add(before, own), body.index(SUM_WORDS)))
        return [body.add(at, body.index(SUM_WORDS * GROUP * group)) for group in range(self.groups)]


def _each_step(
    call: _Call,
    begun: Callable[[_Step], Carried],
    compute: Callable[[_Step, SSAValue, Carried], Carried],
) -> None:
    """
    The loops over rows, the steps of a row, and in each over output blocks.

    `begun` is what the first output block needs; `compute` writes the sums of one and returns that for the next one:
    loaded before anything is written, it comes while sums are rounded.
    """
    body = call.body
    ends = step_ends(body, call.sizes, call.width)

    def steps(row: OutputRow) -> None:
        def step(done: SSAValue, groups: int) -> None:
            last = body.subtract(call.width, body.index(GROUP * groups))
            pixel = body.maximum(body.minimum(done, last), body.index(0))
            loads = neighbours(body, body.multiply(pixel, body.index(PIXEL_WORDS)), groups)
            some = _Step(call, row, loads, groups, done, pixel)
            with body.loop(body.index(0), body.arguments.blocks, carried=begun(some)) as block:
                body.yield_(*compute(some, block.index, block.values))

        step_loops(body, body.index(0), call.sizes, ends, step)

    call.rows.each(steps)


def _whole(call: _Call) -> None:
    """A row without partial sums: from the bias to int8. The sums' starts are copied while others are rounded."""
    body = call.body

    def begun(step: _Step, block: SSAValue) -> Carried:
        return [*call.entries(step.row, block), *[call.biases(block)] * step.groups]

    def compute(step: _Step, block: SSAValue, carried: Carried) -> Carried:
        begin, end, *starts = carried
        results = step.rounded(step.multiplied(begin, end, starts))
        following = begun(step, body.add(block, body.index(1)))
        step.store(results, block)
        return following

    _each_step(call, lambda step: begun(step, body.index(0)), compute)


def _partial(call: _Call, first: SSAValue, last: SSAValue) -> None:
    """
    A row that begins with partial sums or ends with them. Those of the next output block come while others go.

    Behind the last block its own are loaded again, which nobody uses.
    """
    body = call.body
    final = body.subtract(body.arguments.blocks, body.index(1))

    def anew(step: _Step, block: SSAValue) -> Carried:
        return [*call.entries(step.row, block), *[call.biases(block)] * step.groups]

    def resumed(step: _Step, block: SSAValue) -> Carried:
        places = step.places(body.minimum(block, final))
        sums = [body.bitcast(body.load(place, W32), ACCUMULATOR) for place in places]
        return [*call.entries(step.row, block), *sums]

    def begun(step: _Step) -> Carried:
        block = body.index(0)
        return body.choose_all(first, lambda: anew(step, block), lambda: resumed(step, block))

    def compute(step: _Step, block: SSAValue, before: Carried) -> Carried:
        begin, end, *starts = before
        totals = step.multiplied(begin, end, starts)
        following = body.add(block, body.index(1))

        def ended() -> Carried:
            results, after = step.rounded(totals), resumed(step, following)
            step.store(results, block)
            return after

        def kept(after: Carried) -> Carried:
            for total, place in zip(totals, step.places(block), strict=True):
                body.store(total, place)
            return after

        def ahead() -> Carried:
            return body.choose_all(first, lambda: kept(anew(step, following)), lambda: kept(resumed(step, following)))

        return body.choose_all(last, ended, ahead)

    _each_step(call, begun, compute)


def _add_skip(call: _Call, far: SSAValue) -> None:
    """Add the rows that lie `far` behind the input rows to the rows that were made."""
    body = call.body
    words = body.multiply(body.arguments.blocks, body.multiply(call.width, body.index(2)))
    requantiser = Requantiser.of(body, OF_SUM)
    wideners = [Widener.of(body, body.parameter_word(shift)) for shift in (P.SHIFT_A, P.SHIFT_B)]

    def add(row: OutputRow) -> None:
        behind = body.add(body.tap(body.index(0), row.table), far)
        sum_rows(body, requantiser, list(zip((row.out, behind), wideners, strict=True)), words, row.out)

    call.rows.each(add)


def conv(arena_words: int) -> func.FuncOp:
    """See `semantics.conv`."""
    return _conv(Kernel.CONV, arena_words)


def conv_20(arena_words: int) -> func.FuncOp:
    """The same in other steps."""
    return _conv(Kernel.CONV_20, arena_words)


def _conv(kernel: Kernel, arena_words: int) -> func.FuncOp:
    body = Assembler(kernel.symbol, arena_words)
    arguments = body.arguments
    # all that is loaded is loaded before the first choice, which waits for it
    taps, far, width = (body.parameter(each) for each in (P.TAPS, P.SKIP, P.WIDTH))
    blocks = body.add(arguments.weights, body.load_index(arguments.weights))
    requantiser = Requantiser.of(body)
    first, last = (body.compare(each, "ne", body.index(0)) for each in (arguments.first, arguments.last))
    whole = body.binary(arith.AndIOp, first, last)
    skip = body.binary(arith.AndIOp, body.compare(far, "ne", body.index(0)), last)
    pointers = body.add(arguments.weights, body.index(1))
    bias = body.add(body.add(pointers, body.multiply(arguments.blocks, taps)), body.index(1))
    offsets = body.add(bias, body.multiply(arguments.blocks, body.index(8)))
    rows = OutputRows.of(body, taps)
    call = _Call(body, requantiser, rows, width, pointers, bias, offsets, blocks, steps_of(kernel))
    body.branch(whole, lambda: _whole(call), lambda: _partial(call, first, last))
    body.branch(skip, lambda: _add_skip(call, far), lambda: None)
    return body.finish()
