"""
The ways to map a convolution onto the cores, from which `compiler.tiling.conv` chooses.

A way is a split and a cut. The split says who computes what: each of several weight streams carries its own output
blocks, and cores of a column that hear the same stream divide its rows. The cut says in which chunks weights come: of
how many output blocks (each chunk streams the input again) and of how many input blocks (partial sums of several
chunks stay in the core as int32).
Beside that, a kernel call may make several output rows: fewer calls, for longer rings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import prod

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip
from compiler.kernels.cycles import conv_cycles
from compiler.kernels.parameters import TABLE_WORDS, Kernel
from compiler.kernels.row_steps import computed_pixels, steps_of
from compiler.kernels.weight_chunk import BLOCK_WORDS, chunk_words
from compiler.tiling.arena import OUTPUT_SLACK_WORDS, WEIGHT_SLOTS, Arena, arena_words, weight_slot_words
from compiler.tiling.balance import balanced_runs
from compiler.tiling.fetch import Fetch, sent_stride
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer, Range, split_evenly
from compiler.tiling.limits import can_join_calls, most_kept_rows, most_slots, rows_held, table_rows
from compiler.transfers.window import factors

OUTPUT_SLOTS = 2
"""A row leaves while the next one is computed, if there is a next one."""


@dataclass(frozen=True)
class Split:
    """Output blocks of each weight stream, and the share of each core that has one."""

    slices: tuple[Range, ...]
    works: tuple[CoreWork, ...]

    @cached_property
    def rows(self) -> int:
        """Output rows of the core with most."""
        return max(work.rows for work in self.works)

    @cached_property
    def input_rows(self) -> int:
        """Rows of the map that the core with most looks at, those between them included."""
        return max(work.input_rows[1] - work.input_rows[0] for work in self.works)

    @cached_property
    def widest(self) -> int:
        """Output blocks of the core with most."""
        return max(last - first for first, last in self.slices)


@dataclass(frozen=True)
class Cut:
    """Chunks of weights: blocks, and words of the fullest one."""

    output_chunk: int
    input_chunk: int
    chunk_words: int


def conv_fetch(layer: Layer) -> Fetch:
    """
    Columns and rows to send. A strided 1x1 kernel skips in the descriptor what it would never look at; other strided
    kernels get whole strides, since a core's descriptor takes rows apart into every so many-th pixel.
    """
    kernel, stride, dilation = layer.kernel_size[1], layer.strides[1], layer.dilations[1]
    if layer.kernel_size == (1, 1) and not any(layer.pads):
        return Fetch(0, layer.output.width, 0, stride, layer.strides[0])
    seen, whole = (layer.output.width - 1) * stride + (kernel - 1) * dilation + 1, sent_stride(layer)
    width = -(-seen // whole) * whole
    left = min(layer.pads[1], width)
    # where all windows lie on the left border, columns are sent that nobody looks at: a descriptor moves something
    width += whole if left == width else 0
    columns = min(layer.input.width, width - left)
    return Fetch(left, columns, width - left - columns)


def divisors(count: int) -> list[int]:
    """Largest first."""
    return [size for size in range(count, 0, -1) if count % size == 0]


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


def block_cycles(layer: Layer, chip: Chip) -> npt.NDArray[np.int64]:
    """Cycles that each output block takes in a call for one row, with its non-zero blocks and without any."""

    def call(blocks: int, entries: int) -> int:
        return conv_cycles(
            chip,
            width=layer.output.width,
            taps=layer.kernel_size[0],
            blocks=blocks,
            first=True,
            last=True,
            entries=entries,
            kernel=layer.kernel if layer.kernel.plain_conv else Kernel.CONV,
        )

    empty, entry = call(2, 0) - call(1, 0), call(1, 1) - call(1, 0)
    return empty + entry * layer.gamma.sum(axis=1) * prod(layer.kernel_size)


def splits(layer: Layer, chip: Chip, column_rows: Sequence[Range], blocks: Range) -> Iterator[Split]:
    """Every number of streams that divides those of the chip, with slices of equal length and slices of equal work."""
    first, last = blocks
    work = block_cycles(layer, chip)[first:last]
    for streams in divisors(chip.domains):
        ways = [split_evenly(last - first, streams)]
        if work.min() < work.max():
            ways.append(balanced_runs(work.tolist(), streams))
        for way in dict.fromkeys(map(tuple, ways)):
            slices = tuple((first + low, first + high) for low, high in way)
            yield Split(slices, _assign(layer, chip, column_rows, slices))


@lru_cache(maxsize=65536)
def _divisible(words: int, limit: int) -> int | None:
    """The next size, in steps of one block, that a descriptor with an iteration counts in three dimensions, if any."""
    return next((size for size in range(words, limit**3 + 1, BLOCK_WORDS) if factors(size, limit) is not None), None)


def _chunks(slices: Sequence[Range], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the chunks of so many output blocks begin and end in all slices."""
    starts = [np.arange(first, last, size) for first, last in slices]
    ends = [np.minimum(start + size, last) for start, (_, last) in zip(starts, slices, strict=True)]
    return np.concatenate(starts), np.concatenate(ends)


