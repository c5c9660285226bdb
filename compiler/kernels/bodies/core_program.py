"""
The program that every core runs for ever: wait for parameters, stream rows through a kernel, hand the space back.

    wait for a parameter block
    mint the slots: input and output spaces become available to the DMA
    for each output chunk, for each input chunk: take a chunk of weights
        for each few output rows: take the input rows they need, fill the row table, call the kernel, give rows back
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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import arith, func, memref, vector
from xdsl.dialects.builtin import BytesAttr, DenseIntOrFPElementsAttr, IntegerAttr, VectorType, i8, i32
from xdsl.ir import Region, SSAValue

from compiler.kernels.bodies.program_builder import INDEX, CoreResources, ProgramBuilder, Ring
from compiler.kernels.parameters import PARAMETER_WORDS, Kernel, Parameter
from compiler.tiling.arena import WEIGHT_SLOTS
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
    P.ROWS_TOGETHER,
)

ACQUIRE, RELEASE = LockAction.AcquireGreaterEqual, LockAction.Release


@dataclass(frozen=True)
class _Launch:
    """What is the same in all passes of a launch."""

    kernels: Sequence[Kernel]
    inputs: Ring
    outputs: Ring
    together: SSAValue
    """Output rows of a call."""
    further: SSAValue
    """Rows of a window behind the first one of the next output row, less than none if there is a gap."""
    table_end: SSAValue
    """Where the row table would end if the next output rows began where these do."""
    tap: SSAValue
    """Words of the input ring from a tap to the next one."""
    turn: SSAValue
    """Words of it from where a pass begins to where the next one does."""


@dataclass(frozen=True)
class _Chunk:
    """Where the program is: the chunk loops' values."""

    last_output: SSAValue
    first_input: SSAValue
    last_input: SSAValue
    blocks: SSAValue
    weights: SSAValue
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


def _fill_table(p: ProgramBuilder, launch: _Launch, top: SSAValue, first: SSAValue, advance: SSAValue) -> None:
    """The row table: where each tap's row lies, -1 where it is a border. `first` is the place of row `top`."""
    rows = p.read[P.STREAM_ROWS]

    def tap(entry: SSAValue, state: tuple[SSAValue, ...]) -> tuple[SSAValue, ...]:
        row, place = state
        # unsigned: a row before the first is a very large number
        on_map = p.compare(row, "ult", rows)
        word = p.emit(arith.IndexCastOp(p.select(on_map, place, p.index(-1)), i32))
        p.block.add_op(memref.StoreOp.get(word, p.r.params, [entry]))
        return p.add(row, p.read[P.ROW_STEP]), launch.inputs.further(place, launch.tap)

    p.loop(p.add(launch.table_end, advance), tap, (top, first), lower=p.index(PARAMETER_WORDS))


def _call_kernel(
    p: ProgramBuilder, kernels: Sequence[Kernel], chunk: _Chunk, row: SSAValue, rows: SSAValue, out: SSAValue
) -> None:
    partial = p.add(p.read[P.PARTIAL_BASE], p.multiply(row, p.read[P.PARTIAL_ROW]))
    first = p.emit(arith.IndexCastOp(p.emit(arith.ExtUIOp(chunk.first_input, i32)), INDEX))
    last = p.emit(arith.IndexCastOp(p.emit(arith.ExtUIOp(chunk.last_input, i32)), INDEX))
    arguments = [p.r.params, p.r.arena, chunk.weights, out, partial, chunk.blocks, first, last, row, rows]
    _call_one(p, kernels, arguments)


def _call_one(p: ProgramBuilder, kernels: Sequence[Kernel], arguments: list[SSAValue]) -> None:
    """The kernel that the parameters name: one question after the other, until one is answered."""
    first, *others = kernels
    chosen = p.compare(p.read[P.KERNEL], "eq", p.index(first))
    called = func.CallOp(first.symbol, arguments, [])
    p.when(chosen, lambda: p.block.add_op(called), (lambda: _call_one(p, others, arguments)) if others else None)


def _rows(
    p: ProgramBuilder, launch: _Launch, chunk: _Chunk, y: SSAValue, state: tuple[SSAValue, ...]
) -> tuple[SSAValue, ...]:
    """
    The output rows of one call. `have` rows of the stream have been taken, `freed` given back; the window begins with
    row `top`, at the place `input` of the ring, and the rows go to the places from `output` on. All that a call moves
    on in a ring is one turn at most where another one follows.
    """
    have, freed, top, input, output = state
    count = p.minimum(p.subtract(p.read[P.ROWS], y), launch.together)
    advance = p.multiply(count, p.read[P.ROW_STRIDE])
    following = p.add(top, advance)
    need = p.clamp(p.add(following, launch.further), have, p.read[P.STREAM_ROWS])
    p.repeat_lock(p.subtract(need, have), p.r.input_full, ACQUIRE)
    _fill_table(p, launch, top, input, advance)
    made = p.select(chunk.last_input, count, p.index(0))
    p.repeat_lock(made, p.r.output_empty, ACQUIRE)
    _call_kernel(p, launch.kernels, chunk, y, count, output)
    final = p.emit(arith.AndIOp(chunk.last_output, p.compare(p.add(y, count), "eq", p.read[P.ROWS])))
    p.repeat_lock(p.select(final, p.subtract(made, p.index(1)), made), p.r.output_full, RELEASE)
    done = p.clamp(following, freed, need)
    next_input = launch.inputs.further(input, p.multiply(advance, launch.inputs.slot))
    next_output = launch.outputs.further(output, p.multiply(count, launch.outputs.slot))
    p.repeat_lock(p.subtract(done, freed), p.r.input_empty, RELEASE)
    return need, done, following, next_input, next_output


