"""Positions are the NonOverflow formula, MinMSE is never worse, and what is settled fits every layer."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import InputError
from compiler.quantization.positions import (
    LIMITS,
    Observation,
    choose_position,
    nonoverflow_position,
    quantize_array,
    quantize_bias,
    signal_to_noise,
)
from compiler.quantization.settle import BIAS_BITS, Product, Sum, TensorProduct, settle

REALS = st.floats(-1e4, 1e4, width=32).filter(lambda value: value == 0 or abs(value) > 1e-4)
ARRAYS = st.lists(REALS, min_size=1, max_size=50).map(lambda values: np.array(values, np.float32))


@given(minimum=REALS.map(lambda value: -abs(value)), maximum=REALS.map(abs))
def test_position_is_the_nonoverflow_formula(minimum: float, maximum: float):
    position = nonoverflow_position(minimum, maximum)
    scale = max(Fraction(minimum) / Fraction(-257, 2), Fraction(maximum) / Fraction(255, 2))
    if scale == 0:
        assert position == 0
    elif LIMITS[0] < position < LIMITS[1]:
        assert scale <= Fraction(2) ** -position < 2 * scale  # position = floor(log2(1 / scale)), exactly


@given(values=ARRAYS)
def test_nothing_observed_saturates(values: np.ndarray):
    position = choose_position(Observation.of(values), "nonoverflow")
    unlimited = np.rint(values.astype(np.float64) * 2.0**position)
    # a half at the edge may round to 128 or -129: 127.5 itself belongs to the formula's range
    assert np.abs(quantize_array(values, position) - unlimited).max() <= 1


@given(values=ARRAYS)
def test_min_mse_is_never_worse(values: np.ndarray):
    observation = Observation.of(values)
    errors = {}
    for method in ("nonoverflow", "min_mse"):
        position = choose_position(observation, method)
        restored = quantize_array(values.astype(np.float64), position) * 2.0**-position
        errors[method] = np.mean((restored - values) ** 2)
    assert errors["min_mse"] <= errors["nonoverflow"]


def test_min_mse_saturates_a_lonely_outlier():
    values = np.concatenate([np.random.default_rng(0).standard_normal(40000), [9.0]]).astype(np.float32)
    observation = Observation.of(values)
    assert choose_position(observation, "nonoverflow") == 3
    assert choose_position(observation, "min_mse") == 4


def test_bias_rounds_half_to_even():
    assert quantize_bias(np.array([0.125, 0.375, -0.125], np.float32), 2).tolist() == [0, 2, 0]


@given(first=ARRAYS, second=ARRAYS)
def test_observations_join(first: np.ndarray, second: np.ndarray):
    joined = Observation.of(first) | Observation.of(second)
    both = Observation.of(np.concatenate([first, second]))
    assert (joined.minimum, joined.maximum) == (both.minimum, both.maximum)


def test_observing_many_samples_keeps_memory_bounded():
    one = Observation.of(np.ones(50_000, np.float32))
    joined = one
    for _ in range(20):
        joined |= one
    assert 30_000 < joined.sample.size <= 65_536


@st.composite
def networks(draw: st.DrawFn):
    """A chain of products with skip connections, under any positions."""
    count = draw(st.integers(1, 6))
    positions = st.integers(-10, 20)
    tensors = {index: draw(positions) for index in range(2 * count + 1)}
    weights = {index: draw(positions) for index in range(count)}
    products, sums, matrices = [], [], []
    for index in range(count):
        source, inner, result = 2 * index, 2 * index + 1, 2 * index + 2
        products.append(Product(f"conv{index}", source, index, inner, draw(st.sampled_from([0.0, 0.1, 3.0, 900.0]))))
        sums.append(Sum(f"add{index}", (inner, draw(st.integers(0, source))), result))
        if draw(st.booleans()):
            pair = draw(st.integers(0, inner)), draw(st.integers(0, inner))
            matrices.append(TensorProduct(f"matmul{index}", pair, result))
    return tensors, weights, products, sums, matrices


@given(network=networks())
def test_settled_positions_fit_and_are_never_finer(network: tuple):
    tensors, weights, products, sums, matrices = network
    try:
        settled = settle(tensors, weights, products, sums, matrices)
    except InputError:
        assert min(*weights.values(), *tensors.values()) < 0  # only values beyond 128 can be too large
        return
    for layer in products:
        accumulator = settled.tensors[layer.source] + settled.weights[layer.weights]
        assert 0 <= accumulator - settled.tensors[layer.result] <= 16
        assert layer.largest_bias * 2.0**accumulator <= 2**BIAS_BITS
    for layer in matrices:
        accumulator = sum(settled.tensors[source] for source in layer.sources)
        assert 0 <= accumulator - settled.tensors[layer.result] <= 16
    for layer in sums:
        read = [settled.tensors[source] for source in layer.sources]
        assert max(read) - min(read) <= 7
        assert settled.tensors[layer.result] - max(read) <= 7
    for asked, given_positions, reasons in (
        (tensors, settled.tensors, settled.tensor_reasons),
        (weights, settled.weights, settled.weight_reasons),
    ):
        for index, position in asked.items():
            assert given_positions[index] <= position
            assert (index in reasons) == (given_positions[index] < position)


def test_residual_chain_of_huge_weights_is_refused():
    products, sums = [Product("conv", 0, 0, 1, 0.0)], [Sum("add", (1, 0), 2)]
    with pytest.raises(InputError, match=r"no int8 positions fit this network: 'conv' would shift left.*scale them"):
        settle({0: 4, 1: 4, 2: 4}, {0: -9}, products, sums)


def test_what_fits_is_kept_and_what_does_not_says_why():
    settled = settle({0: 5, 1: 6, 2: 3}, {0: 7, 1: 20}, [Product("a", 0, 0, 1, 1.0), Product("b", 1, 1, 2, 0.0)], [])
    assert settled.tensors == {0: 5, 1: 6, 2: 3}
    assert settled.weights == {0: 7, 1: 13}
    assert settled.weight_reasons == {1: "20 -> 13: shift beyond 16"}
    assert settled.tensor_reasons == {}


@pytest.mark.parametrize("position", [-3, 0, 7])
def test_quantize_array_is_quantize_linear(position: int):
    values = (np.arange(-300, 300) * 2.0**-position / 2).astype(np.float32)
    expected = np.clip(np.rint(values / np.float32(2.0**-position)), -128, 127)
    np.testing.assert_array_equal(quantize_array(values, position), expected)


@given(st.floats(-300, 300, width=32), st.integers(-2, 6))
def test_one_number_in_all_places_is_quantised_like_many(number: float, position: int) -> None:
    repeated = np.broadcast_to(np.float32(number), (3, 5))
    found = quantize_array(repeated, position)
    np.testing.assert_array_equal(found, quantize_array(repeated.copy(), position))
    assert not any(found.strides), "and takes no more memory"


def test_percentile_lets_one_value_in_ten_thousand_saturate() -> None:
    values = np.concatenate([np.linspace(-1, 1, 50_000), [300.0]]).astype(np.float32)
    seen = Observation.of(values)
    assert choose_position(seen, "nonoverflow") == nonoverflow_position(-1, 300)
    assert choose_position(seen, "percentile") == nonoverflow_position(-1, 1)
    assert choose_position(Observation.of(values[:100]), "percentile") >= nonoverflow_position(-1, 1)


def test_signal_to_noise_gains_six_decibels_with_every_bit() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 50_000).astype(np.float32)
    coarse, fine = signal_to_noise(values, 5), signal_to_noise(values, 6)
    assert coarse is not None
    assert fine is not None
    # Uniform rounding noise is a twelfth of a squared step; 50 000 samples estimate its power to about one percent
    assert coarse == pytest.approx(10 * np.log10((1 / 3) / (2.0**-10 / 12)), abs=0.1)
    assert fine - coarse == pytest.approx(20 * np.log10(2), abs=0.1)
    assert signal_to_noise(np.array([0.5, -1], np.float32), 5) is None
