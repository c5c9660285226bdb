"""Sums times multipliers in 15-bit digits are the multipliers of `quantization.scaling`, to the bit, ties and all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from compiler.kernels.rescaling import LARGEST_SUM, Rescaling, RescalingError, edges_of, rescale, rescaling_words
from compiler.quantization.arithmetic import ROUNDINGS, Rounding, saturate_int8
from compiler.quantization.scaling import Multipliers, multipliers, scale_round

Ratios = npt.NDArray[np.float64]


@st.composite
def ratios(draw: st.DrawFn, channels: int) -> Ratios:
    """Of the channels of a layer: powers of two, some with few digits, or any; close or far apart."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    largest, apart = draw(st.floats(1.01, 22)), draw(st.sampled_from((0.0, 3.0, 12.0)))
    values = np.exp2(-largest - rng.uniform(0, apart, channels))
    digits = draw(st.sampled_from((1, 4, 24)))
    mantissas, exponents = np.frexp(values)
    kept = np.maximum(np.floor(np.ldexp(mantissas, digits)), 2 ** (digits - 1))
    return np.ldexp(kept, exponents - digits)


def at_ties(by: Ratios, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Sums that round to int8, beside ties and on them."""
    halves = rng.integers(-280, 280, (count, by.size)) / 2
    return np.round(halves / by).astype(np.int64) + rng.integers(-1, 2, (count, by.size))


def rescaled(
    rescaling: Rescaling, sums: npt.NDArray[np.int64], zero: int, clamp: tuple[int, int]
) -> npt.NDArray[np.int8]:
    """Sums [n][channels], of which the bias is no part yet."""
    count, channels = sums.shape
    blocks = -(-channels // 8)
    words = rescaling.words(slice(0, channels), np.zeros((0, channels), np.int32)).reshape(blocks, -1)
    padded = np.zeros((count, 8 * blocks), np.int64)
    padded[:, :channels] = sums + rescaling.bias
    shaped = padded.reshape(count, blocks, 8).transpose(1, 0, 2)
    found = rescale(shaped, words, rescaling.shift, zero, clamp)
    return found.transpose(1, 0, 2).reshape(count, -1)[:, :channels]


@given(data=st.data(), channels=st.integers(1, 17), rounding=st.sampled_from(ROUNDINGS), zero=st.integers(-128, 127))
def test_every_sum_becomes_what_its_multiplier_says(
    data: st.DataObject, channels: int, rounding: Rounding, zero: int
) -> None:
    scales = data.draw(ratios(channels))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    magnitudes = rng.integers(0, 2 ** rng.integers(1, 21, channels)) * (rng.random(channels) < 0.9)
    bias = rng.integers(-(2**18), 2**18, channels).astype(np.int32)
    clamp = data.draw(st.sampled_from([(-128, 127), (-5, 90)]))
    by = multipliers(scales, 1.0)
    try:
        rescaling = Rescaling.of(by, bias, magnitudes, rounding)
    except RescalingError as error:
        event(str(error)[:30])
        return
    limits = 128 * magnitudes
    products = np.clip(at_ties(scales, 300, rng) - bias, -limits, limits)
    products[::3] = rng.integers(-limits, limits + 1, (100, channels))
    expected = saturate_int8(zero + scale_round(products + bias, by, rounding), clamp)
    np.testing.assert_array_equal(rescaled(rescaling, products, zero, clamp), expected)


def test_ties_are_among_them() -> None:
    """With a multiplier of few digits half to even and half up differ."""
    by = multipliers(np.array([0.75 * 2.0**-8]), 1.0)
    sums = np.arange(-30000, 30000)[:, None]
    results: list[npt.NDArray[np.int8]] = []
    for rounding in ROUNDINGS:
        rescaling = Rescaling.of(by, np.zeros(1, np.int32), np.array([300]), rounding)
        results.append(rescaled(rescaling, sums, 3, (-128, 127)))
        expected = saturate_int8(3 + scale_round(sums, by, rounding), (-128, 127))
        np.testing.assert_array_equal(results[-1], expected)
    assert (results[0] != results[1]).sum() > 20


@pytest.mark.parametrize(
    ("scales", "magnitude", "says"),
    [
        ([0.5], 9, "a sum is multiplied by 0.5, and a core multiplies by less than 1/2"),
        ([0.001], LARGEST_SUM // 128 + 1, f"a sum may reach {128 * (LARGEST_SUM // 128 + 1)}, and a core rescales"),
        ([0.3, 0.3 * 2.0**-16], 2**20, r"lie 2\^16 apart, and a core rescales channels that lie up to 2\^14 apart"),
    ],
)
def test_what_does_not_fit_is_refused(scales: list[float], magnitude: int, says: str) -> None:
    by = multipliers(np.array(scales), 1.0)
    count = len(scales)
    with pytest.raises(RescalingError, match=says):
        Rescaling.of(by, np.zeros(count, np.int32), np.full(count, magnitude), "half_even")


def test_channels_far_apart_fit_if_their_multipliers_have_few_digits() -> None:
    by = multipliers(np.array([0.3, 2.0**-17]), 1.0)
    assert Rescaling.of(by, np.zeros(2, np.int32), np.full(2, 2**20), "half_even").shift == 1


def test_a_channel_without_weights_does_not_decide_the_shift() -> None:
    """Quantisers give it the scale 1, whatever the others have."""
    by = multipliers(np.array([1.0, 0.001]), 1.0)
    rescaling = Rescaling.of(by, np.array([-37, 0], np.int32), np.array([0, 1000]), "half_even")
    assert rescaling.shift == int(by.shifts[1]) - 31
    assert rescaled(rescaling, np.array([[0, 2400]]), 5, (-128, 127)).tolist() == [[-32, 7]]


def test_padded_channels_and_edges_have_their_words() -> None:
    by = Multipliers(np.full(9, 1 << 30), np.full(9, 40))
    rescaling = Rescaling.of(by, np.zeros(9, np.int32), np.full(9, 50_000), "half_even")
    edges = np.arange(27, dtype=np.int32).reshape(3, 9)
    words = rescaling.words(slice(0, 9), edges).reshape(2, -1)
    assert words.shape == (2, rescaling_words(3))
    np.testing.assert_array_equal(edges_of(words).reshape(3, 16)[:, :9], edges)
    assert not edges_of(words).reshape(3, 16)[:, 9:].any()
    later = rescaling.words(slice(8, 9), edges)
    np.testing.assert_array_equal(later, words[1])