def _pass(p: ProgramBuilder, launch: _Launch, chunk: _Chunk, input: SSAValue, output: SSAValue) -> SSAValue:
    """
    One pass of the input stream over one chunk of weights, whose first window begins at `input` and whose rows go to
    the places from `output` on; the one that follows its last row's.
    """
    start = (chunk.have, chunk.freed, p.read[P.ROW_ORIGIN], input, output)
    has_weights = p.compare(p.read[P.WEIGHT_SLOTS], "ne", p.index(0))
    p.when(has_weights, lambda: p.lock(p.r.weights_full, ACQUIRE))
    have, freed, _, _, following = p.loop(
        p.read[P.ROWS], lambda y, state: _rows(p, launch, chunk, y, state), start, step=launch.together
    )
    rows = p.read[P.STREAM_ROWS]
    p.repeat_lock(p.subtract(rows, have), p.r.input_full, ACQUIRE)
    p.repeat_lock(p.subtract(rows, freed), p.r.input_empty, RELEASE)
    p.when(has_weights, lambda: p.lock(p.r.weights_empty, RELEASE))
    return following


def _output_chunk(
    p: ProgramBuilder, launch: _Launch, number: SSAValue, places: tuple[SSAValue, ...]
) -> tuple[SSAValue, ...]:
    """
    One chunk of output channels, from these places of the input and the output ring on; those that follow its last
    row's. A smaller last chunk starts again at the first slot, once all slots have drained.
    """
    one = p.index(1)
    input, output = places
    last = p.compare(p.add(number, one), "eq", p.read[P.OUTPUT_CHUNKS])
    smaller = p.compare(p.read[P.LAST_BLOCKS], "ne", p.read[P.BLOCKS])
    restart = p.emit(arith.AndIOp(last, smaller))
    drained = p.select(restart, p.read[P.OUTPUT_SLOTS], p.index(0))
    p.repeat_lock(drained, p.r.output_empty, ACQUIRE)
    p.repeat_lock(drained, p.r.output_empty, RELEASE)
    first = p.select(restart, launch.outputs.base, output)
    blocks = p.select(last, p.read[P.LAST_BLOCKS], p.read[P.BLOCKS])
    staying = p.multiply(p.read[P.STAYS], p.read[P.STREAM_ROWS])
    have = p.select(p.compare(number, "eq", p.index(0)), p.index(0), staying)
    freed = p.select(last, p.index(0), staying)

    def input_chunk(part: SSAValue, state: tuple[SSAValue, ...]) -> tuple[SSAValue, ...]:
        passed = p.add(p.multiply(number, p.read[P.INPUT_CHUNKS]), part)
        weights = p.emit(arith.AndIOp(p.add(p.read[P.WEIGHT_FIRST], passed), p.index(WEIGHT_SLOTS - 1)))
        last_part = p.compare(p.add(part, one), "eq", p.read[P.INPUT_CHUNKS])
        chunk = _Chunk(
            p.emit(arith.AndIOp(last, last_part)),
            p.compare(part, "eq", p.index(0)),
            last_part,
            blocks,
            p.multiply(weights, p.read[P.WEIGHT_SLOT]),
            have,
            freed,
        )
        # all rows of a pass of partial sums go to the places of those that are made in the last one
        next_input = launch.inputs.further(state[0], launch.turn)
        return next_input, _pass(p, launch, chunk, state[0], first)

    return p.loop(p.read[P.INPUT_CHUNKS], input_chunk, (input, first))


def _launch(p: ProgramBuilder, kernels: Iterable[Kernel]) -> None:
    r = p.r
    p.lock(r.parameters_full, ACQUIRE)
    p.load_parameters(_USED)
    inputs = p.ring(P.INPUT_BASE, P.INPUT_SLOT, P.INPUT_SLOTS)
    outputs = p.ring(P.OUTPUT_BASE, P.OUTPUT_SLOT, P.OUTPUT_SLOTS)
    origin, stride = p.read[P.INPUT_ORIGIN], p.read[P.ROW_STRIDE]
    launch = _Launch(
        list(kernels),
        inputs,
        outputs,
        together=p.emit(arith.MaxSIOp(p.read[P.ROWS_TOGETHER], p.index(1))),
        further=p.subtract(p.read[P.WINDOW], stride),
        table_end=p.subtract(p.add(p.read[P.TAPS], p.index(PARAMETER_WORDS)), stride),
        tap=p.multiply(p.read[P.ROW_STEP], inputs.slot),
        turn=p.multiply(p.emit(arith.RemSIOp(p.read[P.STREAM_ROWS], p.read[P.INPUT_SLOTS])), inputs.slot),
    )
    # a window that begins before the first slot begins one turn of the ring further on
    ahead = p.multiply(origin, inputs.slot)
    before = p.compare(origin, "slt", p.index(0))
    first = p.add(inputs.base, p.select(before, p.add(ahead, inputs.words), ahead))
    first_output = p.place(P.OUTPUT_BASE, p.read[P.OUTPUT_FIRST], P.OUTPUT_SLOT)
    minted, made = (p.read[slots] for slots in (P.INPUT_SLOTS, P.OUTPUT_SLOTS))
    p.repeat_lock(minted, r.input_empty, RELEASE)
    p.repeat_lock(made, r.output_empty, RELEASE)
    p.loop(
        p.read[P.OUTPUT_CHUNKS],
        lambda number, places: _output_chunk(p, launch, number, places),
        (first, first_output),
    )
    idle = p.compare(p.read[P.ROWS], "eq", p.index(0))
    p.when(idle, lambda: p.lock(r.output_empty, ACQUIRE))
    p.repeat_lock(minted, r.input_empty, ACQUIRE)
    p.lock(r.output_full, RELEASE)
    p.repeat_lock(made, r.output_empty, ACQUIRE)
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
