"""
What a launch must see and leave behind, word by word, from the definition of its layer and not from its planner.

Every word of every map has a number. A core's input stream is then a list of such numbers, and checking it means to
ask for each output pixel and each tap of the kernel: does the place where the core looks hold the word of the map that
the layer's definition wants there, or a zero where it wants the border?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from compiler.kernels.parameters import LOOKUP_WORDS, Kernel, Parameter
from compiler.kernels.weight_chunk import ChunkView, chunk_words
from compiler.scheduling.network import Network
from compiler.tiling.core_parameters import common_parameters, own_parameters
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import MapShape

NOTHING = -1
"""Number of a word that nothing has written."""
ZERO = -2
"""Number of a padded word."""

Numbers = npt.NDArray[np.int64]
P = Parameter


@dataclass(frozen=True)
class WordNumbers:
    """Numbers for the words of all maps of a network."""

    shapes: tuple[MapShape, ...]
    first: tuple[int, ...]

    @classmethod
    def of(cls, network: Network) -> WordNumbers:
        """Map after map, each in the order of its layout."""
        sizes = [shape.height * shape.row_words for shape in network.maps]
        return cls(network.maps, tuple(accumulate(sizes, initial=0)))

    def rows(self, number: int, low: int, high: int) -> Numbers:
        """Words of rows [low, high) of a map, flat."""
        pitch = self.shapes[number].row_words
        return self.first[number] + np.arange(low * pitch, high * pitch)

    def pixels(self, number: int, row: int, blocks: Numbers, columns: Numbers) -> Numbers:
        """Words [block][column][2] of one row; ZERO where a column is not on the map."""
        shape = self.shapes[number]
        words = (blocks[:, None] * shape.width + columns)[:, :, None] * 2 + np.arange(2)
        inside = (columns >= 0) & (columns < shape.width)
        return np.where(inside[:, None], self.first[number] + row * shape.row_words + words, ZERO)

    def together(self, number: int, rows: range, blocks: Numbers, columns: Numbers) -> Numbers:
        """Words [block][pixel][2] of rows that are one."""
        return np.concatenate([self.pixels(number, row, blocks, columns) for row in rows], axis=1)


def _wanted_rows(launch: Launch, work: CoreWork) -> Iterator[tuple[int, int]]:
    """(operand, row of the map) for each output row and tap, in the order of the core's loops."""
    layer = launch.layer
    for row in range(*work.output_rows):
        if layer.kernel.pairs:
            yield from ((0, row), (1, row))
        else:
            first = row * layer.strides[0] - layer.pads[0]
            yield from ((0, first + tap * layer.dilations[0]) for tap in range(layer.kernel_size[0]))


def _looked_at(parameters: dict[Parameter, int]) -> Iterator[int]:
    """Position in the stream at which the core looks, for each output row and tap."""
    for row in range(parameters[P.ROWS]):
        first = parameters[P.ROW_ORIGIN] + row * parameters[P.ROW_STRIDE]
        yield from (first + tap * parameters[P.ROW_STEP] for tap in range(parameters[P.TAPS]))


def input_faults(
    launch: Launch, work: CoreWork, maps: tuple[int, ...], stream: Numbers, numbers: WordNumbers
) -> list[str]:
    """Where the input stream of a core is not what its output needs. `maps` are the layer's operands."""
    layer = launch.layer
    parameters = {**common_parameters(launch), **own_parameters(launch, work)}
    rows = parameters[P.STREAM_ROWS]
    passes = parameters[P.INPUT_CHUNKS] * (1 if parameters[P.STAYS] else parameters[P.OUTPUT_CHUNKS])
    convolution = layer.kernel.convolves
    blocks = launch.input_chunk if convolution else work.block_count
    width = parameters[P.BLOCK_STRIDE] // 2
    own = blocks * width * 2
    skip = launch.output_chunk * layer.output.width * 2 if layer.addition is not None else 0
    if parameters.get(P.SKIPS_ALONE, 0):
        stream = _with_input_again(stream, passes, rows, own, skip)
    if stream.size != passes * rows * (own + skip):
        return [
            f"{stream.size} words arrive for {passes} passes over {rows} rows of {blocks} blocks, {width} pixels"
            + (f" and {skip} words to add" if skip else "")
        ]
    together = stream.reshape(passes, rows, own + skip)
    shaped = together[:, :, :own].reshape(passes, rows, blocks, width, 2)
    wanted, looked = list(_wanted_rows(launch, work)), list(_looked_at(parameters))
    if len(wanted) != len(looked):
        return [f"the core looks at {len(looked)} rows for {len(wanted)} taps"]
    faults: list[str] = []
    for position, (operand, row) in sorted(set(zip(looked, wanted, strict=True))):
        on_map, on_stream = 0 <= row < layer.input.height, 0 <= position < rows
        if on_map != on_stream:
            where = "is missing from" if on_map else "is border, but looked up in"
            faults.append(f"input row {row} {where} the stream (position {position} of {rows})")
            continue
        if not on_map:
            continue
        for chunk in range(passes):
            first = chunk % launch.input_chunks * launch.input_chunk if convolution else work.blocks[0]
            if not _row_holds(launch, shaped[chunk, position], first, maps[operand], row, numbers, parameters):
                faults.append(f"stream row {position} of pass {chunk} is not input row {row} of map {maps[operand]}")
    if skip:
        faults += _skip_faults(launch, work, maps[1], together[:, :, parameters[P.SKIP] :], numbers)
    return faults


