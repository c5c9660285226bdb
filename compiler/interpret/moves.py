"""The meaning of moves of words: every word is taken from where it was, whatever its bits mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dialects.bsr import MoveOp
from dialects.words import from_words, to_words, words_of_type


def move_words(op: MoveOp, operands: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The result of an op from its operands."""
    result = np.zeros(words_of_type(op.result.type), np.int32)
    sources = [to_words(operand) for operand in operands]
    for move in op.moves:
        result[move.written()] = sources[move.source][move.read()]
    return from_words(result, op.result.type)
