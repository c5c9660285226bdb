"""
What each kernel function computes, in numpy: the definition its MLIR body is tested against.

`compiler.kernels.call` says what a kernel sees, `elementwise_semantics` has the kernels that see each value once, and
`matmul_semantics` those that multiply two matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from compiler.kernels.call import Call, Words, bytes_of, output_rows, requantise, store, taps_of
from compiler.kernels.elementwise_semantics import (
    add,
    lookup,
    maximum,
    minimum,
    multiply,
    requantise_row,
    scaled_add,
    scaled_multiply,
    scaled_requantise,
    scaled_subtract,
    subtract,
)
from compiler.kernels.matmul_semantics import matmul, scaled_matmul
from compiler.kernels.parameters import LARGEST_WEIGHT_SHIFT, OF_SUM, Kernel, Parameter, Rounding
from compiler.kernels.rescaling import edges_of, rescale, set_sides
from compiler.kernels.row_steps import steps_of, steps_of_row
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_MASK, ChunkView

__all__ = ["KERNELS", "Call", "Words", "requantise"]

P = Parameter


@lru_cache(maxsize=512)
def _decoded(chunk: bytes, blocks: int, taps: int) -> tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Row pointers, offsets and block values of a chunk; kept, because every output row uses them again."""
    words = np.frombuffer(chunk, np.int32)
    view = ChunkView.of(blocks, taps)
    pointers: list[int] = words[view.pointers : view.bias].tolist()
    entries = pointers[-1]
    offsets = words[view.offsets : view.offsets + entries].astype(np.int64) & OFFSET_MASK
    first = int(words[0])
    values = words[first : first + entries * BLOCK_WORDS].view(np.int8).reshape(entries, 8, 8)
    return pointers, offsets, values.astype(np.float64)


def _partial_sums(params: Words, arena: Words, call: Call) -> Iterator[tuple[slice, Words]]:
    """Which pixels of a row have partial sums where, [block][pixel][8]; some are computed, and kept, twice."""
    width = int(params[P.WIDTH])
    for step in steps_of_row(width, steps_of(Kernel(int(params[P.KERNEL])))):
        first = call.partial + call.blocks * step.done * 8
        sums = arena[first : first + call.blocks * step.size * 8].reshape(call.blocks, step.size, 8)
        pixels = slice(step.pixel, min(step.pixel + step.size, width))
        yield pixels, sums[:, : pixels.stop - pixels.start]


def _sums(params: Words, arena: Words, call: Call, row: int = 0) -> npt.NDArray[np.int64]:
    """
    Sums of one output row over one chunk of weights, from the bias or from partial sums on: [block][pixel][8].

    It is the `row`-th of a call, whose row table it looks at.
    """
    taps, width = int(params[P.TAPS]), int(params[P.WIDTH])
    view = ChunkView.of(call.blocks, taps)
    head = arena[call.weights : call.weights + view.offsets]
    entries = int(head[view.bias - 1])
    end = int(head[0]) + entries * BLOCK_WORDS
    chunk = arena[call.weights : call.weights + end].tobytes()
    pointers, offsets, values = _decoded(chunk, call.blocks, taps)
    total = np.zeros((call.blocks, width, 8), np.int64)
    if call.first:
        total += head[view.bias : view.offsets].reshape(call.blocks, 1, 8)
    else:
        for pixels, sums in _partial_sums(params, arena, call):
            total[:, pixels] = sums
    data = bytes_of(arena)
    channels = 8 * np.arange(width)[None, :, None] + np.arange(8)
    table = taps_of(params, row)
    for block in range(call.blocks):
        spans = [
            (table[tap], pointers[block * taps + tap], pointers[block * taps + tap + 1])
            for tap in range(taps)
            if table[tap] >= 0
        ]
        where = [base + offsets[begin:end] for base, begin, end in spans if end > begin]
        if not where:
            continue
        inputs = data[4 * np.concatenate(where)[:, None, None] + channels]
        weights = np.concatenate([values[begin:end] for _, begin, end in spans])
        # float64 products of int8 are exact, and so are their sums far below 2**53
        left = inputs.transpose(1, 0, 2).reshape(width, -1).astype(np.float64)
        total[block] += (left @ weights.reshape(-1, 8)).astype(np.int64)
    return total


