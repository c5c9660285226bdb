"""
What the products of two computed matrices are, in numpy: the definition their MLIR bodies are tested against.

The blocks of the right operand, then the row of the left one, lie in one slot. Rows of blocks that fill up the last
terms of a sum are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.kernels.call import Call, Words, bytes_of, requantise, store, taps_of
from compiler.kernels.elementwise_semantics import store_rescaled
from compiler.kernels.parameters import Parameter
from compiler.kernels.weight_chunk import BLOCK_WORDS, ChunkView

P = Parameter


def matmul(params: Words, arena: Words, call: Call) -> None:
    """One row of a matrix product; the head of a chunk, as the convolution reads it, is in `partial` afterwards."""
    depth, stride, (slot,) = int(params[P.DEPTH]), int(params[P.BLOCK_STRIDE]), taps_of(params)
    left, right = _matrices(params, arena, call)
    count, view = call.blocks * depth, ChunkView.of(call.blocks, 1)
    head = arena[call.partial : call.partial + view.offsets + count]
    head[0] = slot - call.partial
    head[view.pointers : view.bias] = depth * np.arange(call.blocks + 1)
    head[view.bias : view.offsets] = 0
    head[view.offsets :] = np.tile(count * BLOCK_WORDS + stride * np.arange(depth), call.blocks)
    store(arena, call, requantise(params, _product(left, right)))


def scaled_matmul(params: Words, arena: Words, call: Call) -> None:
    """The same of values less their zero-points, times one multiplier; what it leaves in `partial` means nothing."""
    left, right = _matrices(params, arena, call)
    counted = (np.arange(len(left) * 8) < int(params[P.TERMS])).reshape(-1, 1, 8)
    around = (left.astype(np.int64) - int(params[P.ZERO_A])) * counted
    store_rescaled(params, arena, call, _product(around, right.astype(np.int64) - int(params[P.ZERO_B])))


def _matrices(params: Words, arena: Words, call: Call) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """
    Operands [depth block][pixel][8] and [output block][depth block][8][8].

    A right operand that comes transposed is transposed in the slot.
    """
    depth, stride, (slot,) = int(params[P.DEPTH]), int(params[P.BLOCK_STRIDE]), taps_of(params)
    blocks = arena[slot : slot + call.blocks * depth * BLOCK_WORDS]
    if params[P.TRANSPOSED]:
        turned = blocks.view(np.int8).reshape(-1, 8, 8).transpose(0, 2, 1)
        blocks[...] = np.ascontiguousarray(turned).reshape(-1).view(np.int32)
    row = slot + blocks.size
    left = bytes_of(arena)[4 * row : 4 * (row + depth * stride)].reshape(depth, -1, 8)[:, : int(params[P.WIDTH])]
    return left, blocks.view(np.int8).reshape(call.blocks, depth, 8, 8)


def _product(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Sums [output block][pixel][8]. Products of 9 bits are exact in float64, and so are their sums below 2**53."""
    total = np.einsum("kpi,bkio->bpo", left.astype(np.float64), right.astype(np.float64), optimize=True)
    return total.astype(np.int64)
