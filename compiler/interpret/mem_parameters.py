"""What all kernels of the memory level read from a launch's parameters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from compiler.kernels.parameters import Rounding
from compiler.quantization.arithmetic import Clamp
from compiler.quantization.arithmetic import Rounding as RoundingName

Parameters = Mapping[str, int]
Bytes = npt.NDArray[np.int8]


def rounding_of(parameters: Parameters) -> RoundingName:
    return "half_up" if parameters.get("rounding", 0) == Rounding.HALF_UP else "half_even"


def clamp_of(parameters: Parameters) -> Clamp:
    return parameters["clamp_low"], parameters["clamp_high"]


def tap_rows(parameters: Parameters, tap: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Output rows whose vertical tap lies on the map, and the stream rows under it."""
    outputs = np.arange(parameters["rows"])
    rows = parameters["row_origin"] + outputs * parameters["row_stride"] + tap * parameters["row_step"]
    inside = (rows >= 0) & (rows < parameters["stream_rows"])
    return outputs[inside], rows[inside]


def rows_of(parameters: Parameters, stream: Bytes) -> Bytes:
    """The one pass of a kernel without weights, [rows][block][column][8]."""
    return stream[0].reshape(stream.shape[1], -1, parameters["block_stride"] // 2, 8)
