"""What the descriptors, queues and memories allow of one launch: the specification of the launch planners."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.hardware.chip import Chip
from compiler.hardware.routes import channels
from compiler.kernels.parameters import PARAMETER_SETS, TABLE_WORDS, Parameter
from compiler.kernels.row_steps import steps_of, surplus_reach
from compiler.tiling.arena import arena_words
from compiler.tiling.core_parameters import own_parameters
from compiler.tiling.fetch import most_rows
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer, split_evenly
from compiler.tiling.operands import matmul_descriptors, matmul_faults
from compiler.tiling.skip import skip_descriptors, skip_faults

P = Parameter

SHARED_DESCRIPTORS = 4
"""Of each half of a MemTile's descriptors: what loads parameters, and up to three that feed weights."""


def most_slots(chip: Chip) -> int:
    """Slots of a ring: a descriptor iterates over them, and a lock counts the free ones."""
    return min(chip.iteration_limit, chip.lock_limit)


def rows_held(layer: Layer, row_stride: int, stream_rows: int, together: int = 1) -> int:
    """
    Slots that a core's ring has at least: rows of the window of a call for `together` output rows, or with a longer
    stride those from such a window to the next, because a core takes all rows of its stream and gives none back before
    it has taken the next window's. Where whole windows lie above the map, it goes round the ring once at most on its
    way to the first row.
    """
    window, above = 2 if layer.kernel.pairs else layer.window_rows, layer.pads[0]
    window += (together - 1) * row_stride
    held = max(window, min(together * row_stride, stream_rows))
    return max(held, above, row_stride) if above >= window and stream_rows else held


def can_join_calls(layer: Layer) -> bool:
    """Whether one kernel call may compute several output rows."""
    return layer.kernel.plain_conv and layer.dilations[0] == 1


def table_rows(layer: Layer, row_stride: int, together: int) -> int:
    """Entries of the row table that a call for `together` output rows looks at."""
    return layer.kernel_size[0] + (together - 1) * row_stride


