"""A map as one long row of planes: where in it each pixel lies, and how a layer sees it (`compiler.tiling.flat`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from compiler.tiling.fetch import Fetch
from compiler.tiling.layer import Layer, MapShape


@dataclass(frozen=True)
class Plane:
    """
    Every so many-th pixel of every so many-th row, the strides' distance apart: what some taps of a kernel look at.

    All numbers are rows and columns.
    """

    first_row: int
    first_column: int
    rows: int
    columns: int
    above: int
    """Rows of zeros before those of the map, and after them."""
    below: int
    right: int
    """Zeros after every row."""

    @property
    def height(self) -> int:
        """Rows, with those of zeros."""
        return self.above + self.rows + self.below


@dataclass(frozen=True, eq=False)
class Flat:
    """How a map becomes one row: plane after plane, of each all channel blocks. All numbers are in pixels."""

    layer: Layer
    """As it is on the map."""
    planes: tuple[Plane, ...]
    pitch: int
    """From one row of a plane to the next."""
    left: int
    """Zeros before every row."""
    taps: tuple[tuple[int, int], ...]
    """The plane of each tap, and how far from a pixel's place in it, row by row of the kernel."""

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each plane begins, and where the last one ends."""
        return tuple(accumulate((plane.height * self.pitch for plane in self.planes), initial=0))

    def places(self, blocks: npt.NDArray[np.int64], input_chunk: int) -> npt.NDArray[np.int64]:
        """Where in a chunk of input blocks lies what each tap sees of the first pixel, [block][tap]."""
        planes, distances = np.array(self.taps).T
        starts = np.array(self.starts)
        return starts[planes] * input_chunk + blocks[:, None] * np.diff(starts)[planes] + distances

    @property
    def fetch(self) -> Fetch:
        """The long row."""
        return Fetch(0, self.starts[-1], 0)

    @property
    def seen(self) -> Layer:
        """The layer as the cores compute it: a kernel of one row, on maps of one row."""
        layer = self.layer
        width = layer.output.height * self.pitch if layer.output.height > 1 else layer.output.width
        return replace(
            layer,
            input=MapShape(layer.input.channels, 1, self.fetch.width),
            output=MapShape(layer.output.channels, 1, width),
            kernel_size=(1, len(self.taps)),
            strides=(1, 1),
            pads=(0, 0, 0, 0),
            dilations=(1, 1),
        )
