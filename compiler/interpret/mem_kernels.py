"""
What a core computes at the memory level: its whole share at once, from its input stream and its weight chunks.

    stream   int8[passes, rows of one pass, bytes of a row]     result   int8[rows, blocks, width, 8]

No slots, rings or partial sums here: those are the array level's way of getting the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from compiler.kernels.parameters import FACTOR_DIGIT_BITS, Kernel, Rounding
from compiler.kernels.rescaling import DIGIT_BITS, DIGITS, DISTANCE, edges_of, rescale, set_sides
from compiler.kernels.weight_chunk import BLOCK_WORDS, OFFSET_MASK, ChunkView
from compiler.quantization.arithmetic import Clamp, average, requantise, saturate_int8
from compiler.quantization.arithmetic import Rounding as RoundingName
from compiler.quantization.scaling import round_shifts

Parameters = Mapping[str, int]
Bytes = npt.NDArray[np.int8]


def _rounding(parameters: Parameters) -> RoundingName:
    return "half_up" if parameters.get("rounding", 0) == Rounding.HALF_UP else "half_even"


def _clamp(parameters: Parameters) -> Clamp:
    return parameters["clamp_low"], parameters["clamp_high"]


def _tap_rows(parameters: Parameters, tap: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Output rows whose vertical tap lies on the map, and the stream rows under it."""
    outputs = np.arange(parameters["rows"])
    rows = parameters["row_origin"] + outputs * parameters["row_stride"] + tap * parameters["row_step"]
    inside = (rows >= 0) & (rows < parameters["stream_rows"])
    return outputs[inside], rows[inside]


def conv(parameters: Parameters, stream: Bytes, chunks: Sequence[npt.NDArray[np.int32]]) -> list[Bytes]:
    """One array per output chunk; its weights are `input_chunks` chunks, met by as many passes of the stream."""

    def narrowed(total: npt.NDArray[np.int64], stream: Bytes, _: npt.NDArray[np.int32]) -> Bytes:
        made = requantise(total, parameters.get("shift", 0), _rounding(parameters), _clamp(parameters))
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
        off_map[tap, _tap_rows(parameters, tap)[0]] = False

    def rescaled(total: npt.NDArray[np.int64], _: Bytes, chunk: npt.NDArray[np.int32]) -> Bytes:
        rows, blocks, width, _ = total.shape
        words = chunk[int(chunk[0]) - blocks * parameters["rescaling_words"] : int(chunk[0])].reshape(blocks, -1)
        edges = edges_of(words)
        around = np.einsum("tr,tbc->rbc", off_map[: len(edges)].astype(np.int64), edges)
        sums = (total + around[:, :, None]).transpose(1, 0, 2, 3).reshape(blocks, rows * width, 8)
        result = rescale(sums, words, parameters["shift"], parameters["zero"], _clamp(parameters))
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
    return requantise(total, parameters["sum_shift"], _rounding(parameters), clamp)


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
        outputs, rows = _tap_rows(parameters, tap)
        if not rows.size:
            continue
        for block in range(blocks):
            begin, end = pointers[block * taps + tap], pointers[block * taps + tap + 1]
            if begin == end:
                continue
            left = pixels[rows[:, None, None], columns[begin:end].T[None]].astype(np.float64)
            total[outputs, block] += left.reshape(rows.size, width, -1) @ values[begin:end].reshape(-1, 8)


