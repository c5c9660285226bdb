"""
The windows of a launch: where in the MemTiles a core's input rows come from, and where its output rows go.

    read    chains of windows, run after run, make the core's input stream
    write   windows that take the core's output stream, one run per chunk of output channels

A map's stripe lies in the MemTile as [rows][blocks][width][8 bytes], that is [rows][blocks][width][2 words].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.scheduling.plan import MapBuffer
from compiler.scheduling.stripes import source_column
from compiler.tiling.fetch import most_rows
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.operands import matmul_windows
from compiler.tiling.planes import Flat
from compiler.tiling.skip import Order, skip_order
from compiler.transfers.window import Window


@dataclass(frozen=True)
class Chain:
    """Windows that follow each other; the whole chain runs `runs` times."""

    windows: tuple[Window, ...]
    runs: int

    @property
    def words(self) -> int:
        """Words of all runs."""
        return self.runs * sum(window.words for window in self.windows)


def _pieces(buffer: MapBuffer, column: int, rows: range, most: int) -> Iterator[tuple[int, int, int]]:
    """Runs of at most `most` of `rows` that lie in one MemTile: (source column, first row, number of rows)."""
    assert buffer.stripes is not None, "cores read MemTiles"
    pieces: list[tuple[int, int, int]] = []
    for row in rows:
        source = source_column(buffer.stripes, column, row)
        assert source is not None, f"row {row} of '{buffer.name}' is out of reach of column {column}"
        if pieces and pieces[-1][0] == source and pieces[-1][2] < most:
            pieces[-1] = (source, pieces[-1][1], pieces[-1][2] + 1)
        else:
            pieces.append((source, row, 1))
    yield from pieces


def _row_word(buffer: MapBuffer, column: int, row: int) -> int:
    """Word address of a map row in the MemTile of `column`."""
    assert buffer.stripes is not None, "rows of MemTile buffers"
    return buffer.address // 4 + (row - buffer.stripes[column][0]) * buffer.shape.row_words


def read_chains(launch: Launch, work: CoreWork, inputs: tuple[MapBuffer, ...], chip: Chip) -> tuple[Chain, ...]:
    """Input stream of a core. None if the core's windows lie wholly on the border."""
    # a broadcast comes from one MemTile for every core that hears it
    column = chip.source_column(work.column, work.row) if launch.deep else work.column
    if launch.layer.kernel.pairs:
        return (_alternating(column, launch, work, inputs, chip),)
    if launch.layer.product is not None:
        places = [_row_word(buffer, column, work.output_rows[0]) for buffer in inputs]
        return (Chain(matmul_windows(launch, work, (places[0], places[1])), 1),)
    if launch.layer.addition is not None:
        return _with_skips(launch, work, inputs, chip)
    if launch.flat is not None:
        return (_one_row(launch, launch.flat, work, inputs, chip),)
    if launch.joined is not None:
        return (_long_rows(launch, work, inputs, chip),)
    (buffer,) = inputs or (None,)
    fetch = launch.fetch
    rows = range(work.input_rows[0], work.input_rows[1], fetch.row_step)
    if buffer is None or not rows:
        return ()
    width = buffer.shape.width
    chunked = bool(launch.slices)
    blocks = launch.input_chunk if chunked else work.block_count
    first_block = 0 if chunked else work.blocks[0]
    windows: list[Window] = []
    for source, first, count in _pieces(buffer, column, rows, most_rows(fetch, chip)):
        windows.append(
            Window(
                source,
                _row_word(buffer, source, first) + first_block * width * 2 + launch.tile.input * 2,
                (count, blocks, fetch.columns, 2),
                (buffer.shape.row_words * fetch.row_step, width * 2, 2 * fetch.column_step, 1),
                ((0, 0), (0, 0), (fetch.left, fetch.right), (0, 0)) if fetch.left or fetch.right else (),
                launch.input_chunks,
                blocks * width * 2 if launch.input_chunks > 1 else 0,
            ).merged(chip.memtile_wrap_limit)
        )
    return (Chain(tuple(windows), launch.input_passes(work.blocks)),)


