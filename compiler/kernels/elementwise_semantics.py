"""
What the kernels compute that see each value once: sums, differences, products, extrema, and copies to another scale.

As in `compiler.kernels.semantics`, these are the definitions that the MLIR bodies are tested against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from compiler.kernels.call import Call, Words, requantise, rows_of, store
from compiler.kernels.parameters import FACTOR_DIGIT_BITS, LARGEST_WEIGHT_SHIFT, LOOKUP_WORDS, Parameter
from compiler.kernels.rescaling import rescale, uniform_words
from compiler.quantization.scaling import round_shifts

P = Parameter


def add(params: Words, arena: Words, call: Call) -> None:
    """(a << SHIFT_A) + (b << SHIFT_B), requantised; the two taps are the rows of a and b."""
    a, b = rows_of(params, arena, call).astype(np.int64)
    store(arena, call, requantise(params, (a << int(params[P.SHIFT_A])) + (b << int(params[P.SHIFT_B]))))


def subtract(params: Words, arena: Words, call: Call) -> None:
    """(a << SHIFT_A) - (b << SHIFT_B), requantised."""
    a, b = rows_of(params, arena, call).astype(np.int64)
    store(arena, call, requantise(params, (a << int(params[P.SHIFT_A])) - (b << int(params[P.SHIFT_B]))))


def multiply(params: Words, arena: Words, call: Call) -> None:
    """(a << SHIFT_A) · (b << SHIFT_B), requantised; each factor fits 16 bits."""
    left, right = int(params[P.SHIFT_A]), int(params[P.SHIFT_B])
    assert max(left, right) <= LARGEST_WEIGHT_SHIFT, (
        f"a product shifts its operands by {left} and {right}, by at most {LARGEST_WEIGHT_SHIFT} each"
    )
    a, b = rows_of(params, arena, call).astype(np.int64)
    store(arena, call, requantise(params, (a << left) * (b << right)))


def scaled_multiply(params: Words, arena: Words, call: Call) -> None:
    """(a - ZERO_A) · (b - ZERO_B) times the multiplier, as `compiler.kernels.rescaling` defines it."""
    a, b = rows_of(params, arena, call).astype(np.int64)
    store_rescaled(params, arena, call, (a - int(params[P.ZERO_A])) * (b - int(params[P.ZERO_B])))


def store_rescaled(params: Words, arena: Words, call: Call, sums: npt.NDArray[np.int64]) -> None:
    """Write sums [block][pixel][8] times the one multiplier of all channels."""
    words = uniform_words(int(params[P.FACTOR_A]), int(params[P.FACTOR_B]), int(params[P.TIE_MASK]))
    clamp = max(-128, int(params[P.CLAMP_LOW])), min(127, int(params[P.CLAMP_HIGH]))
    each = np.tile(words, (call.blocks, 1))
    store(arena, call, rescale(sums, each, int(params[P.SHIFT]), int(params[P.ZERO]), clamp))


def lookup(params: Words, arena: Words, call: Call) -> None:
    """The lowest byte of the word that a table has for each byte of a row."""
    (row,) = rows_of(params, arena, call)
    table = arena[call.weights : call.weights + LOOKUP_WORDS]
    store(arena, call, table[row.view(np.uint8)].astype(np.int8))


def maximum(params: Words, arena: Words, call: Call) -> None:
    """The larger of a and b."""
    _extremum(params, arena, call, np.maximum)


def minimum(params: Words, arena: Words, call: Call) -> None:
    """The smaller of a and b."""
    _extremum(params, arena, call, np.minimum)


def _extremum(params: Words, arena: Words, call: Call, chosen: np.ufunc) -> None:
    low, high = max(-128, int(params[P.CLAMP_LOW])), min(127, int(params[P.CLAMP_HIGH]))
    store(arena, call, np.clip(chosen(*rows_of(params, arena, call)), low, high).astype(np.int8))


_LEFT, _RIGHT = (P.FACTOR_A, P.ZERO_A, 1), (P.FACTOR_B, P.ZERO_B, 1)
_LESS_RIGHT = (P.FACTOR_B, P.ZERO_B, -1)


def _scaled_rows(params: Words, arena: Words, call: Call, operands: Sequence[tuple[Parameter, Parameter, int]]) -> None:
    """Σ ±(row - zero) · factor, rounded and moved by the result's zero-point."""
    rows = rows_of(params, arena, call).astype(np.int64)
    total = sum(
        sign * (row - int(params[zero])) * int(params[factor])
        for row, (factor, zero, sign) in zip(rows, operands, strict=True)
    )
    shift = np.array(int(params[P.SHIFT]) + FACTOR_DIGIT_BITS)
    rounded = round_shifts(np.asarray(total), shift, "half_up" if params[P.ROUNDING] else "half_even")
    low, high = max(-128, int(params[P.CLAMP_LOW])), min(127, int(params[P.CLAMP_HIGH]))
    store(arena, call, np.clip(rounded + int(params[P.ZERO]), low, high).astype(np.int8))


def scaled_add(params: Words, arena: Words, call: Call) -> None:
    """(a - ZERO_A) · FACTOR_A + (b - ZERO_B) · FACTOR_B, rounded once, at the result's zero-point."""
    _scaled_rows(params, arena, call, (_LEFT, _RIGHT))


def scaled_subtract(params: Words, arena: Words, call: Call) -> None:
    """(a - ZERO_A) · FACTOR_A - (b - ZERO_B) · FACTOR_B, rounded once, at the result's zero-point."""
    _scaled_rows(params, arena, call, (_LEFT, _LESS_RIGHT))


def scaled_requantise(params: Words, arena: Words, call: Call) -> None:
    """(a - ZERO_A) · FACTOR_A, rounded, at the result's zero-point."""
    _scaled_rows(params, arena, call, (_LEFT,))


def requantise_row(params: Words, arena: Words, call: Call) -> None:
    """(a << SHIFT_A), requantised: moves a tensor to another fixed-point position, or just copies it."""
    (a,) = rows_of(params, arena, call).astype(np.int64)
    store(arena, call, requantise(params, a << int(params[P.SHIFT_A])))
