"""Words of the `mem` level, whatever they mean: a tensor in DDR as the host has it, or a stretch of all MemTiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from dialects.mem_attributes import BufferType
from dialects.mem_maps import MapOp
from dialects.mem_op import INTEGER, MemOp
from dialects.words import WORD_BYTES, from_words, to_words


@irdl_op_definition
class WordsOp(MemOp):
    """
    Words with a place: of one tensor in DDR, or in every MemTile at one address.

        %0 = mem.words "x" {address = 4096 : i64, words = 24 : i64} : !mem.buffer<ddr>
    """

    name = "mem.words"

    words_name = prop_def(StringAttr)
    address_attr = prop_def(INTEGER, prop_name="address")
    words_attr = prop_def(INTEGER, prop_name="words")
    result = result_def(BufferType)

    assembly_format = "$words_name attr-dict `:` type($result)"

    def __init__(self, name: str, address: int, words: int, space: BufferType):
        super().__init__(
            properties={
                "words_name": StringAttr(name),
                "address": IntegerAttr(address, i64),
                "words": IntegerAttr(words, i64),
            },
            result_types=[space],
        )

    @property
    def address(self) -> int:
        """Bytes from the start of its memory."""
        return self.address_attr.value.data

    @property
    def first_word(self) -> int:
        """Words from the start of its memory."""
        return self.address // WORD_BYTES

    @property
    def words(self) -> int:
        """How many there are."""
        return self.words_attr.value.data

    @property
    def size(self) -> int:
        """Bytes."""
        return self.words * WORD_BYTES

    def verify_(self) -> None:
        if self.address % WORD_BYTES or self.address < 0:
            raise VerifyException(f"address {self.address} is not a word address; DMA moves 4-byte words")
        if self.words < 1:
            raise VerifyException(f"{self.words} words; a buffer has at least one")

    def packed(self, value: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """The words of a tensor."""
        return to_words(value)

    def unpacked(self, words: npt.NDArray[np.int32], type: Attribute) -> npt.NDArray[Any]:
        """The tensor of these words."""
        return from_words(words, type)


def in_ddr(value: SSAValue) -> MapOp | WordsOp:
    """What the host stores a tensor in or loads it from."""
    owner = value.owner
    if not isinstance(owner, MapOp | WordsOp):
        raise VerifyException(f"expected a buffer made by mem.map or mem.words, got one by {owner}")
    return owner
