"""The facts of a planned launch, before there is any IR: the same numbers that `mem.launch` says."""

from __future__ import annotations

import numpy as np

from compiler.costs.facts import LaunchFacts, Numbers, Stream
from compiler.costs.launch import Starts, launch_times
from compiler.costs.program import ProgramCycles
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel, Parameter
from compiler.scheduling.plan import RING_SLOTS
from compiler.tiling.core_parameters import common_parameters, own_parameters
from compiler.tiling.launch import Launch

P = Parameter


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


def planned_facts(launch: Launch, chip: Chip, ring_slots: int | None = None) -> LaunchFacts:
    """
    Facts of a launch whose weights pass through a ring of `ring_slots` in the MemTiles.

    Without `ring_slots` the ring is the launch's own; a step with several launches has one ring for all of them.
    """
    count = chip.columns * chip.core_rows
    column, row = np.divmod(np.arange(count), chip.core_rows)
    names = ("rows", "stream_rows", "origin", "input_words", "output_words", "last_words", "output_chunks")
    numbers = {name: np.zeros(count, np.int64) for name in names}
    numbers["blocks"], numbers["last_blocks"] = np.ones(count, np.int64), np.ones(count, np.int64)
    layer, convolution = launch.layer, launch.layer.kernel is Kernel.CONV
    streams = tuple(_stream(launch, blocks) for blocks in launch.slices)
    stream = row % chip.domains % max(1, len(streams))
    if streams:
        numbers["output_chunks"] = np.array([launch.output_chunks(blocks) for blocks in launch.slices])[stream]
    for work in launch.cores:
        own = own_parameters(launch, work)
        index = work.column * chip.core_rows + work.row
        arriving = launch.input_chunk if convolution else work.block_count
        values = {
            "rows": own[P.ROWS],
            "stream_rows": own[P.STREAM_ROWS],
            "origin": own[P.ROW_ORIGIN],
            "output_chunks": own[P.OUTPUT_CHUNKS],
            "blocks": own[P.BLOCKS],
            "last_blocks": own[P.LAST_BLOCKS],
            "input_words": arriving * launch.fetch.width * 2 if own[P.STREAM_ROWS] else 0,
            "output_words": min(own[P.BLOCKS], work.block_count) * layer.output.width * 2,
            "last_words": own[P.LAST_BLOCKS] * layer.output.width * 2,
        }
        for name, value in values.items():
            numbers[name][index] = value
    own_ring = RING_SLOTS if any(each.chunks > 1 for each in streams) else 1
    return LaunchFacts(
        layer.kernel,
        {parameter.name.lower(): int(value) for parameter, value in common_parameters(launch).items()},
        column,
        row,
        stream=stream,
        streams=streams,
        chunk_words=launch.arena.weight_slot if streams else 0,
        ring_slots=(ring_slots or own_ring) if streams else 0,
        **numbers,
    )


def launch_cycles(launch: Launch, chip: Chip, program: ProgramCycles) -> int:
    """Cycles of a planned launch by itself, from its start to its last output, if the controller takes no time."""
    start = np.zeros((1, chip.columns), np.int64)
    return int(launch_times(planned_facts(launch, chip), chip, program, Starts(start, start)).done.max())
