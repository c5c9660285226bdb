"""
One chunk of a convolution's weights as a core reads it: Γ, bias and non-zero blocks in one run of words.

A chunk serves `blocks` output channel blocks and one range of input channels. Its words:

    0                                  word offset of the first 8x8 block
    1 … blocks*taps + 1                row pointers: entries of output block b and vertical tap t are
                                       [pointer[b*taps + t], pointer[b*taps + t + 1])
    then blocks*8                      int32 bias
    then one per entry                 tap << 16 | words from the start of the tap's row to the entry's pixel
    (up to a multiple of 16 less the next)
    then blocks*rescaling              of a scaled convolution: `compiler.kernels.rescaling`
    then 16 per entry                  the 8x8 int8 block, [8 input channels][8 output channels]

An entry is one non-zero block at one horizontal tap, and names its vertical tap itself, so that one loop without
special cases runs over all entries of an output block: a k x k convolution, a 1 x 1 one and a matrix product differ
only in this list. Zero blocks are simply absent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK_WORDS = 16
"""An 8x8 int8 block is one right operand of the 4x8x8 matrix instruction: 64 bytes."""

OFFSET_BITS = 16
"""Bits of an entry's word that hold the offset; the tap is above them."""

OFFSET_MASK = (1 << OFFSET_BITS) - 1


@dataclass(frozen=True)
class ChunkView:
    """Where the parts of a chunk lie, in words from its start."""

    pointers: int
    bias: int
    offsets: int

    @classmethod
    def of(cls, blocks: int, taps: int) -> ChunkView:
        """Positions of the parts that do not depend on how many entries there are."""
        bias = 1 + blocks * taps + 1
        return cls(1, bias, bias + 8 * blocks)


def chunk_words(blocks: int, taps: int, entries: int, rescaling: int = 0) -> int:
    """Size of a chunk in words, with `rescaling` words for each output block."""
    head = ChunkView.of(blocks, taps).offsets + entries + blocks * rescaling
    return -(-head // BLOCK_WORDS) * BLOCK_WORDS + entries * BLOCK_WORDS


def product_head_words(blocks: int, depth: int) -> int:
    """Of the chunk that a matrix product of two maps makes of blocks that are all there: what comes before them."""
    return ChunkView.of(blocks, 1).offsets + blocks * depth


def encode_chunk(
    pointers: npt.NDArray[np.int32],
    bias: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int32],
    values: npt.NDArray[np.int8],
    rescaling: npt.NDArray[np.int32] | None = None,
) -> npt.NDArray[np.int32]:
    """
    Lay out a chunk. Which tap an entry belongs to is told by `pointers`.

    `pointers` int32[blocks*taps + 1], `bias` int32[blocks*8], `offsets` int32[entries],
    `values` int8[entries, 8, 8] with the last axis the output channel; `rescaling` words of all blocks, or none.
    """
    blocks = bias.size // 8
    taps = (pointers.size - 1) // blocks
    view = ChunkView.of(blocks, taps)
    scaling = np.zeros(0, np.int32) if rescaling is None else rescaling
    words = np.zeros(chunk_words(blocks, taps, offsets.size, scaling.size // blocks), np.int32)
    first_block = words.size - offsets.size * BLOCK_WORDS
    words[0] = first_block
    words[view.pointers : view.bias] = pointers
    words[view.bias : view.offsets] = bias
    owners = np.repeat(np.arange(blocks * taps) % taps, np.diff(pointers))
    words[view.offsets : view.offsets + offsets.size] = owners << OFFSET_BITS | offsets
    words[first_block - scaling.size : first_block] = scaling
    words[first_block:] = np.ascontiguousarray(values).view(np.int32).reshape(-1)
    return words
