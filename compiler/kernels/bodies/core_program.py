"""
The program that every core runs for ever: wait for parameters, stream rows through a kernel, hand the space back.

    wait for a parameter block
    mint the slots: input and output spaces become available to the DMA
    for each output chunk, for each input chunk: take a chunk of weights
        for each output row: take the input rows it needs, fill the row table, call the kernel, give rows back
        (input that stays is taken with the first output chunk only, and given back with the last)
    take all input slots back, release the last output, take the output slots back
    give the parameter block back

The slots are taken back *before* the last output is released, so when a layer's outputs have arrived no descriptor
of that layer can still find a free slot, and the next layer may lay out the arena anew. Weight slots are not: they lie
where they always lie, in one ring that goes on from launch to launch, so that weights arrive before their launch
begins. Every core sends at least one output, even with no rows to compute: that is how the controller knows that it is
done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import arith, func, memref, vector
from xdsl.dialects.builtin import BytesAttr, DenseIntOrFPElementsAttr, IntegerAttr, VectorType, i8, i32
from xdsl.ir import Region, SSAValue

from compiler.kernels.bodies.program_builder import INDEX, CoreResources, ProgramBuilder
from compiler.kernels.parameters import PARAMETER_WORDS, Kernel, Parameter
from compiler.tiling.launch import WEIGHT_SLOTS
from dialects.aie import EndOp, LockAction
from dialects.aievec import ShiftRoundSaturateOp

FOREVER = (1 << 63) - 1
P = Parameter

_USED = (
    P.KERNEL,
    P.OUTPUT_CHUNKS,
    P.INPUT_CHUNKS,
    P.ROWS,
    P.STREAM_ROWS,
    P.STAYS,
    P.WINDOW,
    P.ROW_STRIDE,
    P.ROW_ORIGIN,
    P.ROW_STEP,
    P.TAPS,
    P.INPUT_BASE,
    P.INPUT_SLOT,
    P.INPUT_SLOTS,
    P.INPUT_ORIGIN,
    P.WEIGHT_BASE,
    P.WEIGHT_SLOT,
    P.WEIGHT_SLOTS,
    P.WEIGHT_FIRST,
    P.OUTPUT_BASE,
    P.OUTPUT_SLOT,
    P.OUTPUT_SLOTS,
    P.OUTPUT_FIRST,
    P.PARTIAL_BASE,
    P.PARTIAL_ROW,
    P.BLOCKS,
    P.LAST_BLOCKS,
)

ACQUIRE, RELEASE = LockAction.AcquireGreaterEqual, LockAction.Release


@dataclass
class _Chunk:
    """Where the program is: the chunk loops' values."""

    last_output: SSAValue
    first_input: SSAValue
    last_input: SSAValue
    blocks: SSAValue
    first_slot: SSAValue
    weights: SSAValue
    stream_start: SSAValue
    have: SSAValue
    """Input rows that are here before a pass: none, or all."""
    freed: SSAValue
    """Input rows that a pass need not give back: none, or all."""


def _prologue(p: ProgramBuilder) -> None:
    """
    Set rounding and saturation. Upstream's core lowering does so if the core's own body holds an `aievec.srs`; the
    result goes to the start of the arena, which nothing uses yet.
    """
    wide = VectorType(i32, (32,))
    zeros = DenseIntOrFPElementsAttr(wide, BytesAttr(np.zeros(32, np.int32).tobytes()))
    value = p.emit(arith.ConstantOp(zeros, wide))
    shift = p.emit(arith.ConstantOp(IntegerAttr(1, i32)))
    narrow = p.emit(ShiftRoundSaturateOp(value, shift, VectorType(i8, (32,))))
    words = p.emit(vector.BitcastOp(narrow, VectorType(i32, (8,))))
    p.block.add_op(vector.StoreOp(words, p.r.arena, [p.index(0)]))


