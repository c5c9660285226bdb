"""
How a map lies in memory for the processor: by blocks of 8 channels, with its border around it.

    [block][row][column][8 channels]   one unsigned byte each: the value plus 128

Products of the processor take unsigned activations. Adding 128 to each makes them so; what that adds to a sum is
128 times the sum of the weights, which is known beforehand and taken off the bias. A byte of 128 is a zero, and that is
what the border holds, as wide as the widest one that any convolution of the map wants; it is written once.

An image has 3 channels, which would leave most of its blocks empty. Where only convolutions look at a map of up to 4
channels its pixels are 4 bytes, so that 8 bytes are two neighbours: one block for two taps of a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dialects.bsr_attributes import as_map

CHANNELS = 8
"""Of a block: a pixel of a block is 8 bytes."""

HALF = 4
"""Bytes of a pixel of which two share a block."""

ZERO = 128
"""The byte of the value 0."""

Bytes = npt.NDArray[np.uint8]
Pads = tuple[int, int, int, int]
"""Cells above, left of, below and right of a map."""

NO_PADS: Pads = (0, 0, 0, 0)


@dataclass(frozen=True)
class Layout:
    """A map of `channels` × `rows` × `columns` with a border."""

    channels: int
    rows: int
    columns: int
    pads: Pads = NO_PADS
    pixel_bytes: int = CHANNELS
    zero_point: int = 0
    """What the border means; a value less it is proportional to a real number."""

    @classmethod
    def of_shape(cls, shape: tuple[int, ...], pads: Pads = NO_PADS) -> Layout:
        """Of a tensor 1 × channels × rows × columns; another one is one pixel, with all elements as channels."""
        return cls(*as_map(shape), pads)

    @property
    def blocks(self) -> int:
        """Blocks of channels, the last one perhaps with channels that nothing looks at."""
        return -(-self.channels // CHANNELS)

    @property
    def row_bytes(self) -> int:
        """From one row to the next."""
        return self.pixel_bytes * (self.pads[1] + self.columns + self.pads[3])

    @property
    def block_bytes(self) -> int:
        """From one block to the next."""
        return self.row_bytes * (self.pads[0] + self.rows + self.pads[2])

    @property
    def size_bytes(self) -> int:
        """Of the whole map, and of what lies in a block with its last pixel."""
        return self.blocks * self.block_bytes + CHANNELS - self.pixel_bytes

    def pixel(self, row: int, column: int) -> int:
        """Offset of a pixel of the first block in bytes; the border has negative rows and columns."""
        return (self.pads[0] + row) * self.row_bytes + self.pixel_bytes * (self.pads[1] + column)

    def empty(self) -> Bytes:
        """Memory for a map, of zeros."""
        return np.full(self.size_bytes, ZERO + self.zero_point, np.uint8)

    def _inside(self, memory: Bytes) -> Bytes:
        """The map without its border, as [block][channel][row][column]."""
        top, left, bottom, right = self.pads
        shape = (self.blocks, top + self.rows + bottom, left + self.columns + right, self.pixel_bytes)
        inside = memory[: self.blocks * self.block_bytes].reshape(shape)[
            :, top : top + self.rows, left : left + self.columns
        ]
        return inside.transpose(0, 3, 1, 2)

    def pack(self, values: npt.NDArray[np.int8], memory: Bytes) -> None:
        """Write an int8 tensor; channels that fill up the last block stay as they are."""
        inside = self._inside(memory)
        bytes_ = values.view(np.uint8).reshape(self.channels, self.rows, self.columns)
        whole = self.channels // CHANNELS
        if whole:
            blocks = bytes_[: whole * CHANNELS].reshape(whole, CHANNELS, self.rows, self.columns)
            np.bitwise_xor(blocks, ZERO, out=inside[:whole])
        if whole < self.blocks:
            rest = bytes_[whole * CHANNELS :]
            np.bitwise_xor(rest, ZERO, out=inside[whole, : len(rest)])

    def unpack(self, memory: Bytes) -> npt.NDArray[np.int8]:
        """The values as int8[channels][rows][columns]."""
        inside = self._inside(memory).reshape(-1, self.rows, self.columns)
        return (inside[: self.channels] ^ ZERO).view(np.int8)
