"""The facts of a planned launch, before there is any IR: the same numbers that `mem.launch` says."""

from __future__ import annotations

import numpy as np

from compiler.costs.facts import TABLE_STREAM, LaunchFacts, Numbers, Stream
from compiler.costs.feed import Feed, moved, words_by_column
from compiler.costs.launch import launch_times
from compiler.costs.program import ProgramCycles
from compiler.costs.timelines import Array, Starts
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Parameter
from compiler.scheduling.ring import page_words, ring_bytes
from compiler.tiling.core_parameters import common_parameters, own_parameters
from compiler.tiling.launch import Launch

P = Parameter

LONG_AGO = 1 << 30
"""Cycles before a launch at which all that may run ahead of it is started."""


def stream_entries(launch: Launch, blocks: tuple[int, int]) -> Numbers:
    """Non-zero blocks at one horizontal line of taps, [output chunk][input chunk], of a stream of output `blocks`."""
    first, last = blocks
    rows = np.arange(0, last - first, launch.output_chunk)
    columns = np.arange(0, launch.layer.input.blocks, launch.input_chunk)
    present = launch.layer.gamma[first:last].astype(np.int64)
    return np.add.reduceat(np.add.reduceat(present, rows, axis=0), columns, axis=1)


def _stream(launch: Launch, blocks: tuple[int, int]) -> Stream:
    taps, columns = launch.layer.kernel_size
    if blocks[1] <= blocks[0]:
        return Stream(np.zeros((0, taps), np.int64), 0)
    entries = stream_entries(launch, blocks).reshape(-1) * columns
    return Stream(np.repeat(entries[:, None], taps, axis=1), len(entries))


def planned_facts(launch: Launch, chip: Chip) -> LaunchFacts:
    """Facts of a launch."""
    count = chip.columns * chip.core_rows
    column, row = np.divmod(np.arange(count), chip.core_rows)
    names = ("rows", "stream_rows", "origin", "input_words", "output_words", "last_words", "output_chunks")
    numbers = {name: np.zeros(count, np.int64) for name in names}
    numbers["input_slots"] = np.full(count, launch.arena.input_slots, np.int64)
    numbers["blocks"], numbers["last_blocks"] = np.ones(count, np.int64), np.ones(count, np.int64)
    layer, convolution = launch.layer, launch.layer.kernel.convolves
    streams = tuple(_stream(launch, blocks) for blocks in launch.slices)
    if layer.kernel.weighted and not streams:
        streams = (TABLE_STREAM,)
    stream = np.zeros(count, np.int64)
    if streams:
        hears = [launch.stream_of(chip, int(c), int(r)) for c, r in zip(column, row, strict=True)]
        stream = np.array(hears, np.int64)
    if streams:
        heard = [launch.output_chunks(blocks) for blocks in launch.slices] or [1]
        numbers["output_chunks"] = np.array(heard, np.int64)[stream]
    for work in launch.cores:
        own = own_parameters(launch, work)
        index = work.column * chip.core_rows + work.row
        arriving = launch.stream_row_words if convolution else work.block_count * launch.fetch.width * 2
        if layer.product is not None:
            arriving = launch.product_words(work)
        values = {
            "rows": own[P.ROWS],
            "stream_rows": own[P.STREAM_ROWS],
            "origin": own[P.ROW_ORIGIN],
            "input_slots": own.get(P.INPUT_SLOTS, launch.arena.input_slots),
            "output_chunks": own[P.OUTPUT_CHUNKS],
            "blocks": own[P.BLOCKS],
            "last_blocks": own[P.LAST_BLOCKS],
            "input_words": arriving if own[P.STREAM_ROWS] else 0,
            "output_words": min(own[P.BLOCKS], work.block_count) * launch.sent_width * 2,
            "last_words": own[P.LAST_BLOCKS] * launch.sent_width * 2,
        }
        for name, value in values.items():
            numbers[name][index] = value
    return LaunchFacts(
        layer.kernel,
        {parameter.name.lower(): int(value) for parameter, value in common_parameters(launch).items()},
        column,
        row,
        stream=stream,
        streams=streams,
        chunk_words=launch.chunk_words,
        input_descriptors=launch.row_descriptors,
        deep=launch.deep,
        rings=launch.rings,
        **numbers,
    )


def launch_cycles(launch: Launch, chip: Chip, program: ProgramCycles) -> int:
    """
    Cycles that a launch adds to a network: from the end of the one before to its last output.

    Its parameters are at hand by then, and of its weights as much as the slots of the cores and the ring that every
    MemTile is promised hold. But all its weights take their time on the way, whoever computes meanwhile.
    """
    facts = planned_facts(launch, chip)
    late, early = np.zeros((1, chip.columns * chip.core_rows), np.int64), np.full((1, chip.columns), -LONG_AGO)
    feed, by_column = None, words_by_column(facts, chip)
    words = int(by_column.max())
    if facts.rings:
        # what shares its channel with activations comes when they have come
        feed = Feed.unicast(chip, facts, early[:, 0], early, np.zeros_like(early))
        words = -(-chip.core_rows // 2) * int(feed.left.max())
    elif facts.streams:
        page = page_words(chip)
        feed = Feed.broadcast(chip, page, ring_bytes(chip) // (4 * page), by_column[None], early[:, 0])
    since = np.zeros((1, 1), np.int64)
    array = Array.quiet(chip, 1)
    starts = Starts(late - LONG_AGO, late - LONG_AGO, late, array.load(chip, early))
    times = launch_times(facts, chip, program, starts, array, feed, since)
    return max(int(times.done.max()), int(moved(chip, words)))
