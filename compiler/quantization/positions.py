"""
From values to binary positions: real = q · 2^(−position), q in −128 … 127.

NonOverflow is the finest position at which nothing observed saturates: with s = max(minimum / −128.5, maximum / 127.5),
position = floor(log2(1 / s)). The half comes from rounding: 127.5 is the first value that would become 128.
MinMSE starts there and tries up to four finer positions, which saturate outliers; it takes the one with the least mean
squared error, the coarsest of equals.
Percentile is NonOverflow of the range that holds `PERCENTILE` % of what was observed, so that a few outliers saturate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Method: TypeAlias = Literal["nonoverflow", "min_mse", "percentile"]
METHODS: tuple[Method, ...] = get_args(Method)

LIMITS = (-16, 30)
"""Positions beyond stand for values so large or small that int32 accumulators could not hold products of them."""

PERCENTILE = 99.99
"""Share of the values that must not saturate; the usual choice of quantisers (assumed, not tuned here)."""

_FINER_TRIALS = 4
_SAMPLE_ELEMENTS = 1 << 16


@dataclass(frozen=True)
class Observation:
    """What is known of the values of a tensor: their range, and some of them for MinMSE."""

    minimum: float
    maximum: float
    sample: npt.NDArray[np.float32]

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Observation:
        """Range of an array, with an evenly spaced sample of it."""
        flat = values.reshape(-1)
        sample = flat[:: max(1, flat.size // _SAMPLE_ELEMENTS)].astype(np.float32)
        return cls(float(flat.min(initial=0)), float(flat.max(initial=0)), sample)

    def __or__(self, other: Observation) -> Observation:
        """Both observations together."""
        sample = np.concatenate([self.sample, other.sample])
        sample = sample[:: -(-sample.size // _SAMPLE_ELEMENTS)] if sample.size else sample
        return Observation(min(self.minimum, other.minimum), max(self.maximum, other.maximum), sample)


def nonoverflow_position(minimum: float, maximum: float) -> int:
    """The finest position at which nothing in minimum … maximum saturates; 0 for a tensor of zeros."""
    scale = max(minimum / -128.5, maximum / 127.5)
    if scale <= 0:
        return 0
    position = math.floor(-math.log2(scale))
    while scale > 2.0**-position:  # the logarithm of a scale next to a power of two may round across it
        position -= 1
    return min(max(position, LIMITS[0]), LIMITS[1])


def choose_position(observation: Observation, method: Method) -> int:
    """The position for a tensor by one of the methods."""
    minimum, maximum = observation.minimum, observation.maximum
    if method == "percentile" and observation.sample.size:
        outside = (100 - PERCENTILE) / 2
        low, high = np.percentile(observation.sample, (outside, 100 - outside))
        minimum, maximum = max(minimum, float(low)), min(maximum, float(high))
        return nonoverflow_position(minimum, maximum)
    start = nonoverflow_position(minimum, maximum)
    if method == "nonoverflow" or observation.sample.size == 0:
        return start
    trials = range(start, min(start + _FINER_TRIALS, LIMITS[1]) + 1)
    return min(trials, key=lambda position: (_squared_error(observation.sample, position), position))


def quantize_array(values: npt.NDArray[np.floating[Any]], position: int) -> npt.NDArray[np.int8]:
    """Round half to even and saturate to int8; one number in all places stays one number in memory."""
    if values.size > 1 and not any(values.strides):
        return np.broadcast_to(quantize_array(values.reshape(-1)[:1], position), values.shape)
    scaled = values * 2.0**position
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -128, 127, out=scaled).astype(np.int8)


def quantize_bias(values: npt.NDArray[np.floating[Any]], position: int) -> npt.NDArray[np.int32]:
    """Round half to even to the int32 of an accumulator; `settle` has made sure that it fits."""
    return np.rint(values.astype(np.float64) * 2.0**position).astype(np.int32)


def signal_to_noise(sample: npt.NDArray[np.float32], position: int) -> float | None:
    """
    Decibels of the values against what int8 at `position` loses of them; None if nothing is lost.

    That is the tensor's own rounding and saturation, not what layers before it have lost already.
    """
    noise = _squared_error(sample, position) if sample.size else 0.0
    signal = float(np.mean(sample.astype(np.float64) ** 2)) if sample.size else 0.0
    return None if noise == 0 or signal == 0 else 10 * math.log10(signal / noise)


def _squared_error(sample: npt.NDArray[np.float32], position: int) -> float:
    wide = sample.astype(np.float64)
    return float(np.mean((quantize_array(wide, position) * 2.0**-position - wide) ** 2))
