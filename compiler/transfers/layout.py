"""How a map lies in memory: [rows][channels/8][width][8] bytes, zeros in the channels that the last block lacks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pack_map(values: npt.NDArray[np.int8]) -> npt.NDArray[np.int32]:
    """int8[channels, height, width] as words in memory order."""
    channels, height, width = values.shape
    padded = np.pad(values, ((0, -channels % 8), (0, 0), (0, 0)))
    blocks = padded.reshape(-1, 8, height, width).transpose(2, 0, 3, 1)
    return np.ascontiguousarray(blocks).reshape(-1).view(np.int32)


def unpack_map(words: npt.NDArray[np.int32], channels: int, height: int, width: int) -> npt.NDArray[np.int8]:
    """The inverse of `pack_map`: int8[channels, height, width]."""
    blocks = np.ascontiguousarray(words).view(np.int8).reshape(height, -1, width, 8)
    return np.ascontiguousarray(blocks.transpose(1, 3, 0, 2).reshape(-1, height, width)[:channels])
