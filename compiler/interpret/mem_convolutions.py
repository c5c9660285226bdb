"""
Convolutions of the memory level: all passes of a core over its input stream, each with one chunk of weights.

One array [row][block][pixel][8] per output chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from compiler.interpret.mem_parameters import Bytes, Parameters, clamp_of, rounding_of, tap_rows
from compiler.kernels.rescaling import edges_of, rescale, set_sides
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_MASK, ChunkView
from compiler.quantization.arithmetic import requantise


def conv(parameters: Parameters, stream: Bytes, chunks: Sequence[npt.NDArray[np.int32]]) -> list[Bytes]:
    """One array per output chunk; its weights are `input_chunks` chunks, met by as many passes of the stream."""

    def narrowed(total: npt.NDArray[np.int64], stream: Bytes, _: npt.NDArray[np.int32]) -> Bytes:
        made = requantise(total, parameters.get("shift", 0), rounding_of(parameters), clamp_of(parameters))
        return _with_skip(parameters, made, stream) if parameters.get("skip", 0) else made

    return _contracted(parameters, stream, chunks, narrowed)


def scaled_conv(parameters: Parameters, stream: Bytes, chunks: Sequence[npt.NDArray[np.int32]]) -> list[Bytes]:
    """The same with zero-points around the map, and with multipliers in the last chunk of an output chunk's."""
    sides = parameters["edge_left"], parameters["edge_right"]
    if any(sides) and stream.size:
        stream = stream.copy()
        rows = stream.reshape(1, -1, parameters["block_stride"] // 2, 8)
        set_sides(rows, sides, parameters["zero_a"])
    off_map = np.ones((parameters["taps"], parameters["rows"]), np.bool_)
    for tap in range(parameters["taps"]):
        off_map[tap, tap_rows(parameters, tap)[0]] = False

    def rescaled(total: npt.NDArray[np.int64], _: Bytes, chunk: npt.NDArray[np.int32]) -> Bytes:
        rows, blocks, width, _ = total.shape
        words = chunk[int(chunk[0]) - blocks * parameters["rescaling_words"] : int(chunk[0])].reshape(blocks, -1)
        edges = edges_of(words)
        around = np.einsum("tr,tbc->rbc", off_map[: len(edges)].astype(np.int64), edges)
        sums = (total + around[:, :, None]).transpose(1, 0, 2, 3).reshape(blocks, rows * width, 8)
        result = rescale(sums, words, parameters["shift"], parameters["zero"], clamp_of(parameters))
        return result.reshape(blocks, rows, width, 8).transpose(1, 0, 2, 3)

    return _contracted(parameters, stream, chunks, rescaled)


def _contracted(
    parameters: Parameters,
    stream: Bytes,
    chunks: Sequence[npt.NDArray[np.int32]],
    narrowed: Callable[[npt.NDArray[np.int64], Bytes, npt.NDArray[np.int32]], Bytes],
) -> list[Bytes]:
    """`narrowed` makes int8 of sums [row][block][pixel][8], and of the last pass of the stream and its chunk."""
    input_chunks, width, rows = parameters["input_chunks"], parameters["width"], parameters["rows"]
    results: list[Bytes] = []
    for index in range(parameters["output_chunks"]):
        last = index == parameters["output_chunks"] - 1
        blocks = parameters["last_blocks"] if last else parameters["blocks"]
        total = np.zeros((rows, blocks, width, 8))
        for part in range(input_chunks):
            number = index * input_chunks + part
            _accumulate(parameters, stream[number], chunks[number], total)
        view = ChunkView.of(blocks, parameters["taps"])
        bias = chunks[index * input_chunks][view.bias : view.offsets].reshape(blocks, 1, 8)
        exact = total.astype(np.int64) + bias
        last = (index + 1) * input_chunks - 1
        results.append(narrowed(exact, stream[last], chunks[last]))
    return results


def _with_skip(parameters: Parameters, made: Bytes, stream: Bytes) -> Bytes:
    """The rows that were made, plus those behind the input rows of the last pass."""
    skip = stream[:, 4 * parameters["skip"] :].reshape(made.shape).astype(np.int64)
    total = (made.astype(np.int64) << parameters["shift_a"]) + (skip << parameters["shift_b"])
    clamp = parameters["sum_clamp_low"], parameters["sum_clamp_high"]
    return requantise(total, parameters["sum_shift"], rounding_of(parameters), clamp)


def _accumulate(
    parameters: Parameters, stream: Bytes, chunk: npt.NDArray[np.int32], total: npt.NDArray[np.float64]
) -> None:
    """Add one chunk's products. float64 holds sums of int8 products exactly up to 2**53."""
    if not len(stream):
        return  # every window lies on the border
    taps, blocks, width = parameters["taps"], total.shape[1], total.shape[2]
    view = ChunkView.of(blocks, taps)
    pointers = chunk[view.pointers : view.bias]
    offsets = chunk[view.offsets : view.offsets + int(pointers[-1])] & OFFSET_MASK
    first = int(chunk[0])
    values = chunk[first : first + offsets.size * BLOCK_WORDS].view(np.int8).reshape(-1, 8, 8).astype(np.float64)
    # a row in parts, each of every so many-th pixel
    parts = stream.reshape(len(stream), -1, parameters["column_stride"], 8)
    pixels = np.ascontiguousarray(parts.swapaxes(1, 2)).reshape(len(stream), -1, 8)
    columns: npt.NDArray[np.int64] = offsets[:, None].astype(np.int64) // 2 + np.arange(width, dtype=np.int64)
    for tap in range(taps):
        outputs, rows = tap_rows(parameters, tap)
        if not rows.size:
            continue
        for block in range(blocks):
            begin, end = pointers[block * taps + tap], pointers[block * taps + tap + 1]
            if begin == end:
                continue
            left = pixels[rows[:, None, None], columns[begin:end].T[None]].astype(np.float64)
            total[outputs, block] += left.reshape(rows.size, width, -1) @ values[begin:end].reshape(-1, 8)