def _fill_table(p: ProgramBuilder, top: SSAValue, slot: SSAValue) -> None:
    """The row table: where each tap's row lies, -1 where it is a border. `slot` is that of row `top`."""
    rows = p.read[P.STREAM_ROWS]

    def tap(number: SSAValue, _: tuple[SSAValue, ...]) -> tuple[SSAValue, ...]:
        after = p.multiply(number, p.read[P.ROW_STEP])
        # unsigned: a row before the first is a very large number
        on_map = p.compare(p.add(top, after), "ult", rows)
        # a window is never longer than the ring
        place = p.place(P.INPUT_BASE, p.wrap(p.add(slot, after), P.INPUT_SLOTS), P.INPUT_SLOT)
        word = p.emit(arith.IndexCastOp(p.select(on_map, place, p.index(-1)), i32))
        p.block.add_op(memref.StoreOp.get(word, p.r.params, [p.add(number, p.index(PARAMETER_WORDS))]))
        return ()

    p.loop(p.read[P.TAPS], tap)


def _call_kernel(p: ProgramBuilder, kernels: Iterable[Kernel], chunk: _Chunk, row: SSAValue, out: SSAValue) -> None:
    partial = p.add(p.read[P.PARTIAL_BASE], p.multiply(row, p.read[P.PARTIAL_ROW]))
    first = p.emit(arith.IndexCastOp(p.emit(arith.ExtUIOp(chunk.first_input, i32)), INDEX))
    last = p.emit(arith.IndexCastOp(p.emit(arith.ExtUIOp(chunk.last_input, i32)), INDEX))
    arguments = [p.r.params, p.r.arena, chunk.weights, out, partial, chunk.blocks, first, last, row]
    _call_one(p, list(kernels), arguments)


def _call_one(p: ProgramBuilder, kernels: list[Kernel], arguments: list[SSAValue]) -> None:
    """The kernel that the parameters name: one question after the other, until one is answered."""
    first, *others = kernels
    chosen = p.compare(p.read[P.KERNEL], "eq", p.index(first))
    called = func.CallOp(first.symbol, arguments, [])
    p.when(chosen, lambda: p.block.add_op(called), (lambda: _call_one(p, others, arguments)) if others else None)


def _row(
    p: ProgramBuilder, kernels: Iterable[Kernel], chunk: _Chunk, y: SSAValue, state: tuple[SSAValue, ...]
) -> tuple[SSAValue, ...]:
    """
    One output row. `have` rows of the stream have been taken, `freed` given back; the window begins in slot `input`
    of the ring, the row goes to slot `output`. Strides are never longer than the ring where another row follows.
    """
    have, freed, input, output = state
    top = p.add(p.read[P.ROW_ORIGIN], p.multiply(y, p.read[P.ROW_STRIDE]))
    need = p.clamp(p.add(top, p.read[P.WINDOW]), have, p.read[P.STREAM_ROWS])
    p.repeat_lock(p.subtract(need, have), p.r.input_full, ACQUIRE)
    _fill_table(p, top, input)
    p.when(chunk.last_input, lambda: p.lock(p.r.output_empty, ACQUIRE))
    _call_kernel(p, kernels, chunk, y, p.place(P.OUTPUT_BASE, output, P.OUTPUT_SLOT))
    final_row = p.compare(p.add(y, p.index(1)), "eq", p.read[P.ROWS])
    final = p.emit(arith.AndIOp(chunk.last_output, final_row))
    more = p.emit(arith.XOrIOp(final, p.emit(arith.ConstantOp.from_int_and_width(1, 1))))
    p.when(p.emit(arith.AndIOp(chunk.last_input, more)), lambda: p.lock(p.r.output_full, RELEASE))
    done = p.clamp(p.add(top, p.read[P.ROW_STRIDE]), freed, need)
    next_input = p.wrap(p.add(input, p.read[P.ROW_STRIDE]), P.INPUT_SLOTS)
    next_output = p.wrap(p.add(output, p.index(1)), P.OUTPUT_SLOTS)
    p.repeat_lock(p.subtract(done, freed), p.r.input_empty, RELEASE)
    return need, done, next_input, next_output


def _pass(p: ProgramBuilder, kernels: Iterable[Kernel], chunk: _Chunk) -> SSAValue:
    """One pass of the input stream over one chunk of weights; the output slot that follows its last row's."""
    first = p.remainder(p.add(chunk.stream_start, p.read[P.INPUT_ORIGIN]), P.INPUT_SLOTS)
    start = (chunk.have, chunk.freed, first, chunk.first_slot)
    has_weights = p.compare(p.read[P.WEIGHT_SLOTS], "ne", p.index(0))
    p.when(has_weights, lambda: p.lock(p.r.weights_full, ACQUIRE))
    have, freed, _, following = p.loop(p.read[P.ROWS], lambda y, state: _row(p, kernels, chunk, y, state), start)
    rows = p.read[P.STREAM_ROWS]
    p.repeat_lock(p.subtract(rows, have), p.r.input_full, ACQUIRE)
    p.repeat_lock(p.subtract(rows, freed), p.r.input_empty, RELEASE)
    p.when(has_weights, lambda: p.lock(p.r.weights_empty, RELEASE))
    return following


