"""Which tasks give their descriptors up for others."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import pytest

from compiler.protocol.descriptors import DescriptorBook, Request


def asked_for(book: DescriptorBook, what: str) -> bool:
    """Start a task that ends at once; whether its descriptor had to be written."""
    started = book.hold(Request("tile", 2, "channel", what))
    book.push(started)
    book.ended(started)
    return started.written


@pytest.mark.parametrize(
    ("users", "written"),
    [
        ({}, [True, True, True, True, True]),
        # the second task gives way to the third one, and the third one to the second
        ({"a": [0, 3], "b": [1, 4], "c": [2]}, [True, True, True, False, True]),
        # the first one gives way, and then the third one: nobody is known to ask for them again
        ({"a": [0], "b": [1, 4], "c": [2]}, [True, True, True, True, False]),
    ],
)
def test_what_is_wanted_last_gives_way(users: Mapping[Hashable, Sequence[int]], written: list[bool]) -> None:
    book = DescriptorBook(users=users)
    found: list[bool] = []
    for book.launch, what in enumerate("abcab"):
        found.append(asked_for(book, what))
    assert found == written