def map_rows(launch: Launch, row: int) -> range:
    """The rows of a map that are `row` where `launch` sees several as one."""
    together = 1 if launch.joined is None else launch.joined.together
    return range(row * together, (row + 1) * together)


def _with_input_again(stream: Numbers, passes: int, rows: int, own: int, skip: int) -> Numbers:
    """A stream of which all passes but the first bring skip rows only, as if the input rows came with them."""
    begin = rows * (own + skip)
    first, alone = stream[:begin], stream[begin:]
    if first.size < begin or alone.size != (passes - 1) * rows * skip:
        return stream
    kept = np.broadcast_to(first.reshape(rows, -1)[:, :own], (passes - 1, rows, own))
    return np.concatenate([first, np.concatenate([kept, alone.reshape(-1, rows, skip)], axis=2).reshape(-1)])


def _skip_faults(launch: Launch, work: CoreWork, number: int, arrived: Numbers, numbers: WordNumbers) -> Iterator[str]:
    """Skip rows, [pass][row][words], that are not those of map `number` for the output of their pass."""
    columns = np.arange(launch.on_map.output.width)
    for chunk, rows in enumerate(arrived):
        first = work.blocks[0] + chunk // launch.input_chunks * launch.output_chunk
        blocks = np.arange(first, first + launch.output_chunk)
        for row, words in zip(range(*work.output_rows), rows, strict=True):
            wanted = numbers.together(number, map_rows(launch, row), blocks, columns)
            if not np.array_equal(words, wanted.reshape(-1)):
                yield f"pass {chunk} does not bring row {row} of map {number} to add"


def _row_holds(
    launch: Launch,
    arrived: Numbers,
    first_block: int,
    number: int,
    row: int,
    numbers: WordNumbers,
    parameters: dict[Parameter, int],
) -> bool:
    """Whether a row of the stream, [block][pixel][2], has the right word wherever the kernel looks."""
    layer = launch.whole
    blocks = np.arange(first_block, first_block + len(arrived))
    own = launch.tile.input + np.arange(launch.on_map.input.width)
    if not layer.kernel.convolves:
        looked_at = own[:: layer.strides[1]] if layer.kernel is Kernel.REQUANTISE else own
        return np.array_equal(arrived, numbers.pixels(number, row, blocks, looked_at))
    if launch.joined is not None:
        return np.array_equal(arrived, numbers.together(number, map_rows(launch, row), blocks, own))
    pixels = np.arange(launch.layer.output.width)
    for tap in range(layer.kernel_size[1]):
        looked = pixels * parameters[P.COLUMN_STRIDE] + tap * layer.dilations[1]
        columns = (launch.tile.output + pixels) * layer.strides[1] - layer.pads[1] + tap * layer.dilations[1]
        if looked[-1] >= arrived.shape[1]:
            return False
        if not np.array_equal(arrived[:, looked], numbers.pixels(number, row, blocks, columns)):
            return False
    return True