def _rows(parameters: Parameters, stream: Bytes) -> Bytes:
    """The one pass of a kernel without weights, [rows][block][column][8]."""
    return stream[0].reshape(stream.shape[1], -1, parameters["block_stride"] // 2, 8)


def _pairs(parameters: Parameters, stream: Bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of two operands, which alternate, each shifted left or less a zero-point."""
    rows = _rows(parameters, stream).astype(np.int64)
    left, right = (
        (rows[number::2] - parameters.get(f"zero_{name}", 0)) << parameters.get(f"shift_{name}", 0)
        for number, name in enumerate("ab")
    )
    return left, right


def _narrowed(parameters: Parameters, total: npt.NDArray[np.int64]) -> Bytes:
    return requantise(total, parameters["shift"], _rounding(parameters), _clamp(parameters))


def add(parameters: Parameters, stream: Bytes) -> Bytes:
    """The sum of two rows."""
    left, right = _pairs(parameters, stream)
    return _narrowed(parameters, left + right)


def subtract(parameters: Parameters, stream: Bytes) -> Bytes:
    """The difference of two rows."""
    left, right = _pairs(parameters, stream)
    return _narrowed(parameters, left - right)


def multiply(parameters: Parameters, stream: Bytes) -> Bytes:
    """The product of two rows."""
    left, right = _pairs(parameters, stream)
    return _narrowed(parameters, left * right)


def scaled_multiply(parameters: Parameters, stream: Bytes) -> Bytes:
    """The product of two rows, times one multiplier, whose lowest places are 0."""
    left, right = _pairs(parameters, stream)
    return _rescaled(parameters, left * right)


def _rescaled(parameters: Parameters, total: npt.NDArray[np.int64]) -> Bytes:
    """Sums times the one multiplier of all channels."""
    factor = parameters["factor_b"] << 2 * DIGIT_BITS | parameters["factor_a"]
    shift = np.array(parameters["shift"] + DIGITS * DIGIT_BITS - DISTANCE)
    rounded = round_shifts(total * (factor >> DISTANCE), shift, _rounding(parameters))
    return saturate_int8(rounded + parameters["zero"], _clamp(parameters))


def lookup(parameters: Parameters, stream: Bytes, table: npt.NDArray[np.int32]) -> Bytes:
    """What a table, in the order of bytes without a sign, has for each value."""
    return table[_rows(parameters, stream).astype(np.int64) & 255].astype(np.int8)


def _matrices(parameters: Parameters, stream: Bytes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """
    [pixel][term] and [block][term][8] from the blocks of the right operand, then one row of the left one, whose pixels
    are as many as the result's.
    """
    blocks, depth, width = parameters["blocks"], parameters["depth"], parameters["width"]
    words = blocks * depth * BLOCK_WORDS
    right = stream[0, 0, : 4 * words].reshape(blocks, depth, 8, 8)
    if parameters["transposed"]:
        right = right.swapaxes(2, 3)
    left = stream[0, 0, 4 * words :].reshape(depth, width, 8).transpose(1, 0, 2).reshape(width, -1)
    return left.astype(np.float64), right.reshape(blocks, -1, 8).astype(np.float64)


def matmul(parameters: Parameters, stream: Bytes) -> Bytes:
    """One row of a matrix product."""
    left, right = _matrices(parameters, stream)
    return _narrowed(parameters, (left @ right).astype(np.int64)[None])


def scaled_matmul(parameters: Parameters, stream: Bytes) -> Bytes:
    """The same of as many terms as count, less their zero-points."""
    left, right = _matrices(parameters, stream)
    terms = slice(parameters["terms"])
    total = (left[:, terms] - parameters["zero_a"]) @ (right[:, terms] - parameters["zero_b"])
    return _rescaled(parameters, total.astype(np.int64)[None])


def extremum(parameters: Parameters, stream: Bytes, chosen: np.ufunc) -> Bytes:
    """The larger or the smaller of two rows."""
    return saturate_int8(chosen(*_pairs(parameters, stream)), _clamp(parameters))


def scaled_rows(parameters: Parameters, stream: Bytes, signs: tuple[int, ...]) -> Bytes:
    """Rows of the operands alternate; each has a multiplier and a zero-point."""
    rows = _rows(parameters, stream).astype(np.int64)
    total = np.zeros(rows[:: len(signs)].shape, np.int64)
    for number, (sign, name) in enumerate(zip(signs, "ab", strict=False)):
        around = rows[number :: len(signs)] - parameters[f"zero_{name}"]
        total += sign * around * parameters[f"factor_{name}"]
    shift = np.array(parameters["shift"] + FACTOR_DIGIT_BITS)
    rounded = round_shifts(total, shift, _rounding(parameters)) + parameters["zero"]
    return saturate_int8(rounded, _clamp(parameters))


def requantise_rows(parameters: Parameters, stream: Bytes) -> Bytes:
    """Another fixed-point position."""
    rows = _rows(parameters, stream).astype(np.int64)
    shift = parameters.get("shift", 0) - parameters.get("shift_a", 0)
    return requantise(rows, shift, _rounding(parameters), _clamp(parameters))


def _cells(parameters: Parameters) -> list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """For each horizontal tap: output columns whose cell lies on the map, and that column of the map."""
    outputs = np.arange(parameters["width"])
    found: list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    for tap in range(parameters["kernel_width"]):
        columns = parameters["column_origin"] + outputs * parameters["column_stride"] + tap
        inside = (columns >= 0) & (columns < parameters["map_width"])
        found.append((tap, outputs[inside], columns[inside]))
    return found


def max_pool(parameters: Parameters, stream: Bytes) -> Bytes:
    """The largest cell of each window."""
    rows = _rows(parameters, stream)
    result = np.full((parameters["rows"], rows.shape[1], parameters["width"], 8), -128, np.int8)
    for tap in range(parameters["taps"]):
        outputs, inputs = _tap_rows(parameters, tap)
        for _, to, columns in _cells(parameters):
            where = np.ix_(outputs, np.arange(rows.shape[1], dtype=np.int64), to)
            result[where] = np.maximum(result[where], rows[inputs][:, :, columns])
    return saturate_int8(result, _clamp(parameters))


def avg_pool(parameters: Parameters, stream: Bytes) -> Bytes:
    """The mean of each window as an exact fraction; the divisor counts cells inside the counted rectangle."""
    rows = _rows(parameters, stream).astype(np.int64)
    total = np.zeros((parameters["rows"], rows.shape[1], parameters["width"], 8), np.int64)
    for tap in range(parameters["taps"]):
        outputs, inputs = _tap_rows(parameters, tap)
        for _, to, columns in _cells(parameters):
            total[np.ix_(outputs, np.arange(rows.shape[1], dtype=np.int64), to)] += rows[inputs][:, :, columns]
    y = parameters["row_origin"] + np.arange(parameters["rows"]) * parameters["row_stride"]
    x = parameters["column_origin"] + np.arange(parameters["width"]) * parameters["column_stride"]
    high = _counted(y, parameters["taps"], parameters["count_top"], parameters["count_bottom"])
    wide = _counted(x, parameters["kernel_width"], parameters["count_left"], parameters["count_right"])
    count = (high[:, None] * wide[None, :])[:, None, :, None]
    shift = parameters["denominator_shift"] - parameters["numerator_shift"]
    return average(total, count, shift, _rounding(parameters), _clamp(parameters))


def _counted(starts: npt.NDArray[np.int64], taps: int, first: int, last: int) -> npt.NDArray[np.int64]:
    """How many cells of the windows that begin at `starts` lie in [first, last)."""
    cells = starts[:, None] + np.arange(taps)
    return ((cells >= first) & (cells < last)).sum(axis=1)


def compute(
    kernel: Kernel, parameters: Parameters, stream: Bytes, chunks: Sequence[npt.NDArray[np.int32]]
) -> list[Bytes]:
    """A core's output, one array [rows][blocks][width][8] per output chunk."""
    match kernel:
        case Kernel.CONV:
            return conv(parameters, stream, chunks)
        case Kernel.SCALED_CONV:
            return scaled_conv(parameters, stream, chunks)
        case Kernel.SCALED_ADD:
            return [scaled_rows(parameters, stream, (1, 1))]
        case Kernel.SCALED_SUBTRACT:
            return [scaled_rows(parameters, stream, (1, -1))]
        case Kernel.SCALED_REQUANTISE:
            return [scaled_rows(parameters, stream, (1,))]
        case Kernel.SCALED_MULTIPLY:
            return [scaled_multiply(parameters, stream)]
        case Kernel.ADD:
            return [add(parameters, stream)]
        case Kernel.SUBTRACT:
            return [subtract(parameters, stream)]
        case Kernel.MULTIPLY:
            return [multiply(parameters, stream)]
        case Kernel.LOOKUP:
            return [lookup(parameters, stream, chunks[0])]
        case Kernel.MATMUL:
            return [matmul(parameters, stream)]
        case Kernel.SCALED_MATMUL:
            return [scaled_matmul(parameters, stream)]
        case Kernel.MAXIMUM:
            return [extremum(parameters, stream, np.maximum)]
        case Kernel.MINIMUM:
            return [extremum(parameters, stream, np.minimum)]
        case Kernel.REQUANTISE:
            return [requantise_rows(parameters, stream)]
        case Kernel.MAX_POOL:
            return [max_pool(parameters, stream)]
        case Kernel.AVG_POOL:
            return [avg_pool(parameters, stream)]
