"""What of a map's rows comes to a core: the pixels that a descriptor reads, and the zeros that it puts around them."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.tiling.layer import Layer, MapShape


@dataclass(frozen=True)
class Fetch:
    """Which columns and rows of the input map are sent: `left` zeros, `columns` pixels, `right` zeros."""

    left: int
    columns: int
    right: int
    column_step: int = 1
    row_step: int = 1

    @property
    def width(self) -> int:
        """Pixels of a row as it arrives in the core."""
        return self.left + self.columns + self.right


def sent_stride(layer: Layer) -> int:
    """Pixels of a whole row from one window to the next one; where there is no next one, 1 will do."""
    return layer.strides[1] if layer.output.width > 1 else 1


def most_rows(fetch: Fetch, chip: Chip) -> int:
    """Rows of one window: with padding a descriptor counts every dimension, without it the rows end with its length."""
    return chip.memtile_wrap_limit if fetch.left or fetch.right else chip.memtile_words


def full_width(shape: MapShape) -> Fetch:
    """Every column, no padding."""
    return Fetch(0, shape.width, 0)
