"""
Sums times a multiplier for each channel, rounded to the bit, in 32-bit lanes and 16-bit products.

    y = clamp(zero + round(sum · m · 2^-s))        m of 31 bits, s of its own for each channel

A core shifts all lanes by one amount, so the layer has one shift S, the smallest s, and a channel's m moves left by
what is left of DISTANCE: n = m · 2^(DISTANCE - (s - S)), three digits of 15 bits. A sum is two, balanced ones. With
both,

    h = floor(sum · n · 2^-45)        y = zero + round(h · 2^-(S - 31))

h comes from seven products of digits and a carry between them, and rounding half up is exact, because what the floor
drops lies below the half that is added: S is 32 or more. Half to even takes h - 1 where a tie may be, as everywhere
(`bodies.vector_unit`). m is odd times a power of two, so that is where the sum is a multiple of 2^(s - 1 - v) with v
the twos in m: all of the sum's low digits under a mask are 0. Half up has a mask under which only 0 is 0, and 0 is no
tie.

Two kinds of channels do not decide S. One whose products stay below a half has n = 0. One without weights has a sum
that is known, and gets another one that rounds to the same. What does not fit is refused with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.quantization.arithmetic import Rounding
from compiler.quantization.scaling import MULTIPLIER_BITS, Multipliers, scale_round

DIGIT_BITS = 15
DIGITS = 3
DISTANCE = DIGITS * DIGIT_BITS - MULTIPLIER_BITS
"""Binary places by which the shifts of a layer's channels may differ."""
LARGEST_SUM = (1 << 29) - 1
"""Two products and a carry then stay below 2^31."""
LEAST_SHIFT = 32
"""A ratio of scales is below 1/2."""
LARGEST_SHIFT_BESIDE_CONSTANTS = 50
"""256 · 2^(S - 30) is a sum that fits."""

HEAD_WORDS = 24
"""Of an output block: DIGITS and two masks as 16-bit lanes of 8 channels, and up to a multiple of 8 words."""
DIGIT_WORDS = 4
"""8 channels of 16 bits."""
EDGE_WORDS = 8
"""Of an output block and a vertical tap: what a row of zero-points adds there, int32."""

Sums = npt.NDArray[np.int64]


class RescalingError(ValueError):
    """Why a core cannot rescale a layer's sums; a sentence about its scales."""


