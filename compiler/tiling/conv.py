"""
Launches of a convolution: which core does what, how weights are cut, what stays in the core.

Activations lie striped by rows over the columns' MemTiles, weights are broadcast along rows of cores (WIDE layers).
Two splits are tried: every weight stream carries its own output channels, so that the cores of a column share their
rows; or all streams carry the same weights and the cores of a column split its rows. Within a split, the output
channels of a core are cut into as few chunks as fit (each chunk streams the input once more), and the input channels
only if nothing else fits, because that keeps partial sums in int32. A launch that still does not fit takes fewer rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.cycles import conv_cycles
from compiler.kernels.row_steps import computed_pixels
from compiler.kernels.weight_chunk import BLOCK_WORDS, chunk_words
from compiler.tiling.launch import OUTPUT_SLACK_WORDS, Arena, CoreWork, Fetch, Launch, arena_words
from compiler.tiling.layer import Layer, Range, row_pieces, split_evenly
from compiler.tiling.limits import launch_faults, most_slots, rows_held
from compiler.transfers.window import factors

_CALL_CYCLES = 100
"""Cycles around a kernel call assumed when comparing mappings: locks, the row table and the call itself."""


def conv_fetch(layer: Layer) -> Fetch:
    """Columns and rows to send. A strided 1x1 kernel skips in the descriptor what it would never look at."""
    kernel, stride, dilation = layer.kernel_size[1], layer.strides[1], layer.dilations[1]
    if layer.kernel_size == (1, 1) and not any(layer.pads):
        return Fetch(0, layer.output.width, 0, stride, layer.strides[0])
    width = (layer.output.width - 1) * stride + (kernel - 1) * dilation + 1
    left = min(layer.pads[1], width)
    # where all windows lie on the left border, one column is sent that nobody looks at: a descriptor moves something
    columns = max(1, min(layer.input.width, width - left))
    return Fetch(left, columns, max(width - left - columns, 0))


def _assign(layer: Layer, chip: Chip, column_rows: Sequence[Range], slices: Sequence[Range]) -> tuple[CoreWork, ...]:
    """Cores of a column that hear the same slice split its rows; cores without rows or blocks are left out."""
    works: list[CoreWork] = []
    for column, (first, last) in enumerate(column_rows):
        for index, blocks in enumerate(slices):
            listeners = [row for row in range(chip.core_rows) if chip.domain(row) % len(slices) == index]
            for row, (low, high) in zip(listeners, split_evenly(last - first, len(listeners)), strict=True):
                rows = (first + low, first + high)
                if high > low and blocks[1] > blocks[0]:
                    works.append(CoreWork(column, row, rows, blocks, layer.input_rows(rows)))
    return tuple(works)


def _chunk_entries(layer: Layer, slices: Sequence[Range], output_chunk: int, input_chunk: int) -> int:
    """Entries of the fullest chunk."""
    by_input = np.add.reduceat(layer.gamma.astype(np.int64), np.arange(0, layer.input.blocks, input_chunk), axis=1)
    fullest = 0
    for first, last in slices:
        if last > first:
            starts = np.arange(0, last - first, output_chunk)
            fullest = max(fullest, int(np.add.reduceat(by_input[first:last], starts, axis=0).max()))
    return fullest * layer.kernel_size[0] * layer.kernel_size[1]


def _divisible(words: int, limit: int) -> int:
    """The next size, in steps of one block, that a descriptor with an iteration counts in three dimensions."""
    while factors(words, limit) is None:
        words += BLOCK_WORDS
    return words


def _row_cycles(launch: Launch, chip: Chip, entries: int) -> int:
    """Cycles of a core for one output row of one output chunk, with as many entries in each of its input chunks."""
    layer, chunks = launch.layer, launch.input_chunks

    def call(first: bool, last: bool) -> int:
        return _CALL_CYCLES + conv_cycles(
            chip,
            width=layer.output.width,
            pixel_stride=launch.pixel_stride,
            taps=layer.kernel_size[0],
            blocks=launch.output_chunk,
            first=first,
            last=last,
            entries=entries,
        )

    if chunks == 1:
        return call(True, True)
    return call(True, False) + call(False, True) + (chunks - 2) * call(False, False)


@dataclass(frozen=True)
class _Shape:
    """What the choice of chunks costs and needs."""

    launch: Launch
    cycles: int


def _shape(
    layer: Layer,
    chip: Chip,
    works: tuple[CoreWork, ...],
    slices: tuple[Range, ...],
    output_chunk: int,
    input_chunk: int,
) -> _Shape | None:
    """The launch with these chunk sizes and as many slots as fit; None if core memory is too small."""
    fetch = conv_fetch(layer)
    input_slot = input_chunk * fetch.width * 2
    output_slot = output_chunk * layer.output.width * 2 + OUTPUT_SLACK_WORDS
    entries = _chunk_entries(layer, slices, output_chunk, input_chunk)
    weight_slot = _divisible(chunk_words(output_chunk, layer.kernel_size[0], entries), chip.core_wrap_limit)
    input_chunks = layer.input.blocks // input_chunk
    widest = max(last - first for first, last in slices)
    passes = -(-widest // output_chunk) * input_chunks
    rows = max(work.rows for work in works)
    stride = 1 if fetch.row_step > 1 else layer.strides[0]
    partial_row = computed_pixels(layer.output.width) * output_chunk * 8 if input_chunks > 1 else 0
    stream = max(-(-(work.input_rows[1] - work.input_rows[0]) // fetch.row_step) for work in works)
    held = rows_held(layer, stride, stream)
    for weight_slots in (2, 1) if passes > 1 else (1,):
        rest = arena_words(chip) - weight_slot * weight_slots - output_slot * 2 - partial_row * rows
        input_slots = min(rest // input_slot, layer.window_rows + 2 * stride, max(stream, held), most_slots(chip))
        if input_slots < held:
            continue
        arena = Arena(input_slot, input_slots, weight_slot, weight_slots, output_slot, 2, partial_row, rows)
        launch = Launch(layer, works, fetch, arena, output_chunk, input_chunk, slices)
        arriving = passes * stream * input_slot
        weights = passes * weight_slot
        products = int(layer.gamma.sum()) * layer.kernel_size[0] * layer.kernel_size[1] // len(slices)
        entries = products // passes
        computing = passes // input_chunks * rows * _row_cycles(launch, chip, entries)
        leaving = widest * layer.output.width * 2 * rows
        streaming = max(arriving, computing, leaving)
        cycles = max(streaming, weights) if weight_slots > 1 else streaming + weights
        return _Shape(launch, cycles + weight_slot)
    return None


def _divisors(count: int) -> list[int]:
    return [size for size in range(count, 0, -1) if count % size == 0]


def _best_shape(layer: Layer, chip: Chip, column_rows: Sequence[Range], blocks: Range) -> _Shape | None:
    """The cheapest launch of these rows and output blocks that the array can run; None if there is none."""
    best: _Shape | None = None
    count = blocks[1] - blocks[0]
    for streams in sorted({chip.domains, 1}):
        parts = split_evenly(count, streams)
        slices = tuple((blocks[0] + first, blocks[0] + last) for first, last in parts)
        works = _assign(layer, chip, column_rows, slices)
        widest = parts[0][1]
        sizes = sorted(
            {-(-widest // chunks) for chunks in range(1, min(widest, chip.iteration_limit) + 1)}, reverse=True
        )
        for input_chunk in _divisors(layer.input.blocks):
            fitting = False
            for output_chunk in sizes:
                shape = _shape(layer, chip, works, slices, output_chunk, input_chunk)
                if shape is None or launch_faults(shape.launch, chip):
                    continue
                fitting = True
                if best is None or shape.cycles < best.cycles:
                    best = shape
            if fitting:
                break
    return best


def _fewer_rows(column_rows: Sequence[Range]) -> Iterator[int]:
    """Numbers of pieces to try: 1, 2, 4, … down to single rows."""
    tallest = max(last - first for first, last in column_rows)
    pieces = 1
    while pieces < tallest:
        yield pieces
        pieces *= 2
    yield max(tallest, 1)


def plan_conv(layer: Layer, chip: Chip, column_rows: Sequence[Range]) -> list[Launch]:
    """
    Launches that together compute `column_rows[c]` (output rows of column c) of a convolution.

    Raises CapacityError if not even one row of one channel block fits a core.
    """
    total = layer.output.blocks
    for pieces in _fewer_rows(column_rows):
        for parts in (1, 2, 4, 8, 16, 32, 64):
            if parts > total:
                break
            shapes = [
                _best_shape(layer, chip, rows, blocks)
                for rows in row_pieces(column_rows, pieces)
                for blocks in split_evenly(total, parts)
                if blocks[1] > blocks[0]
            ]
            found = [shape.launch for shape in shapes if shape is not None]
            if len(found) == len(shapes):
                return found
    fetch = conv_fetch(layer)
    ring = layer.window_rows * fetch.width * 8
    chunk = chunk_words(1, layer.kernel_size[0], layer.kernel_size[0] * layer.kernel_size[1])
    smallest = ring + 4 * chunk + 2 * (8 * layer.output.width + 4 * OUTPUT_SLACK_WORDS)
    parts = [size for size in reversed(_divisors(layer.input.blocks)) if size <= chip.iteration_limit]
    raise CapacityError(
        f"layer '{layer.name}' does not fit a core: {layer.window_rows} input rows of {fetch.width} pixels in one "
        f"channel block, a block of weights and two output rows need {smallest} bytes of {4 * arena_words(chip)}; rows "
        f"must be sent in at most {chip.memtile_wrap_limit} pixels, and {layer.input.blocks} input blocks split evenly "
        f"into at most {chip.iteration_limit} only as {', '.join(map(str, parts))} parts; a map narrower than "
        f"{fetch.width} pixels or another number of channels would fit"
    )
