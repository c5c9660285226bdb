"""Windows are what `word_indices` says; everything else is arithmetic on it, checked against it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.hardware.chip import chip_named
from compiler.transfers.layout import pack_map, unpack_map
from compiler.transfers.window import PADDING, Window, window_faults

CHIP = chip_named("npu1")


def test_one_dimension_may_leave_words_out() -> None:
    assert Window(0, 3, (6,), (1,)).is_run
    assert not Window(0, 3, (6,), (10,)).is_run
    assert Window(0, 3, (3, 2), (20, 10)).merged(9).sizes == (6,)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Dimensions that often lie behind each other without a gap, so that they merge."""
    sizes: list[int] = []
    strides: list[int] = []
    pads: list[tuple[int, int]] = []
    stride = draw(st.integers(1, 3))
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.integers(1, 6))
        sizes.insert(0, size)
        strides.insert(0, stride)
        pads.insert(0, draw(st.sampled_from([(0, 0)] * 4 + [(1, 0), (2, 1)])))
        stride = stride * size + draw(st.sampled_from((0, 0, 0, 1, 5)))
    padding = tuple(pads) if any(pad != (0, 0) for pad in pads) else ()
    wrap = draw(st.integers(1, 3))
    return Window(0, draw(st.integers(0, 9)), tuple(sizes), tuple(strides), padding, wrap, 7 if wrap > 1 else 0)


@given(window=windows(), limit=st.integers(1, 40), run=st.integers(0, 4))
def test_merging_keeps_the_words(window: Window, limit: int, run: int) -> None:
    merged = window.merged(limit)
    np.testing.assert_array_equal(merged.word_indices(run), window.word_indices(run))
    assert len(merged.sizes) <= len(window.sizes)
    assert (merged.words, merged.highest_word()) == (window.words, window.highest_word())


@given(window=windows())
def test_the_numbers_are_those_of_the_words(window: Window) -> None:
    runs = [window.word_indices(run) for run in range(window.wrap)]
    assert {run.size for run in runs} == {window.words}
    assert max(int(run.max()) for run in runs) == window.highest_word()
    np.testing.assert_array_equal(window.word_indices(window.wrap), runs[0])


def test_the_example_of_the_descriptor_that_pads() -> None:
    window = Window(0, 10, (2, 3), (8, 1), ((0, 0), (1, 2)))
    row = [PADDING, 10, 11, 12, PADDING, PADDING]
    assert window.word_indices().tolist() == row + [word + 8 if word != PADDING else word for word in row]


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_unpacking_is_the_inverse_of_packing(channels: int, height: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-128, 128, (channels, height, width)).astype(np.int8)
    words = pack_map(values)
    assert words.size == height * -(-channels // 8) * width * 2
    np.testing.assert_array_equal(unpack_map(words, channels, height, width), values)
    # channels that the last block lacks are zero
    everything = unpack_map(words, -(-channels // 8) * 8, height, width)
    assert not everything[channels:].any()


def test_a_map_lies_row_by_row_block_by_block() -> None:
    values = np.arange(16 * 2 * 3).reshape(16, 2, 3).astype(np.int8)
    memory = pack_map(values).view(np.int8).reshape(2, 2, 3, 8)
    for row, block, column, channel in np.ndindex(2, 2, 3, 8):
        assert memory[row, block, column, channel] == values[8 * block + channel, row, column]


LEGAL = Window(0, 64, (14, 8, 56, 2), (896, 112, 2, 1), ((0, 0), (0, 0), (1, 1), (0, 0)))


@pytest.mark.parametrize(
    ("window", "fault"),
    [
        (replace(LEGAL, sizes=(1, *LEGAL.sizes), strides=(1, *LEGAL.strides), padding=()), "5 dimensions"),
        (Window(0, 0, (2, 513), (513, 1)), "size 513 in dimension 1, the limit is 512"),
        (Window(0, 0, (2, 2), (0, 1)), "stride 0 in dimension 0"),
        (Window(0, 0, (1, 2), (131073, 1)), "stride 131073 in dimension 0, the range is 1 to 131072"),
        (Window(0, 0, (2, 2), (2, 1), ((0, 0), (32, 0))), "padding (32, 0) in dimension 1, the limit is 31"),
        (Window(0, 0, (513, 2), (2, 1), ((0, 0), (1, 0))), "size 513 in dimension 0, the limit is 512"),
        (Window(0, 0, (131072,), (1,)), "131072 words, the limit is 131071"),
        (Window(0, 0, (2,), (1,), (), 65, 2), "65 iterations, the limit is 64"),
        (Window(0, 0, (2,), (1,), (), 2, 0), "iteration step 0"),
        (Window(0, 131071, (2,), (1,)), "words 131071 to 131072, the MemTile has 131072"),
        (Window(0, -1, (2,), (1,)), "words -1 to 0"),
    ],
)
def test_what_a_descriptor_cannot_hold_is_said_with_both_numbers(window: Window, fault: str) -> None:
    assert any(fault in found for found in window_faults(window, CHIP)), window_faults(window, CHIP)


def test_what_it_can_hold_is_not_a_fault() -> None:
    assert window_faults(LEGAL, CHIP) == []
    # one dimension counts up to the length of a descriptor, and so does an outermost one
    assert window_faults(Window(0, 0, (131071,), (1,)), CHIP) == []
    assert window_faults(Window(0, 0, (600, 2), (2, 1)), CHIP) == []
