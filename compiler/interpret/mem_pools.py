"""Pools of the memory level: windows of cells that lie on the map, of the one pass over a core's input stream."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compiler.interpret.mem_parameters import Bytes, Parameters, clamp_of, rounding_of, rows_of, tap_rows
from compiler.quantization.arithmetic import average, saturate_int8


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
    rows = rows_of(parameters, stream)
    result = np.full((parameters["rows"], rows.shape[1], parameters["width"], 8), -128, np.int8)
    for tap in range(parameters["taps"]):
        outputs, inputs = tap_rows(parameters, tap)
        for _, to, columns in _cells(parameters):
            where = np.ix_(outputs, np.arange(rows.shape[1], dtype=np.int64), to)
            result[where] = np.maximum(result[where], rows[inputs][:, :, columns])
    return saturate_int8(result, clamp_of(parameters))


def avg_pool(parameters: Parameters, stream: Bytes) -> Bytes:
    """The mean of each window as an exact fraction; the divisor counts cells inside the counted rectangle."""
    rows = rows_of(parameters, stream).astype(np.int64)
    total = np.zeros((parameters["rows"], rows.shape[1], parameters["width"], 8), np.int64)
    for tap in range(parameters["taps"]):
        outputs, inputs = tap_rows(parameters, tap)
        for _, to, columns in _cells(parameters):
            total[np.ix_(outputs, np.arange(rows.shape[1], dtype=np.int64), to)] += rows[inputs][:, :, columns]
    y = parameters["row_origin"] + np.arange(parameters["rows"]) * parameters["row_stride"]
    x = parameters["column_origin"] + np.arange(parameters["width"]) * parameters["column_stride"]
    high = _counted(y, parameters["taps"], parameters["count_top"], parameters["count_bottom"])
    wide = _counted(x, parameters["kernel_width"], parameters["count_left"], parameters["count_right"])
    count = (high[:, None] * wide[None, :])[:, None, :, None]
    shift = parameters["denominator_shift"] - parameters["numerator_shift"]
    return average(total, count, shift, rounding_of(parameters), clamp_of(parameters))


def _counted(starts: npt.NDArray[np.int64], taps: int, first: int, last: int) -> npt.NDArray[np.int64]:
    """How many cells of the windows that begin at `starts` lie in [first, last)."""
    cells = starts[:, None] + np.arange(taps)
    return ((cells >= first) & (cells < last)).sum(axis=1)
