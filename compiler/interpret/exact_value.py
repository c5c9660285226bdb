"""
One value of the reference between Dequantize and QuantizeLinear: integers that stand for exact real numbers.

    real = integers * scale / divisor (+ another such value, which an Add leaves), then held between two bounds,
           or a rival, such a value too, if that is larger (a Max leaves it) or smaller (a Min)

Only `quantised` rounds, once: by a shift if the ratio of the scales is a power of two, by multiplier and shift if not
(`compiler.quantization.scaling`). `compiler.interpret.exact` has the operators on such values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from compiler.quantization.arithmetic import Rounding, average, requantise, saturate_int8
from compiler.quantization.scaling import (
    MEAN_SHIFT,
    integer_bounds,
    multiplier,
    multipliers,
    round_shifts,
    scale_mean,
    scale_round,
    sum_multipliers,
)
from dialects.onnx import OnnxOp

Integers: TypeAlias = npt.NDArray[np.signedinteger[Any]]
Scales: TypeAlias = npt.NDArray[np.float64]
WIDEST_ALIGNMENT = 30
"""Positions further apart than this could leave 64 bits when one value is brought to the other's."""


@dataclass(frozen=True)
class Exact:
    """A tensor of exact real values; scale and divisor are positive and broadcast to the integers."""

    integers: Integers
    scale: Scales
    divisor: Integers | None = None
    addend: Exact | None = None
    bounds: tuple[float, float] = (-np.inf, np.inf)
    rival: Rival | None = None

    @property
    def is_single(self) -> bool:
        """Whether no other value takes part in it."""
        return self.addend is None and self.rival is None

    @property
    def is_plain(self) -> bool:
        """Whether it is integers times a scale and nothing else."""
        return self.is_single and self.divisor is None and self.bounds == (-np.inf, np.inf)

    def real(self) -> npt.NDArray[np.float32]:
        """The values in floating point; exact up to 24 significant bits where scales are powers of two."""
        mine = np.clip(self._wide(), *self.bounds).astype(np.float32)
        return mine if self.rival is None else self.rival.chosen(mine, self.rival.value.real())

    def _wide(self) -> npt.NDArray[np.float64]:
        values = self.integers.astype(np.float64) * self.scale
        values = values if self.divisor is None else values / self.divisor
        return values if self.addend is None else values + self.addend._wide()

    def quantised(self, scale: float, zero_point: int, rounding: Rounding) -> npt.NDArray[np.int8]:
        """Rounded to int8 of this scale and zero-point. Rounding keeps order, so a rival is compared when rounded."""
        if self.rival is not None:
            mine = replace(self, rival=None).quantised(scale, zero_point, rounding)
            return self.rival.chosen(mine, self.rival.value.quantised(scale, zero_point, rounding))
        clamp = integer_bounds(self.bounds, scale, zero_point, rounding)
        shift = binary_places(scale, self.scale) if zero_point == 0 and self.addend is None else None
        if shift is None:
            return saturate_int8(zero_point + self._scaled(scale, rounding), clamp)
        if self.divisor is None:
            return requantise(self.integers, shift, rounding, clamp)
        return average(self.integers, self.divisor, shift, rounding, clamp)

    def _scaled(self, scale: float, rounding: Rounding) -> npt.NDArray[np.int64]:
        """Rounded by multiplier and shift. Raises ScaleError if the scales lie too far apart."""
        if self.addend is not None:
            (left, right), shift = sum_multipliers((self.scale.item(), self.addend.scale.item()), scale)
            total = self.integers.astype(np.int64) * left + self.addend.integers.astype(np.int64) * right
            return round_shifts(total, np.array(shift), rounding)
        if self.divisor is not None:
            ratio = multiplier(Fraction(self.scale.item()) / Fraction(scale), MEAN_SHIFT)
            return scale_mean(self.integers, self.divisor, ratio, rounding)
        return scale_round(self.integers, multipliers(self.scale, scale), rounding)


@dataclass(frozen=True)
class Rival:
    """Another value of which the larger or the smaller one counts."""

    value: Exact
    largest: bool

    @property
    def chosen(self) -> np.ufunc:
        """What takes one of two."""
        return np.maximum if self.largest else np.minimum


Operator: TypeAlias = Callable[[OnnxOp, "Sequence[Exact | None]"], "Exact | None"]
"""An operator on the values of its operands."""


def binary_places(scale: float, finer: Scales) -> int | None:
    """By how many binary places one scale, the same for all elements, is finer than another; None if it is not."""
    if finer.size != 1:
        return None
    mantissa, exponent = math.frexp(scale / finer.item())
    exact = math.ldexp(finer.item(), exponent - 1) == scale
    return exponent - 1 if mantissa == 0.5 and exact else None


def plain(value: Exact | None) -> Exact | None:
    """The value as integers times a scale, its bounds taken where they are such integers; None if they are not."""
    if value is None or value.is_plain or not value.is_single or value.divisor is not None:
        return value if value is not None and value.is_plain else None
    scale = np.asarray(value.scale)
    finest = scale
    for bound in value.bounds:
        if np.isfinite(bound) and bound != 0:
            if scale.size != 1 or math.frexp(scale.item())[0] != 0.5:
                return None
            finest = np.minimum(finest, 1.0 / bound.as_integer_ratio()[1])
    places = binary_places(scale.item(), finest) if scale.size == 1 else 0
    if places is None or places > WIDEST_ALIGNMENT:
        return None
    integers = value.integers.astype(np.int64) << places
    low, high = value.bounds
    if np.isfinite(low):
        integers = np.maximum(integers, int(low / finest.item()) if low else 0)
    if np.isfinite(high):
        integers = np.minimum(integers, int(high / finest.item()) if high else 0)
    return Exact(integers, finest)