@dataclass(frozen=True)
class _Pairs:
    """An input row and the skip row of the same number, one after the other."""

    launch: Launch
    work: CoreWork
    inputs: tuple[MapBuffer, ...]
    chip: Chip

    def windows(self, row: int, number: int, own: tuple[int, int], skip: tuple[int, int]) -> tuple[Window, Window]:
        """Both rows for pass `number`; `own` and `skip` say how they move on: wrap and step."""
        launch, column, limit = self.launch, self.work.column, self.chip.memtile_wrap_limit
        input, added = self.inputs
        fetch, blocks, together = launch.fetch, launch.input_chunk, launch.together
        first = number % launch.input_chunks * blocks
        pads = ((0, 0), (0, 0), (fetch.left, fetch.right), (0, 0)) if fetch.left or fetch.right else ()
        here = Window(
            column,
            _row_word(input, column, row * together) + first * input.shape.width * 2,
            (blocks, together, fetch.columns // together, 2),
            (input.shape.width * 2, input.shape.row_words, 2 * fetch.column_step, 1),
            pads,
            *own,
        )
        plane = added.shape.width * 2
        block = self.work.blocks[0] + number // launch.input_chunks * launch.output_chunk
        there = Window(
            column,
            _row_word(added, column, row * together) + block * plane,
            (launch.output_chunk, together, added.shape.width, 2),
            (plane, added.shape.row_words, 2, 1),
            (),
            *skip,
        )
        return here.merged(limit), there.merged(limit)

    def skips_alone(self) -> Chain:
        """The skip rows of all output chunks but the first, chunk by chunk."""
        launch, work, added = self.launch, self.work, self.inputs[1]
        plane, pitch, runs = added.shape.width * 2, added.shape.row_words, launch.output_chunks(work.blocks) - 1
        window = Window(
            work.column,
            _row_word(added, work.column, launch.map_rows(work)[0]) + (work.blocks[0] + launch.output_chunk) * plane,
            (work.rows, launch.output_chunk, launch.together, added.shape.width, 2),
            (launch.together * pitch, plane, pitch, 2, 1),
            (),
            runs,
            launch.output_chunk * plane if runs > 1 else 0,
        )
        return Chain((window.merged(self.chip.memtile_wrap_limit),), runs)


def _with_skips(launch: Launch, work: CoreWork, inputs: tuple[MapBuffer, ...], chip: Chip) -> tuple[Chain, ...]:
    """Input rows and skip rows in turn, listed by rows or by passes."""
    pairs = _Pairs(launch, work, inputs, chip)
    chunks, parts = launch.output_chunks(work.blocks), launch.input_chunks
    if skip_order(launch, work) is Order.BY_ROWS:
        own = (parts, launch.input_chunk * inputs[0].shape.width * 2) if parts > 1 else (1, 0)
        skip = (chunks, launch.output_chunk * inputs[1].shape.width * 2) if chunks > 1 else (1, 0)
        windows = [window for row in range(*work.output_rows) for window in pairs.windows(row, 0, own, skip)]
        return (Chain(tuple(windows), chunks * parts),)
    pitches = [buffer.shape.row_words * launch.together for buffer in inputs]
    own, skip = ((work.rows, pitch) if work.rows > 1 else (1, 0) for pitch in pitches)
    first = work.output_rows[0]
    if launch.skips_alone:
        whole = Chain(pairs.windows(first, 0, own, skip), work.rows)
        return (whole, pairs.skips_alone()) if launch.output_chunks(work.blocks) > 1 else (whole,)
    return tuple(Chain(pairs.windows(first, number, own, skip), work.rows) for number in range(chunks * parts))


def _one_row(launch: Launch, flat: Flat, work: CoreWork, inputs: tuple[MapBuffer, ...], chip: Chip) -> Chain:
    """The whole map as one row, plane by plane, broadcast by the MemTile that the core hears."""
    (buffer,) = inputs
    pitch, width, (row_step, column_step) = buffer.shape.row_words, buffer.shape.width, flat.layer.strides
    source = chip.source_column(work.column, work.row)
    windows: list[Window] = []
    for plane in flat.planes:
        pads = ((0, 0), (plane.above, plane.below), (flat.left, plane.right), (0, 0))
        window = Window(
            source,
            _row_word(buffer, source, plane.first_row) + 2 * plane.first_column,
            (launch.input_chunk, plane.rows, plane.columns, 2),
            (width * 2, pitch * row_step, 2 * column_step, 1),
            pads if any(max(pair) for pair in pads) else (),
            launch.input_chunks,
            launch.input_chunk * width * 2 if launch.input_chunks > 1 else 0,
        )
        windows.append(window.merged(chip.memtile_wrap_limit))
    return Chain(tuple(windows), launch.input_passes(work.blocks))


def _long_rows(launch: Launch, work: CoreWork, inputs: tuple[MapBuffer, ...], chip: Chip) -> Chain:
    """Rows of a stripe or of a tile of it, some of them one behind the other in each channel block."""
    (buffer,) = inputs
    plane, pitch, together = buffer.shape.width * 2, buffer.shape.row_words, launch.together
    window = Window(
        work.column,
        _row_word(buffer, work.column, launch.map_rows(work)[0]) + launch.tile.input * 2,
        (work.rows, launch.input_chunk, together, launch.on_map.input.width * 2),
        (together * pitch, plane, pitch, 1),
        (),
        launch.input_chunks,
        launch.input_chunk * plane if launch.input_chunks > 1 else 0,
    )
    return Chain((window.merged(chip.memtile_wrap_limit),), launch.input_passes(work.blocks))


def _alternating(column: int, launch: Launch, work: CoreWork, inputs: tuple[MapBuffer, ...], chip: Chip) -> Chain:
    """A row of the first operand, a row of the second, and so on, from the MemTile of `column`."""
    windows: list[Window] = []
    for buffer in inputs:
        width, pitch = buffer.shape.width, buffer.shape.row_words
        start = _row_word(buffer, column, work.output_rows[0]) + work.blocks[0] * width * 2
        sizes, strides = (work.block_count, launch.fetch.columns, 2), (width * 2, 2, 1)
        step = pitch if work.rows > 1 else 0
        window = Window(column, start + launch.tile.input * 2, sizes, strides, (), work.rows, step)
        windows.append(window.merged(chip.memtile_wrap_limit))
    return Chain(tuple(windows), work.rows)


def write_chains(launch: Launch, work: CoreWork, output: MapBuffer, chip: Chip) -> tuple[Chain, ...]:
    """Where the output stream goes: full chunks, then the last one if it is smaller."""
    to, plane = launch.layer.destination, output.shape.width * 2
    columns, pitch = launch.on_map.output.width, output.shape.row_words * to.row_step
    low, high = launch.map_rows(work)
    start = _row_word(output, work.column, to.row_of(low)) + (to.block + work.blocks[0]) * plane + to.column * 2
    together, across = launch.together, 2 * to.column_step

    def slice_of(blocks: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sizes and strides of some channel blocks: block by block of the rows that leave together."""
        groups = (high - low) // together
        return (groups, blocks, together, columns, 2), (together * pitch, plane, pitch, across, 1)

    chunk = launch.output_chunk if launch.slices else work.block_count
    full, rest = divmod(work.block_count, chunk)
    chains: list[Chain] = []
    if full:
        step = chunk * plane if full > 1 else 0
        window = Window(work.column, start, *slice_of(chunk), (), full, step)
        chains.append(Chain((window.merged(chip.memtile_wrap_limit),), full))
    if rest:
        tail = start + full * chunk * plane
        window = Window(work.column, tail, *slice_of(rest))
        chains.append(Chain((window.merged(chip.memtile_wrap_limit),), 1))
    return tuple(chains)
