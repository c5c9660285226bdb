"""
The scalars of a kernel call, and what every kernel does with them: look at rows under its taps, round, store a row.

A kernel sees the parameter buffer (parameters, then the row table), the arena, and the scalars of this call:

    weights   word offset of the weight chunk (convolutions) or of the table (lookups)
    out       word offset of the output slot, laid out [block][pixel][8 channels]
    partial   word offset of this row's partial sums
    blocks    output channel blocks of this chunk
    first     1 if this is the first input chunk: start from the bias, not from the partial sums
    last      1 if this is the last input chunk: requantise and write `out`, else write the partial sums
    row       output row of this core, counted from 0
    rows      output rows from there on: a convolution's may be several, in slots that follow each other in the ring

The row table holds the word offset of each vertical tap's slot, or -1 for a border row, which contributes nothing; the
taps of an output row begin ROW_STRIDE entries behind those of the row before.
Border rows are the first taps, the last, or both: the map between them is in one piece.
Everything is integer arithmetic on int32; results are saturated to int8, then clamped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.kernels.parameters import OF_RESULT, PARAMETER_WORDS, Narrowing, Parameter, Rounding

Words = npt.NDArray[np.int32]
P = Parameter


@dataclass(frozen=True)
class Call:
    """The scalar arguments of one kernel call, in the order of the kernel function's operands."""

    weights: int
    out: int
    partial: int
    blocks: int
    first: int
    last: int
    row: int
    rows: int = 1


def requantise(params: Words, value: npt.NDArray[np.int64], narrowing: Narrowing = OF_RESULT) -> npt.NDArray[np.int8]:
    """Shift right by SHIFT with ROUNDING, saturate to int8, clamp."""
    shift = int(params[narrowing.shift])
    if shift > 0:
        if params[P.ROUNDING] == Rounding.HALF_EVEN:
            value = value - 1 + ((value >> shift) & 1)
        value = (value + (1 << (shift - 1))) >> shift
    low, high = max(-128, int(params[narrowing.low])), min(127, int(params[narrowing.high]))
    return np.clip(value, low, high).astype(np.int8)


def taps_of(params: Words, row: int = 0) -> list[int]:
    """What the row table has for an output row of a call: word offsets, -1 for a border."""
    first = PARAMETER_WORDS + row * int(params[P.ROW_STRIDE])
    return params[first : first + int(params[P.TAPS])].tolist()


def output_rows(params: Words, call: Call) -> list[tuple[int, int]]:
    """For each output row of a convolution's call the word offsets of its output slot and of its partial sums."""
    slot, end = int(params[P.OUTPUT_SLOT]), output_end(params)
    found: list[tuple[int, int]] = []
    out = call.out
    for row in range(call.rows):
        found.append((out, call.partial + row * int(params[P.PARTIAL_ROW])))
        out = int(params[P.OUTPUT_BASE]) if out + slot == end else out + slot
    return found


def output_end(params: Words) -> int:
    """Where the ring of output slots ends."""
    return int(params[P.OUTPUT_BASE]) + int(params[P.OUTPUT_SLOT]) * int(params[P.OUTPUT_SLOTS])


def bytes_of(arena: Words) -> npt.NDArray[np.int8]:
    """The arena as int8 values."""
    return arena.view(np.int8)


def rows_of(params: Words, arena: Words, call: Call) -> npt.NDArray[np.int8]:
    """Whole rows under the taps, [tap][block][column][8]; only for kernels without borders in their table."""
    width = int(params[P.BLOCK_STRIDE]) // 2
    size = call.blocks * width * 8
    data = bytes_of(arena)
    return np.stack([data[4 * tap : 4 * tap + size].reshape(call.blocks, width, 8) for tap in taps_of(params)])


def store(arena: Words, call: Call, rows: npt.NDArray[np.int8]) -> None:
    """Write a row to the output slot."""
    bytes_of(arena)[4 * call.out : 4 * call.out + rows.size] = rows.reshape(-1)
