"""
A floor under the recurrence of a convolution, in a few sums: what no evaluation of the launch can come out below.

Everything that a core does itself is done one thing after the other, and so is everything on its input stream and on
its weight stream. So a launch takes at least as long as all steps and calls of its busiest core, or all its input rows
and the call that needs the last one, or all its weights on their way.
A mapping whose floor lies above another's time need not be evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from compiler.costs.calls import CallCycles, Calls, calls_of
from compiler.costs.feed import moved
from compiler.costs.program import ProgramCycles
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_WORDS, Parameter
from compiler.tiling.core_parameters import common_parameters, own_parameters
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Range

P = Parameter


@dataclass(frozen=True)
class Share:
    """What one core of a launch has to do, however the weights are cut."""

    blocks: Range
    rows: int
    taps: int
    """Taps that lie on the map, over all its rows."""
    stream_rows: int
    to_the_end: bool
    """Whether the last output row needs the last row of the stream."""
    present: int
    """Non-zero blocks of weights."""


def shares(launch: Launch) -> frozenset[Share]:
    """Of all cores; of those that differ in their weights alone, that with most non-zero blocks."""
    common = common_parameters(launch)
    found: dict[tuple[int, ...], Share] = {}
    present = {blocks: int(launch.layer.gamma[slice(*blocks)].sum()) for blocks in launch.slices}
    for work in launch.cores:
        own = own_parameters(launch, work)
        tops = own[P.ROW_ORIGIN] + common[P.ROW_STRIDE] * np.arange(work.rows)
        taps = tops[:, None] + common[P.ROW_STEP] * np.arange(common[P.TAPS])
        on_map = int(((taps >= 0) & (taps < own[P.STREAM_ROWS])).sum())
        to_the_end = int(tops[-1]) + common[P.WINDOW] >= own[P.STREAM_ROWS] > 0
        key = (work.block_count, work.rows, on_map, own[P.STREAM_ROWS], to_the_end)
        if key not in found or found[key].present < present[work.blocks]:
            found[key] = Share(work.blocks, work.rows, on_map, own[P.STREAM_ROWS], to_the_end, present[work.blocks])
    return frozenset(found.values())


def _of_rows(calls: Calls, blocks: int, rows: int, together: int, first: int, last: int) -> CallCycles:
    """All calls of a pass over `rows`, so many of them in one; what a tap or a block takes is the same in each."""
    full, rest = divmod(rows, together)
    counts = [(together, full), (rest, 1)]
    each = [(calls.of(blocks, count, first, last), times) for count, times in counts if count and times]
    return replace(each[0][0], fixed=sum(call.fixed * times for call, times in each))


def _passes(calls: Calls, blocks: int, rows: int, together: int, input_chunks: int) -> list[tuple[CallCycles, int]]:
    """The passes over the rows of an output chunk, and how many there are of each."""
    if input_chunks == 1:
        return [(_of_rows(calls, blocks, rows, together, 1, 1), 1)]
    first, last, between = (_of_rows(calls, blocks, rows, together, *ends) for ends in ((1, 0), (0, 1), (0, 0)))
    return [(first, 1), (last, 1), (between, input_chunks - 2)]


@dataclass(frozen=True)
class _Core:
    """Cycles that a core spends between its first weights and its last output."""

    passes: int
    arriving: int
    """Of the passes, those in which input arrives."""
    alone: int
    """Those in which skip rows arrive without it."""
    serial: int
    last_pass: int
    last_row: int
    """The least time from the last input row to the end of its pass."""
    last_words: int


def _core(launch: Launch, share: Share, calls: Calls, program: ProgramCycles) -> _Core:
    layer = launch.layer
    chunks, inputs = launch.output_chunks(share.blocks), launch.input_chunks
    arriving = inputs if launch.stays else chunks * inputs
    alone = chunks - 1 if launch.skips_alone else 0
    last_blocks = share.blocks[1] - share.blocks[0] - (chunks - 1) * launch.output_chunk
    together, stride = launch.rows_together, launch.row_stride
    groups = -(-share.rows // together)
    around = program.output + program.call + program.after + program.rows_end
    entries = groups * layer.kernel_size[0] + (share.rows - groups) * stride
    each = groups * (program.row + around) + entries * program.tap + 2 * program.rest + program.weights_end + 1
    locks = 2 * share.stream_rows * program.lock
    kernels, entry = 0, 0
    for blocks, count in ((launch.output_chunk, chunks - 1), (last_blocks, 1)):
        for call, times in _passes(calls, blocks, share.rows, together, inputs) if count else ():
            kernels += count * times * (call.fixed + call.row * share.taps)
            entry = min(entry or call.entry, call.entry)
    lines = share.taps * layer.kernel_size[1] * entry
    kernels += lines * share.present
    final = _of_rows(calls, last_blocks, share.rows, together, int(inputs == 1), 1)
    last_pass = each + locks + final.fixed + final.row * share.taps
    end = share.blocks[1]
    last_pass += lines * int(np.count_nonzero(layer.gamma[end - last_blocks : end, -launch.input_chunk :]))
    passes = chunks * inputs
    serial = passes * each + (passes - 1) * (program.each_pass + 1) + (chunks - 1) * (program.chunk + program.drained)
    serial += (arriving + alone) * locks + (2 * share.rows * chunks - 1) * program.lock + kernels
    last_row = program.weights_end + 1
    if share.to_the_end:
        # a tap off the map may cost more than one on it
        rows = share.rows - (groups - 1) * together
        call = calls.of(last_blocks, rows, int(inputs == 1), 1)
        last_row += (layer.kernel_size[0] + (rows - 1) * stride) * program.tap + around
        last_row += call.fixed + min(call.row, 0) * layer.kernel_size[0]
    return _Core(passes, arriving, alone, serial, last_pass, last_row, last_blocks * launch.sent_width * 2)


def launch_floor(launch: Launch, parts: Iterable[Share], chip: Chip, program: ProgramCycles) -> int:
    """Cycles that a convolution's launch takes at least. `parts` are the shares of its cores."""
    calls = calls_of(chip, launch.layer.kernel, common_parameters(launch))
    arena, setup, seen = launch.arena, chip.descriptor_cycles, chip.lock_cycles
    to_core = 2 * chip.hop_cycles
    sent = int(moved(chip, PARAMETER_WORDS))
    head = sent + to_core + seen + program.begin + program.lock * arena.output_slots
    head += program.chunk + program.drained + program.each_pass + 1
    row, skip = (setup + int(moved(chip, words)) for words in (launch.stream_row_words, launch.skip_words))
    floor = 0
    for share in parts:
        core = _core(launch, share, calls, program)
        slots = launch.input_chunks * share.stream_rows if launch.stays else arena.input_slots
        minted = program.lock * slots
        leaving = int(moved(chip, core.last_words))
        end = program.end + minted + 1 + seen + leaving + to_core
        computed = head + minted + core.serial
        received = sent + share.stream_rows * (core.arriving * row + core.alone * skip) + to_core + seen + core.last_row
        written = head + minted + core.serial - core.last_pass + share.rows * (setup + leaving) + to_core
        weighed = int(moved(chip, core.passes * launch.chunk_words))
        floor = max(floor, computed + end, received + end, written, weighed)
    return floor
