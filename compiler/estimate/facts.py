"""The facts of a launch, read from `mem.launch` once: numbers per core, no operations any more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from compiler.costs.facts import TABLE_STREAM, LaunchFacts, Stream
from compiler.hardware.chip import Chip
from compiler.tiling.launch import Rings
from dialects import mem
from dialects.bsr import array_of


def _streams(weights: mem.WeightsOp, op: mem.LaunchOp, blocks: Mapping[int, tuple[int, int]]) -> tuple[Stream, ...]:
    """Count the entries of every chunk. `blocks` are those of a stream's chunks and of its last ones."""
    words = array_of(weights.values).reshape(-1)
    taps, inputs = op.common_parameters["taps"], op.common_parameters["input_chunks"]
    streams: list[Stream] = []
    for number, (first, count) in enumerate(weights.streams):
        entries = np.zeros((count, taps), np.int64)
        full, last = blocks.get(number, (0, 0))
        for chunk in range(count):
            size = (last if chunk // inputs == count // inputs - 1 else full) * taps
            start = first + chunk * weights.chunk_words + 1
            pointers = words[start : start + size + 1].astype(np.int64)
            entries[chunk] = (pointers[1:] - pointers[:-1]).reshape(-1, taps).sum(axis=0)
        streams.append(Stream(entries, count))
    return tuple(streams)


def _has_two_operands(op: mem.LaunchOp) -> bool:
    """Whether a row of the stream is two windows of a MemTile, one behind the other."""
    return bool(op.common_parameters.get("skip", 0)) or op.kernel.multiplies_maps


def launch_facts(op: mem.LaunchOp, chip: Chip) -> LaunchFacts:
    """Read a launch."""
    count = chip.columns * chip.core_rows
    numbers = {
        name: np.zeros(count, np.int64)
        for name in ("rows", "stream_rows", "origin", "input_words", "output_words", "last_words", "input_slots")
    }
    chunks = np.zeros(count, np.int64)
    blocks, last_blocks = np.ones(count, np.int64), np.ones(count, np.int64)
    column, row = np.divmod(np.arange(count), chip.core_rows)
    common = op.common_parameters
    numbers["input_slots"] += common["input_slots"]
    streams: tuple[Stream, ...] = ()
    stream = np.zeros(count, np.int64)
    chunk_words = 0
    if op.weights is not None:
        weights = op.weights.owner
        assert isinstance(weights, mem.WeightsOp), "weights come from mem.weights"
        sizes: dict[int, tuple[int, int]] = {}
        for core in op.cores:
            own = core.own_parameters
            sizes[core.stream] = (own["blocks"], own["last_blocks"])
        streams = _streams(weights, op, sizes) if op.kernel.convolves else (TABLE_STREAM,)
        stream = np.arange(count) if op.rings else row % chip.domains % len(streams)
        heard = np.array([each.chunks for each in streams], np.int64) // common["input_chunks"]
        chunks = heard[stream]
        chunk_words = weights.chunk_words
    for core in op.cores:
        index = core.column * chip.core_rows + core.row
        own = core.own_parameters
        chunks[index], blocks[index] = own["output_chunks"], own["blocks"]
        last_blocks[index] = own["last_blocks"]
        for name, value in (("rows", "rows"), ("stream_rows", "stream_rows"), ("origin", "row_origin")):
            numbers[name][index] = own[value]
        numbers["input_slots"][index] = own.get("input_slots", common["input_slots"])
        passes = common["input_chunks"] * (1 if common["stays"] else own["output_chunks"])
        streamed = passes * own["stream_rows"]
        if common.get("skips_alone", 0):
            numbers["input_words"][index] = common["skip"] + 2 * own["blocks"] * common["width"]
        elif streamed:
            numbers["input_words"][index] = core.read_words // streamed
        numbers["output_words"][index] = core.writes[0][0].words // own["rows"]
        numbers["last_words"][index] = core.writes[-1][0].words // own["rows"]
    return LaunchFacts(
        op.kernel,
        common,
        column,
        row,
        output_chunks=chunks,
        blocks=blocks,
        last_blocks=last_blocks,
        stream=stream,
        streams=streams,
        chunk_words=chunk_words,
        # a broadcast sends its chain for every row, others send many rows by one descriptor
        input_descriptors=len(op.cores[0].reads[0][0]) if op.rings else 2 if _has_two_operands(op) else 1,
        deep=op.deep,
        rings=Rings(op.ring_op.page_words, op.ring_op.pages) if op.rings else None,
        **numbers,
    )
