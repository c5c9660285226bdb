"""
Weights as blocks: which 8x8 blocks of an O×I×KH×KW array hold anything (Γ), and the values of those that do.

    compress(weights) -> gamma, values          gamma  (ceil(O/8), ceil(I/8))  bool expand(gamma, values, shape) ->
    weights     values (non-zero blocks, KH, KW, 8 inputs, 8 outputs), row-major order of gamma

A block is 8 outputs × KH × KW × 8 inputs; channels beyond O or I are zero. The last axis is the output channel
because that is the operand order of the array's matrix unit: activations 4×8 times weights 8×8 [input][output].
`expand` is the exact inverse of `compress`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dialects.bsr_attributes import BLOCK, blocks_of


def compress(weights: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int8]]:
    """Γ and the non-zero blocks of O×I×KH×KW weights."""
    outputs, inputs, kernel_height, kernel_width = weights.shape
    padding = ((0, -outputs % BLOCK), (0, -inputs % BLOCK), (0, 0), (0, 0))
    padded = np.pad(weights, padding) if outputs % BLOCK or inputs % BLOCK else weights
    blocks = padded.reshape(blocks_of(outputs), BLOCK, blocks_of(inputs), BLOCK, kernel_height, kernel_width)
    gamma = np.asarray(blocks.any(axis=(1, 3, 4, 5)))
    return gamma, np.ascontiguousarray(blocks.transpose(0, 2, 4, 5, 3, 1)[gamma])


def expand(
    gamma: npt.NDArray[np.bool_], values: npt.NDArray[np.int8], shape: tuple[int, int, int, int]
) -> npt.NDArray[np.int8]:
    """The O×I×KH×KW weights whose non-zero blocks are `values`."""
    outputs, inputs, kernel_height, kernel_width = shape
    blocks = np.zeros((*gamma.shape, kernel_height, kernel_width, BLOCK, BLOCK), dtype=np.int8)
    blocks[gamma] = values
    padded = blocks.transpose(0, 5, 1, 4, 2, 3).reshape(
        gamma.shape[0] * BLOCK, gamma.shape[1] * BLOCK, kernel_height, kernel_width
    )
    return np.ascontiguousarray(padded[:outputs, :inputs])


def pack_gamma(gamma: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Γ as bits, row-major, the first block in the highest bit of the first byte (numpy.packbits)."""
    return np.packbits(gamma.reshape(-1))


def unpack_gamma(packed: npt.NDArray[np.uint8], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The inverse of `pack_gamma` for Γ of `shape`."""
    return np.unpackbits(packed, count=shape[0] * shape[1]).astype(np.bool_).reshape(shape)
