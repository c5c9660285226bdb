"""Moves say where each word goes, trips are the same words within the limits of a shim's descriptor."""

from __future__ import annotations

from math import prod
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.hardware.chip import chip_named
from compiler.transfers.moves import Axis, Move, moves_of
from compiler.transfers.trips import LARGEST_SIZE, LARGEST_STRIDE, rounds_of, trips_of

CHIP = chip_named("npu1")


def found(places: np.ndarray, limit: int = 1 << 20) -> tuple[Move, ...]:
    """The moves of one source."""
    flat = places.reshape(-1).astype(np.int64)
    moves = moves_of(np.zeros_like(flat), flat, limit)
    assert moves is not None
    return moves


def result_of(moves: tuple[Move, ...], words: int) -> list[int]:
    """Which word each word of the result is; every one is written once."""
    result = np.full(words, -1)
    for move in moves:
        assert (result[move.written()] == -1).all()
        result[move.written()] = move.read()
    return result.tolist()


@given(st.lists(st.integers(0, 7), min_size=1, max_size=40))
def test_any_places_are_moves(places: list[int]) -> None:
    assert result_of(found(np.array(places)), len(places)) == places


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_what_is_regular_is_one_move(shape: list[int], random: Random) -> None:
    order = random.sample(range(len(shape)), len(shape))
    places = np.arange(prod(shape)).reshape(shape).transpose(order)[..., :: random.choice((1, 2))]
    assert len(found(places)) == 1


def test_runs_that_go_on_over_the_end_of_a_row_are_one_move() -> None:
    """Words 6 to 9 lie evenly apart, and are of two rows."""
    assert len(found(np.arange(16).reshape(2, 2, 2, 2).transpose(0, 2, 1, 3))) == 1


def test_two_sources_are_never_one_move() -> None:
    moves = moves_of(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]), 2)
    assert moves == (Move(0, 0, 0, (Axis(2, 1, 1),)), Move(1, 2, 2, (Axis(2, 1, 1),)))
    assert moves_of(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]), 1) is None


def axes() -> st.SearchStrategy[tuple[Axis, ...]]:
    """Axes whose words do not meet where they are written; some are longer or wider than descriptors hold."""
    sizes = st.lists(st.sampled_from((1, 2, 3, 5, LARGEST_SIZE + 2)), min_size=0, max_size=5)
    strides = st.sampled_from((-3, -1, 0, 1, 2, 7, LARGEST_STRIDE + 1))
    return sizes.filter(lambda each: prod(each) < 1 << 14).flatmap(
        lambda each: st.tuples(*(strides for _ in each)).map(
            lambda reads: tuple(
                Axis(size, read, prod(each[at + 1 :])) for at, (size, read) in enumerate(zip(each, reads))
            )
        )
    )


@given(axes(), st.integers(1, 3000))
def test_trips_are_the_move_within_the_limits(axes: tuple[Axis, ...], words: int) -> None:
    move = Move(0, 1 << 30, 5, axes)
    expected = dict(zip(move.written().tolist(), move.read().tolist(), strict=True))
    for trips in (trips_of(move), [trip for trips in rounds_of([move], CHIP, words) for trip in trips]):
        written: dict[int, int] = {}
        for trip in trips:
            read, targets = trip.source(0, 0), trip.targets(0, 0)
            assert trip.copies == 1 + len(targets)
            for window in (read, *targets):
                assert len(window.sizes) <= 3
                assert max(window.sizes[1:], default=0) <= LARGEST_SIZE
                assert all(1 <= stride <= LARGEST_STRIDE for stride in window.strides)
            for target in targets:
                here = target.word_indices().tolist()
                assert not written.keys() & set(here)
                written |= dict(zip(here, read.word_indices().tolist(), strict=True))
        assert written == expected


@given(axes(), st.integers(1, 3000))
def test_rounds_hold_what_a_memtile_has_room_for(axes: tuple[Axis, ...], words: int) -> None:
    for trips in rounds_of([Move(0, 0, 0, axes)], CHIP, words):
        assert 1 <= len(trips) <= CHIP.columns
        assert all(trip.move.words <= words for trip in trips)


@pytest.mark.parametrize(("elements", "columns"), [(100, 1), (1 << 16, 4)])
def test_columns_share_what_is_worth_it(elements: int, columns: int) -> None:
    (trips,) = rounds_of(found(np.arange(elements)), CHIP, 1 << 16)
    assert len(trips) == columns