def _output_chunk(p: ProgramBuilder, kernels: Iterable[Kernel], number: SSAValue, slot: SSAValue) -> SSAValue:
    """
    One chunk of output channels, from output slot `slot` on; the slot that follows its last row's. A smaller last chunk
    starts again at slot 0, once all slots have drained.
    """
    one = p.index(1)
    last = p.compare(p.add(number, one), "eq", p.read[P.OUTPUT_CHUNKS])
    smaller = p.compare(p.read[P.LAST_BLOCKS], "ne", p.read[P.BLOCKS])
    restart = p.emit(arith.AndIOp(last, smaller))
    drained = p.select(restart, p.read[P.OUTPUT_SLOTS], p.index(0))
    p.repeat_lock(drained, p.r.output_empty, ACQUIRE)
    p.repeat_lock(drained, p.r.output_empty, RELEASE)
    first_slot = p.select(restart, p.index(0), slot)
    blocks = p.select(last, p.read[P.LAST_BLOCKS], p.read[P.BLOCKS])
    staying = p.multiply(p.read[P.STAYS], p.read[P.STREAM_ROWS])
    have = p.select(p.compare(number, "eq", p.index(0)), p.index(0), staying)
    freed = p.select(last, p.index(0), staying)

    def input_chunk(part: SSAValue, _: tuple[SSAValue, ...]) -> tuple[SSAValue, ...]:
        passed = p.add(p.multiply(number, p.read[P.INPUT_CHUNKS]), part)
        weights = p.emit(arith.AndIOp(p.add(p.read[P.WEIGHT_FIRST], passed), p.index(WEIGHT_SLOTS - 1)))
        chunk = _Chunk(
            last,
            p.compare(part, "eq", p.index(0)),
            p.compare(p.add(part, one), "eq", p.read[P.INPUT_CHUNKS]),
            blocks,
            first_slot,
            p.add(p.read[P.WEIGHT_BASE], p.multiply(weights, p.read[P.WEIGHT_SLOT])),
            p.multiply(passed, p.read[P.STREAM_ROWS]),
            have,
            freed,
        )
        return (_pass(p, kernels, chunk),)

    (following,) = p.loop(p.read[P.INPUT_CHUNKS], input_chunk, (first_slot,))
    return following


def _launch(p: ProgramBuilder, kernels: Iterable[Kernel]) -> None:
    r = p.r
    p.lock(r.parameters_full, ACQUIRE)
    p.load_parameters(_USED)
    inputs, outputs = (p.read[slots] for slots in (P.INPUT_SLOTS, P.OUTPUT_SLOTS))
    p.repeat_lock(inputs, r.input_empty, RELEASE)
    p.repeat_lock(outputs, r.output_empty, RELEASE)

    def chunk(number: SSAValue, state: tuple[SSAValue, ...]) -> tuple[SSAValue, ...]:
        return (_output_chunk(p, kernels, number, state[0]),)

    p.loop(p.read[P.OUTPUT_CHUNKS], chunk, (p.read[P.OUTPUT_FIRST],))
    idle = p.compare(p.read[P.ROWS], "eq", p.index(0))
    p.when(idle, lambda: p.lock(r.output_empty, ACQUIRE))
    p.repeat_lock(inputs, r.input_empty, ACQUIRE)
    p.lock(r.output_full, RELEASE)
    p.repeat_lock(outputs, r.output_empty, ACQUIRE)
    p.lock(r.parameters_empty, RELEASE)


def core_program(resources: CoreResources, kernels: Iterable[Kernel]) -> Region:
    """The body of `aie.core`: the endless loop over launches, with calls of `kernels`."""
    p = ProgramBuilder(resources)
    used = sorted(set(kernels))
    _prologue(p)

    def launch(_: SSAValue, __: tuple[SSAValue, ...]) -> tuple[SSAValue, ...]:
        _launch(p, used)
        return ()

    p.loop(p.index(FOREVER), launch)
    p.block.add_op(EndOp())
    return Region(p.entry)
