"""
Launches of matrix products whose operands are both computed: attention's Q·Kᵀ and P·V.

A core gets the left operand of one head, and of the right one the blocks that its own output channels need. The cores
of a column share out heads and output blocks: in as few launches as possible, and as evenly as that allows. Where the
left operand is too long for a core, its pixels come in tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.kernels.row_steps import computed_pixels
from compiler.kernels.weight_chunk import BLOCK_WORDS, product_head_words
from compiler.tiling.arena import OUTPUT_SLACK_WORDS, Arena, arena_words, weight_slot_words
from compiler.tiling.fetch import full_width
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer, Range, split_evenly
from compiler.tiling.limits import launch_faults
from compiler.tiling.operands import ragged_channels
from compiler.tiling.tiles import NARROW_WIDTHS, WHOLE, Tile, tile_of, tilings


def plan_matmul(layer: Layer, chip: Chip, column_rows: Sequence[Range]) -> list[Launch]:
    """
    Launches that together compute a matrix product, whose one row is in one of the columns.

    Raises CapacityError if not even one output block of a few pixels fits a core, or if its operands cannot be sent.
    """
    columns = [column for column, (first, last) in enumerate(column_rows) if last > first]
    assert columns, "the rows of a layer are in some column"
    (column,) = columns
    if ragged := ragged_channels(layer):
        raise CapacityError(f"matrix product '{layer.name}': {ragged}; channels in multiples of 8 would fit")
    for tiles in _tilings(layer):
        for parts in _ways(layer, chip):
            found = [
                _launch(layer, narrow, tile, works, chip)
                for narrow, tile in tiles
                for works in _rounds(layer, column, parts, chip)
            ]
            launches = [launch for launch in found if launch is not None]
            if len(launches) == len(found):
                return launches
    raise _refusal(layer, column, chip)


def _tilings(layer: Layer) -> Iterator[list[tuple[Layer, Tile]]]:
    """The whole layer, then as tiles that are narrower and narrower."""
    yield [(layer, WHOLE)]
    for columns in tilings(layer, NARROW_WIDTHS):
        yield [tile_of(layer, each) for each in columns]


def _heads(layer: Layer) -> int:
    assert layer.product is not None, f"'{layer.name}' is a matrix product"
    return layer.product.heads


def _ways(layer: Layer, chip: Chip) -> list[int]:
    """In how many parts the output blocks of a head may go: those with the fewest launches first, then the smallest."""
    heads = _heads(layer)
    blocks = layer.output.blocks // heads
    return sorted(
        range(1, blocks + 1), key=lambda parts: (-(-heads * parts // chip.core_rows), -(-blocks // parts), parts)
    )


def _rounds(layer: Layer, column: int, parts: int, chip: Chip) -> Iterator[tuple[CoreWork, ...]]:
    """The shares of each launch, when the output blocks of each head go in so many parts."""
    heads = _heads(layer)
    blocks = layer.output.blocks // heads
    shares = [
        (head * blocks + low, head * blocks + high)
        for head in range(heads)
        for low, high in split_evenly(blocks, parts)
        if high > low
    ]
    for first in range(0, len(shares), chip.core_rows):
        yield tuple(
            CoreWork(column, row, (0, 1), share, (0, 1))
            for row, share in enumerate(shares[first : first + chip.core_rows])
        )


def _mapped(layer: Layer, narrow: Layer, tile: Tile, works: tuple[CoreWork, ...], chip: Chip) -> Launch:
    """The launch in which cores have these shares."""
    widest = max(work.block_count for work in works)
    depth = layer.input.blocks // _heads(layer)
    fetch = full_width(narrow.input)
    input_slot = depth * (BLOCK_WORDS * widest + 2 * fetch.width)
    output_slot = widest * narrow.output.width * 2 + OUTPUT_SLACK_WORDS
    kept = product_head_words(widest, depth)
    if layer.kernel is Kernel.SCALED_MATMUL:
        kept += widest * computed_pixels(narrow.output.width) * 8
    arena = Arena(weight_slot_words(chip), input_slot, 1, output_slot, 1, kept, 1)
    whole = None if narrow is layer else layer
    return Launch(narrow, works, fetch, arena, widest, depth, tile=tile, tiled=whole)


def _launch(layer: Layer, narrow: Layer, tile: Tile, works: tuple[CoreWork, ...], chip: Chip) -> Launch | None:
    """The launch of these shares, if the array can run it."""
    launch = _mapped(layer, narrow, tile, works, chip)
    return None if launch_faults(launch, chip) else launch


def _refusal(layer: Layer, column: int, chip: Chip) -> CapacityError:
    """What one output block of the narrowest tile would need, or why not even that can be sent."""
    *_, tiles = _tilings(layer)
    narrow, tile = tiles[0]
    launch = _mapped(layer, narrow, tile, (CoreWork(column, 0, (0, 1), (0, 1), (0, 1)),), chip)
    faults = "; ".join(launch_faults(launch, chip))
    return CapacityError(
        f"matrix product '{layer.name}' does not fit a core: for {narrow.output.width} pixels of one output block it "
        f"takes {4 * launch.arena.words} bytes of {4 * arena_words(chip)}; {faults}; fewer channels or pixels would "
        "fit, or a chip with more of that"
    )