def _keep(params: Words, arena: Words, call: Call, total: npt.NDArray[np.int64]) -> None:
    """Write partial sums."""
    for pixels, sums in _partial_sums(params, arena, call):
        sums[...] = total[:, pixels]


def conv(params: Words, arena: Words, call: Call) -> None:
    """Block-sparse convolution of some output rows for one chunk of weights; SKIP adds the row behind an input row."""
    for row, (out, partial) in enumerate(output_rows(params, call)):
        _conv_row(params, arena, replace(call, out=out, partial=partial), row)


def _conv_row(params: Words, arena: Words, call: Call, row: int) -> None:
    """The `row`-th output row of a call, whose places `call` has."""
    total = _sums(params, arena, call, row)
    if not call.last:
        _keep(params, arena, call, total)
        return
    result = requantise(params, total)
    if params[P.SKIP]:
        skip = 4 * (taps_of(params, row)[0] + int(params[P.SKIP]))
        result = _with_skip(params, result, bytes_of(arena)[skip : skip + result.size].reshape(result.shape))
    store(arena, call, result)


def scaled_conv(params: Words, arena: Words, call: Call) -> None:
    """The same with multipliers in the chunk, and with zero-points around the map; sums pass through `partial`."""
    _fill_sides(params, arena)
    total = _sums(params, arena, call)
    words = rescaling_table(params, arena, call)
    if call.last:
        edges = edges_of(words)
        off_map = [row < 0 for row in taps_of(params)]
        total += edges[off_map[: len(edges)]].sum(axis=0)[:, None]
    _keep(params, arena, call, total)
    if call.last:
        clamp = max(-128, int(params[P.CLAMP_LOW])), min(127, int(params[P.CLAMP_HIGH]))
        store(arena, call, rescale(total, words, int(params[P.SHIFT]), int(params[P.ZERO]), clamp))


def rescaling_table(params: Words, arena: Words, call: Call) -> Words:
    """The last words of a chunk's head, [blocks][words of a block]."""
    each = int(params[P.RESCALING_WORDS])
    end = call.weights + int(arena[call.weights])
    return arena[end - call.blocks * each : end].reshape(call.blocks, each)


def _fill_sides(params: Words, arena: Words) -> None:
    """Zero-points where descriptors put zeros, in the rows that the taps see."""
    sides = int(params[P.EDGE_LEFT]), int(params[P.EDGE_RIGHT])
    words = int(params[P.EDGE_BLOCKS]) * int(params[P.EDGE_STRIDE])
    parts, blocks = int(params[P.COLUMN_STRIDE]), int(params[P.EDGE_BLOCKS])
    for tap in taps_of(params) if any(sides) else ():
        if tap >= 0:
            row = bytes_of(arena)[4 * tap : 4 * (tap + parts * words)]
            set_sides(row.reshape(parts, blocks, -1, 8), sides, int(params[P.ZERO_A]))


