"""
Launches of the kernels that never mix channels: additions and their kin, requantisations, lookups and pools.

The cores of a column split its channel blocks, its rows, or both; whichever leaves the busiest core least to do.
A launch that does not fit takes fewer blocks, then fewer rows, then fewer columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import LOOKUP_WORDS, Kernel
from compiler.tiling.arena import OUTPUT_SLACK_WORDS, WEIGHT_SLOTS, Arena, arena_words, weight_slot_words
from compiler.tiling.fetch import Fetch, full_width
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer, Range, row_pieces, split_evenly
from compiler.tiling.limits import launch_faults, most_slots, rows_held
from compiler.tiling.tiles import NARROW_WIDTHS, tile_of, tilings


def _assign(layer: Layer, chip: Chip, column_rows: Sequence[Range], blocks: Range) -> tuple[CoreWork, ...]:
    tallest = max(last - first for first, last in column_rows)
    count = blocks[1] - blocks[0]
    shares = [(parts, chip.core_rows // parts) for parts in range(1, chip.core_rows + 1)]
    parts, groups = min(shares, key=lambda share: -(-count // share[0]) * -(-tallest // share[1]))
    works: list[CoreWork] = []
    for column, (first, last) in enumerate(column_rows):
        for part, (low, high) in enumerate(split_evenly(count, parts)):
            for group, (top, bottom) in enumerate(split_evenly(last - first, groups)):
                rows = (first + top, first + bottom)
                if high > low and bottom > top:
                    mine = (blocks[0] + low, blocks[0] + high)
                    works.append(CoreWork(column, part * groups + group, rows, mine, layer.input_rows(rows)))
    return tuple(works)


def looked_at(layer: Layer) -> Fetch:
    """What a core gets of each row, and of which rows: of a copy the pixels that its strides find, else all."""
    if layer.kernel is not Kernel.REQUANTISE:
        return full_width(layer.input)
    return Fetch(0, layer.output.width, 0, layer.strides[1], layer.strides[0])


def mapped_works(layer: Layer, chip: Chip, works: tuple[CoreWork, ...]) -> Launch | None:
    """The launch in which cores have these shares; None if they have no room."""
    widest = max(work.block_count for work in works)
    fetch = looked_at(layer)
    input_slot = widest * fetch.width * 2
    output_slot = widest * layer.output.width * 2 + OUTPUT_SLACK_WORDS
    window = 2 if layer.kernel.pairs else layer.window_rows
    ahead = 2 if layer.kernel.pairs else 2 * layer.strides[0]
    weight_slot = weight_slot_words(chip)
    rest = arena_words(chip) - WEIGHT_SLOTS * weight_slot - 2 * output_slot
    slots = min(rest // input_slot, window + ahead, most_slots(chip))
    stream = max(-(-(work.input_rows[1] - work.input_rows[0]) // fetch.row_step) for work in works)
    table_words = LOOKUP_WORDS if layer.kernel.weighted else 0
    if slots < rows_held(layer, 1 if fetch.row_step > 1 else layer.strides[0], stream) or table_words > weight_slot:
        return None
    arena = Arena(weight_slot, input_slot, slots, output_slot, 2, 0, 0)
    return Launch(layer, works, fetch, arena, widest, widest, chunk_words=table_words)


def _launch(layer: Layer, chip: Chip, column_rows: Sequence[Range], blocks: Range) -> Launch | None:
    """The launch of these rows and blocks, if the array can run it."""
    launch = mapped_works(layer, chip, _assign(layer, chip, column_rows, blocks))
    return None if launch is None or launch_faults(launch, chip) else launch


def plan_pointwise(layer: Layer, chip: Chip, column_rows: Sequence[Range]) -> list[Launch]:
    """
    Launches that together compute `column_rows[c]` of an addition, requantisation or pool, in tiles if whole rows do
    not fit.

    Raises CapacityError if not even some columns of one row of one channel block fit a core.
    """
    found = _launches(layer, chip, column_rows)
    for columns in tilings(layer, NARROW_WIDTHS) if found is None else ():
        found = _in_tiles(layer, chip, column_rows, columns)
        if found is not None:
            break
    if found is None:
        raise _refusal(layer, chip)
    return found


def _in_tiles(layer: Layer, chip: Chip, column_rows: Sequence[Range], columns: Sequence[Range]) -> list[Launch] | None:
    found: list[Launch] = []
    for each in columns:
        narrow, tile = tile_of(layer, each)
        launches = _launches(narrow, chip, column_rows)
        if launches is None:
            return None
        found += [replace(launch, tile=tile, tiled=layer) for launch in launches]
    return found


def _launches(layer: Layer, chip: Chip, column_rows: Sequence[Range]) -> list[Launch] | None:
    """As few launches as fit."""
    total = layer.output.blocks
    tallest = max(last - first for first, last in column_rows)
    for pieces in range(1, tallest + 1):
        parts = 1
        while parts <= total:
            launches = [
                _launch(layer, chip, rows, blocks)
                for rows in row_pieces(column_rows, pieces)
                for blocks in split_evenly(total, parts)
                if blocks[1] > blocks[0]
            ]
            found = [launch for launch in launches if launch is not None]
            if len(found) == len(launches):
                return found
            parts *= 2
    return None


def _refusal(layer: Layer, chip: Chip) -> CapacityError:
    """What one row of the narrowest tile would need in one channel block, or why not even that can be sent."""
    *_, columns = ([(0, layer.output.width)], *tilings(layer, NARROW_WIDTHS))
    narrow, _ = tile_of(layer, columns[0])
    window = 2 if layer.kernel.pairs else layer.window_rows
    need = window * narrow.input.width * 8 + 2 * (narrow.output.width * 8 + 4 * OUTPUT_SLACK_WORDS)
    free = 4 * (arena_words(chip) - WEIGHT_SLOTS * weight_slot_words(chip))
    one_row = [(0, 1), *[(0, 0)] * (chip.columns - 1)]
    smallest = mapped_works(narrow, chip, _assign(narrow, chip, one_row, (0, 1)))
    faults = "".join(f"; {fault}" for fault in (launch_faults(smallest, chip) if smallest else ()))
    return CapacityError(
        f"layer '{layer.name}' does not fit a core: {window} input rows of {narrow.input.width} pixels and two output "
        f"rows of {narrow.output.width} in one channel block take {need} bytes of {free}, rows may have "
        f"{chip.memtile_wrap_limit} pixels and windows {most_slots(chip)} rows{faults}; "
        "a smaller window or a narrower map would fit, or a chip with more of that"
    )