def run_capacity(chip: Chip, slots: int) -> int:
    """
    Slot-sized transfers that a queue holds beside a task for parameters; each task but the last ends on a whole turn of
    the ring.
    """
    return (chip.queue_depth - 1) * (chip.run_limit // slots * slots)


def _ring_faults(launch: Launch, work: CoreWork, slots: int) -> Iterator[str]:
    """A core goes round a ring once at most, to its first row from those of padding above, and to its next row."""
    above, stride = -own_parameters(launch, work)[P.ROW_ORIGIN], launch.layer.strides[0] * launch.rows_together
    if above > slots:
        yield f"{above} rows of padding above rows that stay in a ring of {slots} slots"
    if work.rows > launch.rows_together and stride > slots:
        yield f"a step of {stride} over rows that stay in a ring of {slots} slots"


def most_kept_rows(chip: Chip) -> int:
    """
    Rows whose skip rows may come alone: each has a descriptor in a chain with the parameters, beside those for skip
    rows, weights and outputs, and two launches are under way.
    """
    return min(chip.core_descriptors // 4, max(0, chip.core_descriptors - 6))


def _core_faults(launch: Launch, work: CoreWork, chip: Chip) -> list[str]:
    faults: list[str] = []
    arena = launch.arena
    chunks = launch.output_chunks(work.blocks)
    passes = chunks * launch.input_chunks
    operands = 2 if launch.layer.kernel.pairs else 1
    received = launch.input_passes(work.blocks) * launch.stream_rows(work) * operands
    stride = 1 if launch.fetch.row_step > 1 else launch.layer.strides[0]
    together = min(launch.rows_together, work.rows)
    held = rows_held(launch.layer, stride, launch.stream_rows(work), together)
    if arena.output_slots < together:
        faults.append(f"{together} output rows made together, the ring has {arena.output_slots} slots")
    if work.rows and launch.stream_rows(work) and arena.input_slots < held:
        faults.append(f"{held} input rows held at once, the ring has {arena.input_slots} slots")
    if launch.stays:
        if received > arena.input_slots:
            faults.append(f"{received} input rows that stay, the ring has {arena.input_slots} slots")
        faults += _ring_faults(launch, work, received)
    slots = arena.input_slots
    if launch.skips_alone:
        received, slots = (chunks - 1) * work.rows, work.rows
        if work.rows > most_kept_rows(chip):
            faults.append(f"{work.rows} rows that stay behind skip rows, {most_kept_rows(chip)} have descriptors")
    if received > run_capacity(chip, slots):
        faults.append(f"{received} input rows, {run_capacity(chip, slots)} fit the task queue")
    if chunks * work.rows > run_capacity(chip, arena.output_slots):
        faults.append(f"{chunks * work.rows} output rows, {run_capacity(chip, arena.output_slots)} fit the task queue")
    if passes > chip.run_limit:
        faults.append(f"{passes} passes over the input, a task runs {chip.run_limit} times at most")
    if max(chunks, launch.input_chunks) > chip.iteration_limit:
        faults.append(f"{chunks} x {launch.input_chunks} chunks, a descriptor iterates {chip.iteration_limit} times")
    if launch.layer.kernel.pairs and work.rows > chip.most_turns:
        faults.append(f"{work.rows} rows to add, a descriptor iterates and its task runs {chip.most_turns} times")
    return faults + skip_faults(launch, work, chip) + matmul_faults(launch, work, chip)


def _memtile_descriptors(launch: Launch, work: CoreWork, chip: Chip) -> int:
    """
    Descriptors that a core's share takes in its MemTile: parameters, a chain of input windows, output windows.

    Windows are read from the column's own MemTile and its neighbours'; where rows lie further away, all are brought
    to the own one, and the chain is one window.
    """
    near = split_evenly(launch.layer.input.height, chip.columns)[max(0, work.column - 1) : work.column + 2]
    low, high = work.input_rows
    most, pieces = most_rows(launch.fetch, chip), [max(0, min(high, last) - max(low, first)) for first, last in near]
    chain = max(1, -(-(high - low) // most), sum(-(-rows // most) for rows in pieces))
    operands = 2 if launch.layer.kernel.pairs else 1
    blocks, chunks = work.block_count, launch.output_chunks(work.blocks) if launch.slices else 1
    uneven = chunks > 1 and blocks % launch.output_chunk > 0
    reads = operands * chain if launch.layer.addition is None else skip_descriptors(launch, work)
    if launch.layer.product is not None:
        reads = matmul_descriptors(launch, work)
    if launch.deep:
        # rows are those of the broadcast; a descriptor for the core sends weights
        reads = 1 if launch.rings else 0
    return 1 + reads + (2 if uneven else 1)


def memtile_locks(chip: Chip) -> int:
    """Locks of every MemTile in a program with DEEP launches: of parameters, of the broadcast, of each core's ring."""
    return 2 * (PARAMETER_SETS + 1 + chip.core_rows)


def own_ring_descriptors(chip: Chip) -> int:
    """Descriptors that bring a DEEP launch's weights on one channel: one for each core of a column that it serves."""
    return -(-chip.core_rows // 2)


def _descriptors_left(launch: Launch, chip: Chip) -> Iterator[tuple[int, range, int, int]]:
    """Column, its rows of one parity, and the descriptors that they need and have: idle cores have two tasks."""
    works = {(work.column, work.row): work for work in launch.cores}
    limit = chip.memtile_descriptors // 2 - SHARED_DESCRIPTORS
    for column in range(chip.columns):
        for parity in range(min(2, chip.core_rows)):
            rows = range(parity, chip.core_rows, 2)
            mine = [works.get((column, row)) for row in rows]
            used = sum(2 if work is None else _memtile_descriptors(launch, work, chip) for work in mine)
            if launch.rings:
                used += own_ring_descriptors(chip)
            if parity == channels(chip).broadcast % 2:
                # those of weights hold the first window of a broadcast
                used += max(launch.broadcast_windows - 1, 0)
            yield column, rows, used, limit


def spare_descriptors(launch: Launch, chip: Chip) -> int:
    """Descriptors that a launch leaves free in every half of a MemTile."""
    return min(limit - used for _, _, used, limit in _descriptors_left(launch, chip))


def _descriptor_faults(launch: Launch, chip: Chip) -> list[str]:
    """Each half of a MemTile's descriptors serves the channels of one parity."""
    return [
        f"{used} descriptors for the cores of rows {', '.join(map(str, rows))} of column {column}; their "
        f"MemTile has {limit} for channels of that parity"
        for column, rows, used, limit in _descriptors_left(launch, chip)
        if used > limit
    ]


def launch_faults(launch: Launch, chip: Chip) -> list[str]:
    """Why the array cannot run this launch; empty if it can."""
    faults: list[str] = []
    arena, limit = launch.arena, arena_words(chip)
    if arena.words > limit:
        faults.append(f"{4 * arena.words} bytes of core memory, {4 * limit} are free")
    reach = arena.output_base + surplus_reach(launch.layer.output.width, steps_of(launch.layer.kernel))
    if launch.layer.kernel.convolves and reach > limit:
        faults.append(f"loads for surplus pixels up to byte {4 * reach}, core memory ends at {4 * limit}")
    longest = max(arena.input_slot, launch.chunk_words, arena.output_slot)
    if launch.chunk_words > arena.weight_slot:
        faults.append(f"chunks of {4 * launch.chunk_words} bytes, a weight slot has {4 * arena.weight_slot}")
    if longest > chip.core_length_limit:
        faults.append(f"a transfer of {longest} words, a core descriptor moves {chip.core_length_limit}")
    for ring, slots in (("input", arena.input_slots), ("output", arena.output_slots)):
        if slots > most_slots(chip):
            faults.append(f"{slots} {ring} slots, a descriptor and its locks count {most_slots(chip)}")
    if launch.sent is not None:
        pixels, _ = launch.sent
        pieces = launch.output_chunk * launch.sent_width // pixels
        if max(pieces, 2 * pixels) > chip.core_wrap_limit:
            faults.append(f"rows sent in {pieces} pieces of {2 * pixels} words, a core counts {chip.core_wrap_limit}")
    if max(launch.fetch.left, launch.fetch.right) > chip.pad_limit:
        faults.append(f"padding {launch.fetch.left}, {launch.fetch.right}, the limit is {chip.pad_limit}")
    if max(launch.fetch.columns, launch.layer.output.width) > chip.memtile_wrap_limit:
        widest = max(launch.fetch.columns, launch.layer.output.width)
        faults.append(f"rows of {widest} pixels, the limit is {chip.memtile_wrap_limit}")
    looked_at = table_rows(launch.layer, launch.row_stride, launch.rows_together)
    if looked_at > TABLE_WORDS:
        faults.append(f"calls that look at {looked_at} rows, the row table holds {TABLE_WORDS}")
    if launch.rows_together > 1 and not can_join_calls(launch.layer):
        faults.append(f"{launch.rows_together} output rows of a call, this kernel computes them one by one")
    if launch.rings is not None and not all(launch.stream_rows(work) for work in launch.cores):
        faults.append("windows on padding alone, nothing is there to broadcast")
    if launch.rings is not None and memtile_locks(chip) > chip.memtile_locks:
        faults.append(f"{memtile_locks(chip)} locks with rings for each core, a MemTile has {chip.memtile_locks}")
    faults += _descriptor_faults(launch, chip)
    for work in launch.cores:
        faults += [f"core ({work.column}, {work.row}): {fault}" for fault in _core_faults(launch, work, chip)]
    return faults
