"""
The DEEP way to map a convolution: every core computes output channels of its own for the whole map.

A small map with many channels has more weights than activations. Broadcast along rows of cores, all weights of a
launch come at one stream per column; sent to each core by itself, at one stream per core and as fast as both shim
channels bring them. So the roles of the two streams of a core are exchanged: every MemTile holds the whole map and
broadcasts it, and hands each core of its column the weights of that core's output channels.

    WIDE    U: activations of a core's rows        B: weights of a row of cores
    DEEP    U: weights of a core's channels        B: the whole map

All cores of a broadcast take as many passes of the map, so all have as many chunks of weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from compiler.hardware.chip import Chip
from compiler.tiling.balance import balanced_runs
from compiler.tiling.flat import flattened
from compiler.tiling.launch import CoreWork, Launch, Rings
from compiler.tiling.layer import Layer, Range
from compiler.tiling.mapping import Cut, Split, block_cycles, cuts, joint_rows, mapped
from compiler.tiling.planes import Flat
from compiler.transfers.window import factors

PAGES = 4
"""Pages of each core's ring: while one is handed on and one arrives, two more lie ready."""

SHARE = 4
"""The rings of a launch take at most one part in so many of the MemTile."""


def _leveled(count: int, parts: int) -> list[Range]:
    """`count` things in `parts` runs that differ by one at most."""
    return [(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def deep_splits(layer: Layer, chip: Chip, blocks: Range) -> Iterator[Split]:
    """Output blocks by core, as many or as much work for each; none if there are fewer blocks than cores."""
    first, last = blocks
    places = [(column, row) for column in range(chip.columns) for row in range(chip.core_rows)]
    if last - first < len(places):
        return
    work = block_cycles(layer, chip)[first:last]
    ways = [_leveled(last - first, len(places))]
    if work.min() < work.max():
        ways.append(balanced_runs(work.tolist(), len(places)))
    rows = (0, layer.output.height)
    for way in dict.fromkeys(map(tuple, ways)):
        slices = tuple((first + low, first + high) for low, high in way)
        if all(high > low for low, high in slices):
            works = (
                CoreWork(*place, rows, mine, layer.input_rows(rows)) for place, mine in zip(places, slices, strict=True)
            )
            yield Split(slices, tuple(works))


def deep_rings(chip: Chip, chunks: int, chunk_words: int) -> Rings | None:
    """Rings for a stream of chunks: pages as long as the MemTile's share allows; None if no page divides the stream."""
    turn, rest = divmod(chunks * chunk_words, PAGES)
    if rest:
        return None
    longest = min(chip.memtile_words // SHARE // (PAGES * chip.core_rows), chip.memtile_length_limit)
    for turns in range(max(1, -(-turn // longest)), chip.run_limit // PAGES + 1):
        page, rest = divmod(turn, turns)
        if not rest and factors(page, chip.memtile_wrap_limit) is not None:
            return Rings(page, PAGES)
    return None


def deep_launches(layer: Layer, chip: Chip, blocks: Range) -> Iterator[Launch]:
    """Every DEEP launch of these output blocks that a core has room for, row by row and as one row."""
    for flat in dict.fromkeys((None, flattened(layer, chip))):
        seen = flat.seen if flat else layer
        for split in deep_splits(seen, chip, blocks):
            counts = joint_rows(seen, split)
            for cut, together in product(cuts(seen, chip, split), counts):
                for stays in (False, True) if cut.output_chunk < split.widest else (False,):
                    launch = _deep_launch(seen, chip, split, cut, flat, stays, together)
                    if launch is not None:
                        yield launch


def _deep_launch(
    layer: Layer, chip: Chip, split: Split, cut: Cut, flat: Flat | None, stays: bool, together: int
) -> Launch | None:
    chunks = {-(-(last - first) // cut.output_chunk) for first, last in split.slices}
    if len(chunks) > 1:
        return None
    launch = mapped(layer, chip, split, cut, split.rows, stays, flat.fetch if flat else None, together)
    if launch is None:
        return None
    rings = deep_rings(chip, chunks.pop() * launch.input_chunks, launch.chunk_words)
    return None if rings is None else replace(launch, rings=rings, flat=flat)
