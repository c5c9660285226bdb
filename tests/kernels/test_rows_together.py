"""Several output rows by one call of the convolution: what as many calls give, each with a row table of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernels.cases import BY_STEPS, SLACK_WORDS, Case, check, clamps, noise, region, roundings, seeds, table

from compiler.kernels.call import output_rows
from compiler.kernels.footprint import footprint
from compiler.kernels.parameters import PARAMETER_WORDS, Kernel, Parameter, pack
from compiler.kernels.row_steps import computed_pixels, steps_of
from compiler.kernels.semantics import KERNELS, Call
from compiler.kernels.weight_chunk import encode_chunk

P = Parameter
WEIGHTS, PARTIAL, OUTPUTS = 700, 1200, 2400


@st.composite
def calls(draw: st.DrawFn) -> Case:
    """Windows that overlap or leave rows out, with borders above and below; slots on both ends of the ring; skips."""
    blocks, taps, stride, rows = (draw(st.integers(1, most)) for most in (2, 3, 4, 3))
    width = draw(st.integers(1, 18))
    looked_at = taps + (rows - 1) * stride
    above = draw(st.integers(0, looked_at))
    below = draw(st.integers(0, looked_at - above))
    seed = draw(seeds)
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 3, blocks * taps)
    entries = int(counts.sum())
    chunk = encode_chunk(
        np.cumsum([0, *counts], dtype=np.int32),
        rng.integers(-5000, 5000, blocks * 8, np.int32),
        np.zeros(entries, np.int32),
        rng.integers(-128, 128, (entries, 8, 8), np.int8),
    )
    first, last = draw(st.booleans()), draw(st.booleans())
    # rows that are added lie behind those of a window of one row, all of which are on the map
    skips = taps == 1 and above == below == 0 and draw(st.booleans())
    own, added = 2 * width, 2 * width * blocks * skips
    kernel = draw(st.sampled_from(BY_STEPS))
    pixels = computed_pixels(width, steps_of(kernel))
    slot, partial_row = 2 * width * blocks + SLACK_WORDS, blocks * pixels * 8
    slots, begin = draw(st.integers(rows, 4)), draw(st.integers(0, 3))
    row = draw(st.integers(0, 5))
    low, high = draw(clamps)
    params = pack(
        {
            P.KERNEL: kernel,
            P.TAPS: taps,
            P.WIDTH: width,
            P.INPUT_SLOT: own + added,
            P.ROW_STRIDE: stride,
            P.ROW_STEP: 1,
            # the window of this call begins so many rows above the map
            P.ROW_ORIGIN: -above - row * stride,
            P.STREAM_ROWS: looked_at - above - below,
            P.OUTPUT_BASE: OUTPUTS,
            P.OUTPUT_SLOT: slot,
            P.OUTPUT_SLOTS: slots,
            P.PARTIAL_ROW: partial_row,
            P.SHIFT: draw(st.integers(0, 14)),
            P.ROUNDING: draw(roundings),
            P.CLAMP_LOW: low,
            P.CLAMP_HIGH: high,
            P.SKIP: own * skips,
            P.SHIFT_A: draw(st.integers(0, 3)),
            P.SUM_SHIFT: draw(st.integers(0, 3)),
            P.SUM_CLAMP_LOW: -128,
            P.SUM_CLAMP_HIGH: 127,
        }
    )
    on_map = range(above, looked_at - below)
    places = [entry * (own + added) if entry in on_map else -1 for entry in range(looked_at)]
    arena = noise(seed)
    arena[PARTIAL : PARTIAL + rows * partial_row] = rng.integers(-(2**20), 2**20, rows * partial_row, np.int32)
    arena[WEIGHTS : WEIGHTS + chunk.size] = chunk
    out = OUTPUTS + begin % slots * slot
    call = Call(WEIGHTS, out, PARTIAL, blocks, int(first), int(last), row, rows)
    defined, touched = region(0, 0), region(0, 0)
    for made, sums in output_rows(params, call):
        if last:
            defined |= region(made, 2 * width * blocks)
            touched |= region(made, slot)
        else:
            for block in range(blocks):
                defined |= region(sums + 8 * block * pixels, 8 * width)
            touched |= region(sums, partial_row)
    return Case(np.concatenate([params, table(places)]), arena, call, defined, touched)


@given(calls())
def test_the_body_writes_what_the_meaning_says(case: Case) -> None:
    check(Kernel(int(case.params[P.KERNEL])), case)


@given(calls())
def test_rows_of_one_call_are_those_of_as_many(case: Case) -> None:
    together, apart = case.arena.copy(), case.arena.copy()
    KERNELS[Kernel.CONV](case.params, together, case.call)
    for row, (out, partial) in enumerate(output_rows(case.params, case.call)):
        params = case.params.copy()
        first = PARAMETER_WORDS + row * int(params[P.ROW_STRIDE])
        own = case.params[first : first + int(params[P.TAPS])]
        params[PARAMETER_WORDS : PARAMETER_WORDS + own.size] = own
        one = replace(case.call, out=out, partial=partial, row=case.call.row + row, rows=1)
        KERNELS[Kernel.CONV](params, apart, one)
    np.testing.assert_array_equal(together, apart)


@given(calls())
def test_a_footprint_holds_all_rows(case: Case) -> None:
    touched = footprint(Kernel(int(case.params[P.KERNEL])), case.params, case.arena, case.call)
    after = case.arena.copy()
    KERNELS[Kernel.CONV](case.params, after, case.call)
    written = np.zeros(after.size, np.bool_)
    for low, high in touched.writes:
        written[low:high] = True
    assert not (after != case.arena)[~written].any()