def output_numbers(launch: Launch, work: CoreWork, number: int, numbers: WordNumbers) -> Numbers:
    """The words that a core sends, in order: chunk by chunk, row by row or rows that are one, block by block."""
    first, last = work.blocks
    chunk = launch.output_chunk if launch.slices else work.block_count
    to = launch.layer.destination
    columns = to.column + to.column_step * np.arange(launch.on_map.output.width)
    parts: list[Numbers] = []
    for block in range(first, last, chunk):
        blocks = to.block + np.arange(block, min(block + chunk, last))
        # of rows that leave together, each block has its own
        low, high = launch.map_rows(work)
        for row in range(low, high, launch.together):
            rows = [to.row_of(row + below) for below in range(launch.together)]
            parts.append(np.stack([numbers.pixels(number, row, blocks, columns) for row in rows], axis=1).reshape(-1))
    return np.concatenate(parts)


def added_numbers(launch: Launch, work: CoreWork, maps: tuple[int, ...], numbers: WordNumbers) -> Numbers:
    """Words that a core has read when it writes the word of the same place: its own share of the maps that it adds."""
    own = [output_numbers(launch, work, number, numbers) for number in launch.layer.added(maps)]
    return np.concatenate([np.zeros(0, np.int64), *own])


def _fullest_chunk(launch: Launch) -> int:
    """Words of the largest chunk of weights, counted block by block in Γ."""
    layer, fullest = launch.layer, 0
    for first, last in launch.slices:
        for block in range(first, last, launch.output_chunk):
            for start in range(0, layer.input.blocks, launch.input_chunk):
                end = min(block + launch.output_chunk, last)
                count = int(layer.gamma[block:end, start : start + launch.input_chunk].sum())
                entries = count * layer.kernel_size[0] * layer.kernel_size[1]
                words = chunk_words(end - block, layer.kernel_size[0], entries, layer.rescaling_words)
                fullest = max(fullest, words)
    return fullest


def share_faults(launch: Launch) -> list[str]:
    """Shares of cores that are no part of the map that the launch computes; asking on about them has no meaning."""
    shape = launch.on_map.output
    return [
        f"core ({work.column}, {work.row}) computes {what} {share}, its map has {most}"
        for work in launch.cores
        for what, share, most in (
            ("rows", launch.map_rows(work), shape.height),
            ("output blocks", work.blocks, shape.blocks),
        )
        if not 0 <= share[0] <= share[1] <= most
    ]


def arena_faults(launch: Launch) -> list[str]:
    """Slots of the arena that are smaller than what comes into them."""
    layer, arena = launch.layer, launch.arena
    convolution = layer.kernel.convolves
    widest = max(work.block_count for work in launch.cores)
    sent = min(launch.output_chunk, widest) if convolution else widest
    arriving = launch.input_chunk if convolution else widest
    window = 2 if layer.kernel.pairs else layer.window_rows
    skip = launch.output_chunk * layer.output.width * 2 if layer.addition is not None else 0
    together = min(launch.rows_together, max(work.rows for work in launch.cores))
    window += (together - 1) * launch.row_stride
    if launch.stays:
        window = launch.input_chunks * max(launch.stream_rows(work) for work in launch.cores)
    if layer.product is not None:
        arriving, skip = 0, max(launch.product_words(work) for work in launch.cores)
    overhang = (-layer.output.width % (8 if convolution else 4)) * 2
    needs = {
        "words of an input slot": (arena.input_slot, arriving * launch.fetch.width * 2 + skip),
        "input slots": (arena.input_slots, window),
        "words of an output slot": (arena.output_slot, sent * layer.output.width * 2 + overhang),
        "output slots": (arena.output_slots, together),
    }
    if layer.kernel.weighted:
        fullest = _fullest_chunk(launch) if convolution else LOOKUP_WORDS
        needs["words of a chunk of weights"] = (launch.chunk_words, fullest)
        needs["words of a weight slot"] = (arena.weight_slot, launch.chunk_words)
    if layer.product is not None:
        sums = widest * -(-layer.output.width // 4) * 32 if layer.kernel is Kernel.SCALED_MATMUL else 0
        head = ChunkView.of(widest, 1).offsets + widest * launch.input_chunk
        needs["words for the head of a chunk and sums"] = (arena.partial_row * arena.partial_rows, head + sums)
    if launch.input_chunks > 1 or layer.kernel is Kernel.SCALED_CONV:
        rows = max(work.rows for work in launch.cores) if launch.input_chunks > 1 else 1
        needs["rows of partial sums"] = (arena.partial_rows, rows)
        needs["words of a row of partial sums"] = (arena.partial_row, -(-layer.output.width // 4) * 32 * sent)
    return [f"{given} {what}, {needed} are needed" for what, (given, needed) in needs.items() if given < needed]
