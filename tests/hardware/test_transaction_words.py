"""Words of a transaction read back as what was written, and are as many as the sizes say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import InputError
from compiler.hardware.transaction_words import BlockWrite, Instruction, Patch, Sync, Transaction, Write, decode, encode
from compiler.hardware.transactions import HEADER, MASK_WRITE, PATCH, SYNC, WRITE, ControllerCount, block_write

WORD = st.integers(0, 2**32 - 1)
BYTE = st.integers(0, 255)
INSTRUCTIONS = st.one_of(
    st.builds(Write, WORD, WORD, st.none() | WORD),
    st.builds(BlockWrite, WORD, st.lists(WORD, min_size=1, max_size=20).map(tuple)),
    st.builds(Patch, WORD, BYTE, WORD),
    st.builds(Sync, BYTE, BYTE, st.integers(0, 1), BYTE, BYTE, BYTE),
)
TRANSACTIONS = st.builds(Transaction, st.integers(3, 4), BYTE, BYTE, st.lists(INSTRUCTIONS, max_size=12).map(tuple))


def size(instruction: Instruction) -> ControllerCount:
    match instruction:
        case Write(_, _, mask):
            return WRITE if mask is None else MASK_WRITE
        case BlockWrite(_, words):
            return block_write(len(words))
        case Patch():
            return PATCH
        case Sync():
            return SYNC


@given(TRANSACTIONS)
def test_words_read_back(transaction: Transaction) -> None:
    words = encode(transaction)
    assert decode(words) == transaction
    counted = sum(map(size, transaction.instructions), HEADER)
    assert (counted.instructions, counted.words) == (len(transaction.instructions), words.size)


def test_words_are_those_of_upstream() -> None:
    """Its serialiser writes this header for six rows and five columns (npu1's whole array)."""
    assert [f"{word:08x}" for word in encode(Transaction(3, 6, 5, ()))] == [
        "06030100",
        "00000105",
        "00000000",
        "00000010",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([1, 2, 3], "3 words are no transaction of version 0.1"),
        ([0x06030100, 0x105, 0, 12], "tells of 12 bytes, it has 16"),
        ([0x06030100, 0x105, 1, 16], "tells of 1 instructions, it has 0"),
        ([0x06030100, 0x105, 1, 20, 7], "word 4 of a transaction begins no instruction"),
        ([0x06030100, 0x105, 1, 32, 1, 0, 0, 400], "word 4 of a transaction begins no instruction"),
    ],
)
def test_other_words_are_refused(words: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode(np.array(words, np.uint32))
