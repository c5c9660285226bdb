"""Which words a kernel call reads and writes: what must have arrived before it, and what it hands on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.kernels.call import output_rows
from compiler.kernels.parameters import LOOKUP_WORDS, PARAMETER_WORDS, Kernel, Parameter
from compiler.kernels.row_steps import computed_pixels, steps_of
from compiler.kernels.semantics import Call
from compiler.kernels.weight_chunk import BLOCK_WORDS, ChunkView, product_head_words

Range = tuple[int, int]
P = Parameter


@dataclass(frozen=True)
class Footprint:
    """Half-open ranges of arena words."""

    reads: tuple[Range, ...]
    writes: tuple[Range, ...]


def _matrices_words(params: npt.NDArray[np.int32], call: Call) -> int:
    """Of both operands of a matrix product."""
    return int(params[P.DEPTH]) * (call.blocks * BLOCK_WORDS + int(params[P.BLOCK_STRIDE]))


def footprint(kernel: Kernel, params: npt.NDArray[np.int32], arena: npt.NDArray[np.int32], call: Call) -> Footprint:
    """The words of one call. Pixels that only fill up a row to whole steps are read too, but do not count."""
    taps = int(params[P.TAPS])
    looked_at = taps + (call.rows - 1) * int(params[P.ROW_STRIDE])
    table: list[int] = params[PARAMETER_WORDS : PARAMETER_WORDS + looked_at].tolist()
    convolution, scaled = kernel.convolves, kernel is Kernel.SCALED_CONV
    width = int(params[P.WIDTH])
    row = int(params[P.INPUT_SLOT]) if convolution else call.blocks * int(params[P.BLOCK_STRIDE])
    if kernel.multiplies_maps:
        row = _matrices_words(params, call)
    reads = [(tap, tap + row) for tap in table if tap >= 0]
    writes: list[Range] = []
    if kernel.multiplies_maps:
        depth = int(params[P.DEPTH])
        sums = call.blocks * computed_pixels(width) * 8 if kernel is Kernel.SCALED_MATMUL else 0
        writes.append((call.partial, call.partial + product_head_words(call.blocks, depth) + sums))
        if params[P.TRANSPOSED]:
            writes += [(tap, tap + call.blocks * depth * BLOCK_WORDS) for tap in table if tap >= 0]
    if scaled and params[P.EDGE_LEFT] + params[P.EDGE_RIGHT]:
        writes += reads
    if kernel is Kernel.LOOKUP:
        reads.append((call.weights, call.weights + LOOKUP_WORDS))
    places = output_rows(params, call)
    if convolution:
        view = ChunkView.of(call.blocks, taps)
        head = arena[call.weights : call.weights + view.offsets]
        end = int(head[0]) + int(head[view.bias - 1]) * BLOCK_WORDS
        reads.append((call.weights, call.weights + end))
        sums = call.blocks * computed_pixels(width, steps_of(kernel)) * 8
        partial = [(first, first + sums) for _, first in places]
        if not call.first:
            reads += partial
        if not call.last or scaled:
            writes += partial
    if call.last or not convolution:
        row_words = call.blocks * width * 2
        writes += [(out, out + row_words) for out, _ in places]
    return Footprint(tuple(reads), tuple(writes))