def _with_skip(params: Words, own: npt.NDArray[np.int8], skip: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """(own << SHIFT_A) + (skip << SHIFT_B), requantised as a sum."""
    left, right = int(params[P.SHIFT_A]), int(params[P.SHIFT_B])
    assert max(left, right) <= LARGEST_WEIGHT_SHIFT, (
        f"a convolution shifts its result by {left} and a skip row by {right}, by at most {LARGEST_WEIGHT_SHIFT} each; "
        "operands further apart are added by a launch of their own"
    )
    return requantise(params, (own.astype(np.int64) << left) + (skip.astype(np.int64) << right), OF_SUM)


def _windows(params: Words, arena: Words, call: Call) -> list[list[tuple[int, slice]]]:
    """For each output pixel, the (tap offset, columns) that lie on the map."""
    table = [tap for tap in taps_of(params) if tap >= 0]
    windows: list[list[tuple[int, slice]]] = []
    for pixel in range(int(params[P.WIDTH])):
        start = int(params[P.COLUMN_ORIGIN]) + pixel * int(params[P.COLUMN_STRIDE])
        columns = slice(max(start, 0), min(start + int(params[P.KERNEL_WIDTH]), int(params[P.MAP_WIDTH])))
        windows.append([(tap, columns) for tap in table])
    return windows


def _pool(
    params: Words, arena: Words, call: Call, reduce: Callable[..., npt.NDArray[np.int64]]
) -> npt.NDArray[np.int64]:
    """`reduce` over each window's cells, int64[block][pixel][8]."""
    width, stride = int(params[P.WIDTH]), int(params[P.BLOCK_STRIDE]) // 2
    data = bytes_of(arena)
    size = call.blocks * stride * 8
    rows = [
        data[4 * tap : 4 * tap + size].reshape(call.blocks, stride, 8).astype(np.int64)
        for tap in taps_of(params)
        if tap >= 0
    ]
    column = reduce(np.stack(rows), axis=0)
    pooled = np.empty((call.blocks, width, 8), np.int64)
    for pixel, window in enumerate(_windows(params, arena, call)):
        pooled[:, pixel] = reduce(column[:, window[0][1]], axis=1)
    return pooled


def max_pool(params: Words, arena: Words, call: Call) -> None:
    """Largest value under the window; border cells do not take part."""
    pooled = _pool(params, arena, call, np.max)
    low, high = int(params[P.CLAMP_LOW]), int(params[P.CLAMP_HIGH])
    store(arena, call, np.clip(pooled, low, high).astype(np.int8))


def avg_pool(params: Words, arena: Words, call: Call) -> None:
    """Σ·2^NUMERATOR_SHIFT / (n·2^DENOMINATOR_SHIFT), rounded once, exactly."""
    pooled = _pool(params, arena, call, np.sum) << int(params[P.NUMERATOR_SHIFT])
    top = int(params[P.ROW_ORIGIN]) + call.row * int(params[P.ROW_STRIDE])
    bottom = min(top + int(params[P.TAPS]), int(params[P.COUNT_BOTTOM]))
    rows = bottom - max(top, int(params[P.COUNT_TOP]))
    left = int(params[P.COLUMN_ORIGIN]) + np.arange(int(params[P.WIDTH])) * int(params[P.COLUMN_STRIDE])
    right = np.minimum(left + int(params[P.KERNEL_WIDTH]), int(params[P.COUNT_RIGHT]))
    columns = right - np.maximum(left, int(params[P.COUNT_LEFT]))
    divisor = (rows * columns << int(params[P.DENOMINATOR_SHIFT]))[None, :, None]
    quotient, rest = np.divmod(pooled, divisor)
    up = 2 * rest > divisor
    tie = 2 * rest == divisor
    up |= tie & ((quotient & 1 == 1) | (params[P.ROUNDING] == Rounding.HALF_UP))
    low, high = max(-128, int(params[P.CLAMP_LOW])), min(127, int(params[P.CLAMP_HIGH]))
    store(arena, call, np.clip(quotient + up, low, high).astype(np.int8))


KERNELS: dict[Kernel, Callable[[Words, Words, Call], None]] = {
    Kernel.CONV: conv,
    Kernel.ADD: add,
    Kernel.REQUANTISE: requantise_row,
    Kernel.MAX_POOL: max_pool,
    Kernel.AVG_POOL: avg_pool,
    Kernel.SCALED_CONV: scaled_conv,
    Kernel.SCALED_ADD: scaled_add,
    Kernel.SCALED_REQUANTISE: scaled_requantise,
    Kernel.SUBTRACT: subtract,
    Kernel.MULTIPLY: multiply,
    Kernel.MAXIMUM: maximum,
    Kernel.MINIMUM: minimum,
    Kernel.SCALED_SUBTRACT: scaled_subtract,
    Kernel.SCALED_MULTIPLY: scaled_multiply,
    Kernel.LOOKUP: lookup,
    Kernel.MATMUL: matmul,
    Kernel.SCALED_MATMUL: scaled_matmul,
    Kernel.CONV_20: conv,
}
"""Meaning of each kernel function."""
