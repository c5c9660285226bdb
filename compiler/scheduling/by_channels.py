"""
Steps on maps that are not divided by rows: what they want to find in the MemTiles, and what they leave.

    rows       every MemTile holds some rows: how all other steps read and write
    slices     every MemTile holds some channel blocks of all rows
    whole      every MemTile holds all of it

A map stays in the MemTiles where the next step finds what it wants. Otherwise it goes through DDR, from where it comes
in any layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from compiler.scheduling.stripes import Slices
from compiler.tiling.launch import Launch


class Layout(Enum):
    """What every MemTile holds of a map."""

    ROWS = "rows"
    SLICES = "slices"
    WHOLE = "whole"


@dataclass(frozen=True, eq=False)
class ByChannels:
    """Launches of a step that does not divide its maps by rows, and how they find and leave them."""

    launches: list[Launch]
    cycles: int
    """Of the launches."""
    reads: Layout
    writes: Layout
    slices: Slices | None
    """Channel blocks of each column, where slices are read or written; None if several launches write them."""

    @property
    def scatters(self) -> bool:
        """Whether it leaves blocks in the MemTiles of which nobody can say where each is: those go to DDR."""
        return self.writes is Layout.SLICES and self.slices is None


def stays(maker: ByChannels | None, reader: ByChannels | None) -> bool:
    """Whether one step finds in the MemTiles what another one leaves there; None stands for a step by rows."""
    left, wanted = maker.writes if maker else Layout.ROWS, reader.reads if reader else Layout.ROWS
    if maker and reader and left is wanted is Layout.SLICES:
        return maker.slices is not None and maker.slices == reader.slices
    return left is wanted or left is Layout.WHOLE