@dataclass(frozen=True, eq=False)
class Rescaling:
    """How the sums of a layer's channels become int8."""

    shift: int
    """S - 31: of h."""
    factors: npt.NDArray[np.int64]
    """n of each channel."""
    masks: npt.NDArray[np.int64]
    """Bits of a sum that are 0 where it may be a tie."""
    bias: npt.NDArray[np.int32]
    """Instead of the layer's, for channels without weights."""

    @classmethod
    def of(
        cls, by: Multipliers, bias: npt.NDArray[np.int32], magnitudes: npt.NDArray[np.int64], rounding: Rounding
    ) -> Rescaling:
        """
        Of channels with `magnitudes`, the sums of their weights' absolute values.

        Raises RescalingError if a sum may exceed LARGEST_SUM, a ratio of scales is 1/2 or more, or shifts lie too far
        apart.
        """
        factors, shifts = by.factors, by.shifts
        largest = 128 * magnitudes + np.abs(bias.astype(np.int64))
        if largest.max(initial=0) > LARGEST_SUM:
            raise RescalingError(f"a sum may reach {int(largest.max())}, and a core rescales sums up to {LARGEST_SUM}")
        constant = magnitudes == 0
        # a product of two integers below 2^62: the shift is 62 at most
        vanishing = largest * factors < np.int64(1) << np.maximum(shifts - 1, 0)
        deciding = ~constant & ~vanishing
        least = int(shifts[deciding].min(initial=62)) if deciding.any() else LEAST_SHIFT
        _verify_shifts(factors[deciding], shifts[deciding], least)
        moved = np.clip(DISTANCE - (shifts - least), -MULTIPLIER_BITS, DISTANCE)
        up, down = np.maximum(moved, 0), np.maximum(-moved, 0)
        numbers = np.where(vanishing | constant, 0, (factors << up) >> down)
        ties = np.minimum(shifts - 1 - _twos(factors), 31)
        never = vanishing | constant | (ties > 30) if rounding == "half_even" else np.ones(len(factors), np.bool_)
        masks = np.where(never, (1 << 30) - 1, (np.int64(1) << np.clip(ties, 0, 30)) - 1)
        biases = bias.astype(np.int64)
        if (known := constant & ~vanishing).any():
            if least > LARGEST_SHIFT_BESIDE_CONSTANTS:
                raise RescalingError(
                    f"a channel without weights has a scale of its own, and the others shift by {least} places, up to "
                    f"{LARGEST_SHIFT_BESIDE_CONSTANTS} of which leave room for its sum"
                )
            result = np.clip(scale_round(biases, by, rounding), -256, 256)
            biases = np.where(known, result << (least - 30), biases)
            numbers = np.where(known, 1 << (DIGITS * DIGIT_BITS - 1), numbers)
        return cls(least - MULTIPLIER_BITS, numbers, masks, biases.astype(np.int32))

    @classmethod
    def of_products(cls, by: Multipliers, rounding: Rounding, terms: int = 1) -> Rescaling:
        """
        Of sums of so many products of two int8 less zero-points.

        Raises RescalingError if a sum may exceed LARGEST_SUM or the ratio of scales is 1/2 or more.
        """
        largest = np.array([-(-(255 * 255 * terms) // 128)], np.int64)
        return cls.of(by.reshaped(1), np.zeros(1, np.int32), largest, rounding)

    @property
    def digits(self) -> tuple[int, int]:
        """Of the first channel: the lower two digits as one number, and the highest one."""
        return int(self.factors[0]) & ((1 << 2 * DIGIT_BITS) - 1), int(self.factors[0]) >> 2 * DIGIT_BITS

    def words(self, channels: slice, edges: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """The words of the output blocks of `channels`; `edges` int32[taps, channels of the layer], maybe no taps."""
        count = -(-(channels.stop - channels.start) // 8)
        padded = np.zeros((5, count * 8), np.int64)
        mine = self.factors[channels]
        low = (1 << DIGIT_BITS) - 1
        for digit in range(DIGITS):
            padded[digit, : mine.size] = mine >> (digit * DIGIT_BITS) & low
        padded[3:] = low
        padded[3, : mine.size] = self.masks[channels] & low
        padded[4, : mine.size] = self.masks[channels] >> DIGIT_BITS
        lanes = padded.astype(np.int16).reshape(5, count, 8).transpose(1, 0, 2)
        words = np.zeros((count, rescaling_words(len(edges))), np.int32)
        words[:, : 5 * DIGIT_WORDS] = np.ascontiguousarray(lanes).view(np.int32).reshape(count, -1)
        around = np.zeros((len(edges), count * 8), np.int32)
        around[:, : mine.size] = edges[:, channels]
        words[:, HEAD_WORDS:] = around.reshape(len(edges), count, 8).transpose(1, 0, 2).reshape(count, -1)
        return words.reshape(-1)


def rescaling_words(edge_taps: int) -> int:
    """Words for each output block: of a layer that sees zero-points above and below, a row for each tap."""
    return HEAD_WORDS + EDGE_WORDS * edge_taps


def uniform_words(low: int, high: int, mask: int) -> npt.NDArray[np.int32]:
    """The words of a block whose channels share the multiplier low + high · 2^(2 · DIGIT_BITS) and the mask."""
    digit = (1 << DIGIT_BITS) - 1
    numbers = (low & digit, low >> DIGIT_BITS, high, mask & digit, mask >> DIGIT_BITS)
    words = np.zeros(HEAD_WORDS, np.int32)
    words[: 5 * DIGIT_WORDS] = np.repeat(np.array(numbers, np.int16), 8).view(np.int32)
    return words


def edges_of(words: npt.NDArray[np.int32]) -> Sums:
    """What each vertical tap adds that is off the map, [taps][blocks][8], from words [blocks][words of a block]."""
    return words[:, HEAD_WORDS:].reshape(len(words), -1, 8).transpose(1, 0, 2).astype(np.int64)


def rescale(
    sums: Sums, words: npt.NDArray[np.int32], shift: int, zero: int, clamp: tuple[int, int]
) -> npt.NDArray[np.int8]:
    """What the words [blocks][words of a block] make of sums [blocks][pixels][8]."""
    lanes = words[:, : 5 * DIGIT_WORDS].copy().view(np.int16).reshape(len(words), 5, 1, 8).astype(np.int64)
    lowest, middle, highest, *masks = lanes.transpose(1, 0, 2, 3)
    partial = sums * (highest << DIGIT_BITS | middle) + (sums * lowest >> DIGIT_BITS)
    high = partial >> 2 * DIGIT_BITS
    mask = masks[1] << DIGIT_BITS | masks[0]
    half = 1 << (shift - 1)
    above, below = (high + half) >> shift, (high - ((sums & mask) == 0) + half) >> shift
    return np.clip(np.maximum(above & ~1, below) + zero, *clamp).astype(np.int8)


def set_sides(row: npt.NDArray[np.int8], sides: tuple[int, int], zero: int) -> None:
    """
    Put a zero-point into so many columns at the left and the right of a row [part][block][place][8].

    Column c is at place c // parts of part c % parts, since strides keep the columns together that they see together.
    """
    parts, _, places, _ = row.shape
    width = parts * places
    columns = np.array([*range(sides[0]), *range(width - sides[1], width)])
    row[columns % parts, :, columns // parts] = zero


def _twos(factors: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How often 2 divides each."""
    lowest = factors & -factors
    return np.array([int(bit).bit_length() - 1 for bit in lowest], np.int64)


def _verify_shifts(factors: npt.NDArray[np.int64], shifts: npt.NDArray[np.int64], least: int) -> None:
    """Every channel's multiplier has its places."""
    if least < LEAST_SHIFT:
        ratio = float(np.max(factors / np.exp2(shifts)))
        raise RescalingError(f"a sum is multiplied by {ratio:g}, and a core multiplies by less than 1/2")
    lost = np.maximum(shifts - least - DISTANCE, 0)
    if (factors & ((np.int64(1) << np.minimum(lost, MULTIPLIER_BITS)) - 1)).any():
        raise RescalingError(
            f"the scales of its channels lie 2^{int((shifts - least).max())} apart, and a core rescales channels that "
            f"lie up to 2^{DISTANCE} apart"
        )
