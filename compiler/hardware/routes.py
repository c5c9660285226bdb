"""
The one routing plan that serves every layer: which channel of which tile feeds which.

    U      MemTile c MM2S r      -> core (c, r) S2MM 0        activations and parameters, one stream per core
    B      MemTile c MM2S B      -> S2MM 1 of a row of cores  weights, broadcast
    O      core (c, r) MM2S 0    -> MemTile c S2MM r          outputs
    fill   shim c MM2S 0         -> MemTile c S2MM F          activations and parameters from DDR
    load   shim c MM2S 1         -> MemTile c S2MM L          weights from DDR, of all launches as one stream
    spill  MemTile c MM2S S      -> shim c S2MM 0             activations to DDR

Weights from DDR share their channel with nothing: what came behind them would wait until the cores have used them all.
A DEEP launch lets U and B change places: activations are broadcast, weights go to each core. As they come on both shim
channels then, those on the channel of the activations follow the activations and parameters of their own launch.
With up to four core rows B and F are channel 4, S and L channel 5, the most a MemTile has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import TileKind

CORE_INPUT = 0
CORE_WEIGHTS = 1
CORE_OUTPUT = 0
SHIM_FILL = 0
SHIM_LOAD = 1
SHIM_SPILL = 0

SHIM_ROW = 0
MEMTILE_ROW = 1
FIRST_CORE_ROW = 2


def kind_of(place: tuple[int, int]) -> TileKind:
    """The kind of tile at a place (column and array row), which its row decides."""
    return {SHIM_ROW: TileKind.SHIM, MEMTILE_ROW: TileKind.MEMTILE}.get(place[1], TileKind.CORE)


@dataclass(frozen=True)
class Channels:
    """MemTile channels that do not belong to one core."""

    broadcast: int
    fill: int
    load: int
    spill: int


def channels(chip: Chip) -> Channels:
    """Channels 0 to rows-1 belong to the cores; the next ones are shared. Small meshes keep the numbers of npu1."""
    shared = max(chip.core_rows, 4)
    return Channels(broadcast=shared, fill=shared, load=shared + 1, spill=shared + 1)


Port = tuple[int, int, int]
"""Column, array row (0 shim, 1 MemTile, 2… cores), DMA channel."""


def listeners(chip: Chip, column: int) -> list[tuple[int, int]]:
    """Cores (column, row) that hear channel B of `column`'s MemTile."""
    return [
        (to, row)
        for to in range(chip.columns)
        for row in range(chip.core_rows)
        if chip.source_column(to, row) == column
    ]


def flows(chip: Chip) -> Iterator[tuple[Port, Port]]:
    """Every stream of the plan, source port to destination port."""
    shared = channels(chip)
    for column in range(chip.columns):
        for row in range(chip.core_rows):
            yield (column, MEMTILE_ROW, row), (column, FIRST_CORE_ROW + row, CORE_INPUT)
            yield (column, FIRST_CORE_ROW + row, CORE_OUTPUT), (column, MEMTILE_ROW, row)
        for to, row in listeners(chip, column):
            yield (column, MEMTILE_ROW, shared.broadcast), (to, FIRST_CORE_ROW + row, CORE_WEIGHTS)
        yield (column, SHIM_ROW, SHIM_FILL), (column, MEMTILE_ROW, shared.fill)
        yield (column, SHIM_ROW, SHIM_LOAD), (column, MEMTILE_ROW, shared.load)
        yield (column, MEMTILE_ROW, shared.spill), (column, SHIM_ROW, SHIM_SPILL)