def cuts(layer: Layer, chip: Chip, split: Split) -> Iterator[Cut]:
    """Every number of chunks, as equal as they can be, that fit a weight slot; input chunks must be equal."""
    most, slot = min(split.widest, chip.iteration_limit), weight_slot_words(chip)
    sizes = sorted({-(-split.widest // chunks) for chunks in range(1, most + 1)}, reverse=True)
    taps, columns = layer.kernel_size
    sizes = [size for size in sizes if chunk_words(size, taps, 0, layer.rescaling_words) <= slot]
    places = [_chunks(split.slices, size) for size in sizes]
    present = layer.gamma.astype(np.int64)
    for input_chunk in divisors(layer.input.blocks):
        if layer.input.blocks // input_chunk > chip.iteration_limit:
            continue
        parts = np.add.reduceat(present, np.arange(0, layer.input.blocks, input_chunk), axis=1)
        sums = np.concatenate((np.zeros((1, parts.shape[1]), np.int64), np.cumsum(parts, axis=0)))
        for output_chunk, (starts, ends) in zip(sizes, places, strict=True):
            fullest = int((sums[ends] - sums[starts]).max(initial=0))
            words = chunk_words(output_chunk, taps, fullest * taps * columns, layer.rescaling_words)
            counted = _divisible(words, chip.core_wrap_limit) if words <= slot else None
            if counted is not None and counted <= slot:
                yield Cut(output_chunk, input_chunk, counted)


def mapped(
    layer: Layer,
    chip: Chip,
    split: Split,
    cut: Cut,
    partial_rows: int,
    stays: bool = False,
    fetch: Fetch | None = None,
    together: int = 1,
) -> Launch | None:
    """
    The launch of a split and a cut with space for `partial_rows` rows of partial sums; None if a core has no room.

    Input slots are as many as help: a window with the two next strides, or fewer. Input that `stays` takes as many as
    it has rows. `fetch` is what to send, if it is not what the kernel spans. Calls make `together` output rows each.
    """
    weight_slot = weight_slot_words(chip)
    if cut.chunk_words > weight_slot:
        return None
    fetch = fetch or conv_fetch(layer)
    skip = 0 if layer.addition is None else cut.output_chunk * layer.output.width * 2
    input_slot = cut.input_chunk * fetch.width * 2 + skip
    output_slot = cut.output_chunk * layer.output.width * 2 + OUTPUT_SLACK_WORDS
    input_chunks = layer.input.blocks // cut.input_chunk
    partial_rows = partial_rows if input_chunks > 1 else int(layer.kernel is Kernel.SCALED_CONV)
    partial_row = (
        computed_pixels(layer.output.width, steps_of(layer.kernel)) * cut.output_chunk * 8 if partial_rows else 0
    )
    stride = 1 if fetch.row_step > 1 else layer.strides[0]
    stream = -(-split.input_rows // fetch.row_step)
    held = rows_held(layer, stride, stream, together)
    output_chunks = -(-split.widest // cut.output_chunk)
    output_slots = min(OUTPUT_SLOTS * together, output_chunks * split.rows, most_slots(chip))
    free = arena_words(chip) - WEIGHT_SLOTS * weight_slot - output_slot * output_slots - partial_row * partial_rows
    if stays and layer.addition is not None and (input_chunks > 1 or stream > most_kept_rows(chip)):
        # what is added lies behind the rows of one input chunk, which are few
        return None
    if stays:
        held = input_slots = max(1, input_chunks * stream)
    else:
        # the rows of one pass follow those of another
        rows = stream * input_chunks * output_chunks
        input_slots = min(layer.window_rows + 2 * together * stride, max(rows, held))
    input_slots = min(free // input_slot, input_slots, most_slots(chip))
    if input_slots < held or output_slots < together:
        return None
    arena = Arena(weight_slot, input_slot, input_slots, output_slot, output_slots, partial_row, partial_rows)
    return Launch(
        layer,
        split.works,
        fetch,
        arena,
        cut.output_chunk,
        cut.input_chunk,
        split.slices,
        cut.chunk_words,
        stays,
        rows_together=together,
    )


def joint_rows(layer: Layer, split: Split) -> list[int]:
    """Of how many output rows a call may be, from one to all that a core has."""
    if not can_join_calls(layer):
        return [1]
    rows = split.rows
    counts = sorted({1, min(2, rows), -(-rows // 2), rows})
    return [count for count in counts if table_rows(layer, layer.strides[0], count) <= TABLE_WORDS]


def with_more_slots(launch: Launch) -> Iterator[Launch]:
    """The same launch with a ring lengthened: of input by what two output rows need, of outputs by one."""
    arena = launch.arena
    stride = 1 if launch.skipped else launch.layer.strides[0]
    together = launch.rows_together
    yield replace(launch, arena=replace(arena, output_slots=arena.output_slots + together))
    if not launch.stays:
        yield replace(launch, arena=replace(arena, input_slots=arena.input_slots + 2 * together * stride))
