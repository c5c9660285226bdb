"""Descriptors survive the way into words and back, and nothing is cut off on the way."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import CapacityError
from compiler.hardware.descriptor_words import (
    DIMENSIONS,
    LAYOUTS,
    WORDS,
    DescriptorFields,
    TileKind,
    decode,
    encode,
    moved_words,
)
from compiler.hardware.dma_registers import (
    control_offset,
    decode_queue_word,
    descriptor_offset,
    queue_offset,
    queue_word,
    tile_address,
)

KINDS = st.sampled_from(list(TileKind))


def up_to(kind: TileKind, name: str) -> int:
    return LAYOUTS[kind][name].limit


def optional(strategy: st.SearchStrategy[tuple[int, int]]) -> st.SearchStrategy[tuple[int, int] | None]:
    return st.none() | strategy


@st.composite
def descriptors(draw: st.DrawFn, kind: TileKind) -> DescriptorFields:
    """Any descriptor that a tile of this kind can hold, built dimension by dimension from the innermost."""
    sizes: list[int] = []
    strides: list[int] = []
    padding: list[tuple[int, int]] = []
    room = min(up_to(kind, "length"), 1 << 20)
    padded = kind is TileKind.MEMTILE and draw(st.booleans())
    for dimension in range(draw(st.integers(0, DIMENSIONS[kind]))):
        wrap = LAYOUTS[kind].get(f"wrap_{dimension}")
        size = draw(st.integers(1, max(1, min(room, wrap.limit if wrap is not None else room))))
        before, after = 0, 0
        if padded and f"before_{dimension}" in LAYOUTS[kind]:
            before = draw(st.integers(0, min(up_to(kind, f"before_{dimension}"), max(0, room - size))))
            after = draw(st.integers(0, min(up_to(kind, f"after_{dimension}"), max(0, room - size - before))))
        room //= size + before + after
        sizes.insert(0, size)
        strides.insert(0, draw(st.integers(1, up_to(kind, f"step_{dimension}") + 1)))
        padding.insert(0, (before, after))
    length = prod(n + sum(p) for n, p in zip(sizes, padding, strict=True)) if sizes else draw(st.integers(1, room))
    locks = st.tuples(st.integers(0, up_to(kind, "acquire_lock")), st.integers(1, 63))
    wrap = draw(st.integers(1, up_to(kind, "iteration_wrap") + 1))
    return DescriptorFields(
        length,
        draw(st.integers(0, up_to(kind, "base"))),
        tuple(sizes),
        tuple(strides),
        tuple(padding),
        wrap,
        draw(st.integers(1, up_to(kind, "iteration_step") + 1)),
        draw(optional(locks)),
        draw(optional(locks)),
        draw(st.none() | st.integers(0, up_to(kind, "next"))),
        draw(optional(st.tuples(st.integers(0, 7), st.integers(0, 31)))),
        draw(st.integers(0, wrap - 1)),
    )


@given(st.data(), KINDS)
def test_decoding_undoes_encoding(data: st.DataObject, kind: TileKind) -> None:
    fields = data.draw(descriptors(kind))
    words = encode(kind, fields)
    assert len(words) == WORDS[kind]
    assert all(0 <= word < 1 << 32 for word in words)
    assert decode(kind, words) == fields.normalised()
    assert moved_words(fields) == fields.length


@given(st.data(), KINDS)
def test_an_outermost_dimension_may_be_longer_than_its_field(data: st.DataObject, kind: TileKind) -> None:
    """The length ends it: the wrap is stored as 0, which wraps never."""
    size = data.draw(
        st.integers(up_to(kind, "wrap_1") + 1, up_to(kind, "length") // 2 if kind is not kind.SHIM else 9999)
    )
    fields = DescriptorFields(2 * size, sizes=(size, 2), strides=(7, 1))
    assert decode(kind, encode(kind, fields)) == fields


@pytest.mark.parametrize("kind", TileKind)
def test_fields_do_not_overlap(kind: TileKind) -> None:
    """No bit belongs to two fields."""
    taken: set[tuple[int, int]] = set()
    for name, field in LAYOUTS[kind].items():
        assert 0 <= field.word < WORDS[kind]
        assert field.low + field.width <= 32, name
        bits = {(field.word, field.low + bit) for bit in range(field.width)}
        assert not bits & taken, name
        taken |= bits


TOO_MUCH = [
    (TileKind.CORE, {"length": 16384}, "length as 0 to 16383 in 14 bits, found 16384"),
    (TileKind.CORE, {"length": 512, "sizes": (2, 256), "strides": (300, 1)}, "wrap_0 as 0 to 255 in 8 bits, found 256"),
    (TileKind.CORE, {"length": 2, "sizes": (2, 1), "strides": (8193, 1)}, "step_1 as 0 to 8191 in 13 bits, found 8192"),
    (TileKind.CORE, {"length": 1, "base": 16384}, "base as 0 to 16383"),
    (TileKind.CORE, {"length": 1, "wrap": 65}, "iteration_wrap as 0 to 63 in 6 bits, found 64"),
    (TileKind.CORE, {"length": 4, "sizes": (2,), "strides": (1,), "padding": ((1, 1),)}, "cannot pad its dimension 0"),
    (TileKind.CORE, {"length": 1, "sizes": (1, 1, 1, 2), "strides": (2, 2, 2, 1)}, "has 3 dimensions, found 4"),
    (TileKind.MEMTILE, {"length": 131072}, "length as 0 to 131071"),
    (TileKind.MEMTILE, {"length": 1, "base": 1 << 19}, "base as 0 to 524287"),
    (
        TileKind.MEMTILE,
        {"length": 65, "sizes": (1,), "strides": (1,), "padding": ((64, 0),)},
        "before_0 as 0 to 63 in 6 bits, found 64",
    ),
    (TileKind.MEMTILE, {"length": 1, "acquire": (256, 1)}, "acquire_lock as 0 to 255 in 8 bits, found 256"),
    (TileKind.MEMTILE, {"length": 1, "acquire": (0, 65)}, "changes a lock by -64 to 63, found -65"),
    (TileKind.MEMTILE, {"length": 1, "release": (0, 64)}, "changes a lock by -64 to 63, found 64"),
    (TileKind.SHIM, {"length": 1, "following": 16}, "next as 0 to 15 in 4 bits, found 16"),
    (TileKind.SHIM, {"length": 1, "packet": (0, 32)}, "packet_id as 0 to 31 in 5 bits, found 32"),
]


@pytest.mark.parametrize(("kind", "given_fields", "message"), TOO_MUCH)
def test_what_no_field_holds_is_refused(kind: TileKind, given_fields: dict[str, object], message: str) -> None:
    fields = replace(DescriptorFields(1), **given_fields)  # pyright: ignore[reportArgumentType]
    with pytest.raises(CapacityError, match=message):
        encode(kind, fields)


@given(KINDS, st.data(), st.integers(1, 256), st.booleans())
def test_queue_entries_survive(kind: TileKind, data: st.DataObject, runs: int, token: bool) -> None:
    number = data.draw(st.integers(0, 47 if kind is TileKind.MEMTILE else 15))
    assert decode_queue_word(kind, queue_word(kind, number, runs, token)) == (number, runs, token)


def test_a_queue_refuses_what_it_would_cut_off() -> None:
    with pytest.raises(CapacityError, match="a core channel takes descriptors 0 to 15, found 16"):
        queue_word(TileKind.CORE, 16, 1, False)
    with pytest.raises(CapacityError, match="1 to 256 runs, found 257"):
        queue_word(TileKind.CORE, 0, 257, False)


def test_registers_are_those_of_the_register_manual() -> None:
    """Addresses that upstream's tests and dumps show."""
    assert tile_address(1, 2) == 0x0220_0000
    assert tile_address(0, 0) + queue_offset(TileKind.SHIM, False, 0) == 119300
    assert tile_address(0, 1) + control_offset(TileKind.MEMTILE, False, 0) == 0x1A0600
    assert tile_address(0, 1) + control_offset(TileKind.MEMTILE, True, 0) == 0x1A0630
    assert control_offset(TileKind.CORE, False, 0) == 122368
    assert control_offset(TileKind.CORE, True, 0) == 0x1DE10
    assert descriptor_offset(TileKind.SHIM, 1) == 0x1D020
