"""What a move of words, and a place of words, may not say."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, f16, f32, f64
from xdsl.dialects.test import TestOp as AnyOp
from xdsl.utils.exceptions import VerifyException

from compiler.transfers.moves import Axis, Move
from dialects import mem
from dialects.bsr import MoveOp
from dialects.mem_attributes import DDR
from dialects.words import from_words, to_words

WHOLE = Move(0, 0, 0, (Axis(6, 1, 1),))


def a_move(*moves: Move, source: TensorType = TensorType(f32, [2, 3]), words: int = 6) -> MoveOp:
    return MoveOp([AnyOp(result_types=[source]).res[0]], moves, TensorType(f32, [words]))


def test_a_move_that_is_right() -> None:
    a_move(WHOLE).verify()
    a_move(Move(0, 5, 0, (Axis(6, -1, 1),)), source=TensorType(f64, [3])).verify()


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (a_move(Move(1, 0, 0, (Axis(6, 1, 1),))), "a move reads operand 1, and there are 1"),
        (a_move(Move(0, 1, 0, (Axis(6, 1, 1),))), "words 1 to 6 of operand 0, which has 6"),
        (a_move(Move(0, 4, 0, (Axis(6, -1, 1),))), "words -1 to 4 of operand 0, which has 6"),
        (a_move(WHOLE, words=5), "words 0 to 5 of the result, which has 5"),
        (a_move(WHOLE, words=7), "nothing writes word 6 of the result"),
        (a_move(WHOLE, Move(0, 0, 3)), "a word of the result is written twice"),
        (a_move(Move(0, 0, 0, (Axis(2, 0, 0), Axis(6, 1, 1)))), "a word of the result is written twice"),
        (a_move(WHOLE, source=TensorType(f16, [12])), "elements of 4 or 8 bytes are moved as words"),
        (a_move(WHOLE, source=TensorType(f32, [0, 3])), "and at least one of them"),
    ],
)
def test_a_move_that_is_wrong(op: MoveOp, message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        op.verify()


def test_places_of_words_are_word_addresses() -> None:
    with pytest.raises(VerifyException, match="address 2 is not a word address"):
        mem.WordsOp("x", 2, 4, DDR).verify()
    with pytest.raises(VerifyException, match="0 words; a buffer has at least one"):
        mem.WordsOp("x", 0, 0, DDR).verify()
    with pytest.raises(VerifyException, match=r"expected a buffer made by mem\.map or mem\.words"):
        mem.in_ddr(AnyOp(result_types=[DDR]).res[0])


def test_words_keep_every_bit() -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 5, 8), np.uint8).view(np.float64)[..., 0]
    assert from_words(to_words(values.T), TensorType(f64, [5, 3])).tobytes() == values.T.tobytes()
