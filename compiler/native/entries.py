"""The weights of a layer as compiled convolutions read them: entries for each output block, zeros left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from compiler.native.conv import SCALES
from compiler.native.dot_products import BLOCK_BYTES, DotProducts
from compiler.native.layout import CHANNELS, HALF, ZERO, Layout
from compiler.native.rounding import rescaling_constants
from compiler.quantization.arithmetic import Rounding
from compiler.quantization.scaling import Multipliers
from dialects.bsr import WeightsOp

CACHE_LINE = 64


@dataclass(frozen=True)
class Entries:
    """What `compiler.native.conv` is given beside its maps."""

    pointers: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]
    """Bytes from the first pixel of a tile to the one that an entry meets."""
    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]

    @property
    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        """In the order of the operands."""
        return (self.pointers, self.offsets, self.weights, self.bias)


Element = TypeVar("Element", bound=np.generic)


def aligned(values: npt.NDArray[Element]) -> npt.NDArray[Element]:
    """A copy that begins at a cache line, so that no block of weights is in two of them."""
    memory = np.zeros(values.nbytes + CACHE_LINE, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    copy = memory[first : first + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def entries_of(op: WeightsOp, source: Layout, dilations: tuple[int, int], dots: DotProducts) -> Entries:
    """
    The entries of weights that look at a map of layout `source`. An 8×8 block of zeros at one tap is none.

    The bytes of a map are 128 more than its values, so 128 · Σ w is taken off the bias.
    """
    gamma, (outputs, inputs, height, width) = op.gamma_mask(), op.shape
    assert source.pixel_bytes == CHANNELS or dilations[1] == 1, "taps that share a block are neighbours"
    blocks = op.block_values().reshape(-1, height * width, CHANNELS, CHANNELS)
    owners, sources = np.nonzero(gamma)
    if inputs % CHANNELS:
        # a map's last block has bytes behind its channels that mean nothing
        blocks = blocks.copy()
        blocks[sources == gamma.shape[1] - 1, :, inputs % CHANNELS :] = 0
    if source.pixel_bytes == HALF:
        blocks, width = _paired(blocks, height, width), -(-width // 2)
    kept, taps = np.nonzero(blocks.any(axis=(2, 3)))
    weights = blocks[kept, taps]
    rows, columns = np.divmod(taps, width)
    offsets = (
        sources[kept] * source.block_bytes + rows * dilations[0] * source.row_bytes + columns * dilations[1] * CHANNELS
    )
    counts = np.bincount(owners[kept], minlength=gamma.shape[0])
    bias = np.zeros((gamma.shape[0], CHANNELS), np.int64)
    bias.reshape(-1)[:outputs] = op.bias_values()
    np.subtract.at(bias, owners[kept], ZERO * weights.sum(axis=1, dtype=np.int64))
    assert weights.nbytes == len(offsets) * BLOCK_BYTES, "a block is 64 bytes"
    return Entries(
        np.cumsum([0, *counts]).astype(np.int32),
        offsets.astype(np.int32),
        aligned(dots.arranged(weights)),
        aligned(dots.initial(bias.astype(np.int32))),
    )


def scales_of(by: Multipliers, rounding: Rounding, blocks: int) -> npt.NDArray[np.int64]:
    """For each output block 8 factors, and the shifts, addends and masks of their rounding."""
    pairs = zip(by.factors.reshape(-1).tolist(), by.shifts.reshape(-1).tolist(), strict=True)
    numbers = [(factor, *rescaling_constants(shift, rounding)) for factor, shift in pairs]
    table = np.zeros((blocks * CHANNELS, SCALES), np.int64)
    table[: len(numbers)] = numbers
    return aligned(np.ascontiguousarray(table.reshape(blocks, CHANNELS, SCALES).transpose(0, 2, 1)))


def _paired(blocks: npt.NDArray[np.int8], height: int, width: int) -> npt.NDArray[np.int8]:
    """Blocks of two neighbouring taps each, of up to 4 channels: the first tap's, then the second's."""
    rows = blocks.reshape(-1, height, width, CHANNELS, CHANNELS)[..., :HALF, :]
    even = np.pad(rows, ((0, 0), (0, 0), (0, width % 2), (0, 0), (0, 0)))
    return even.reshape(len(blocks), height * -(-width // 2), CHANNELS, CHANNELS)
