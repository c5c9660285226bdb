"""Maps of the `mem` level: where each lies, in DDR or over the MemTiles, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    IntegerAttr,
    StringAttr,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from compiler.transfers.layout import pack_map, unpack_map
from dialects.bsr_attributes import Encoding, FixedAttr, ScaledAttr, shape_of
from dialects.mem_attributes import (
    DDR,
    MEMTILE,
    BufferType,
    integers_attr,
    integers_of,
)
from dialects.mem_op import INTEGER, INTEGERS, MemOp, verify_numbers


@irdl_op_definition
class MapOp(MemOp):
    """
    A map with a place: in DDR, or striped by rows over the MemTiles at one address, live for an interval of bands.

        %0 = mem.map "conv1" {shape = array<i64: 64, 112, 112>, position = 4 : i64, address = 4096 : i64,
             size = 200704 : i64, live = array<i64: 0, 2>, stripes = array<i64: 0, 28, 28, 56, 56, 84, 84, 112>}
             : !mem.buffer<memtile>

    `shape` is channels, height, width; `size` bytes in DDR or in each MemTile; `stripes` first and past-last row of
    each column. With `slices = array<i64: 0, 16, 16, 32>` the columns hold these channel blocks of their rows. A map of
    a general scale has `scaled = #bsr.scaled<…>` instead of a position.
    """

    name = "mem.map"

    map_name = prop_def(StringAttr)
    shape_attr = prop_def(INTEGERS, prop_name="shape")
    position_attr = opt_prop_def(INTEGER, prop_name="position")
    scaled = opt_prop_def(ScaledAttr)
    address_attr = prop_def(INTEGER, prop_name="address")
    size_attr = prop_def(INTEGER, prop_name="size")
    live_attr = prop_def(INTEGERS, prop_name="live")
    stripes_attr = opt_prop_def(INTEGERS, prop_name="stripes")
    slices_attr = opt_prop_def(INTEGERS, prop_name="slices")
    result = result_def(BufferType)

    assembly_format = "$map_name attr-dict `:` type($result)"

    def __init__(
        self,
        name: str,
        shape: tuple[int, int, int],
        encoding: Encoding,
        address: int,
        size: int,
        live: tuple[int, int],
        stripes: Sequence[tuple[int, int]] | None,
        slices: Sequence[tuple[int, int]] | None = None,
    ):
        held = {"stripes": stripes, "slices": slices}
        placed = {name: integers_attr([end for pair in pairs for end in pair]) for name, pairs in held.items() if pairs}
        super().__init__(
            properties={
                "map_name": StringAttr(name),
                "shape": integers_attr(shape),
                **_meaning(encoding),
                "address": IntegerAttr(address, i64),
                "size": IntegerAttr(size, i64),
                "live": integers_attr(live),
                **placed,
            },
            result_types=[DDR if stripes is None else MEMTILE],
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return cast("tuple[int, int, int]", integers_of(self.shape_attr))

    @property
    def address(self) -> int:
        """Bytes from the start of its memory."""
        return self.address_attr.value.data

    @property
    def size(self) -> int:
        """Bytes, in DDR or in each MemTile."""
        return self.size_attr.value.data

    @property
    def live(self) -> tuple[int, int]:
        """First and past-last band."""
        return cast("tuple[int, int]", integers_of(self.live_attr))

    @property
    def first_word(self) -> int:
        """Words from the start of its memory."""
        return self.address // 4

    @property
    def words(self) -> int:
        """Of the whole map."""
        return self.shape[1] * self.row_words

    def packed(self, value: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """A tensor laid out as this map: NCHW becomes [rows][channels/8][width][8], zeros beyond the channels."""
        return pack_map(value.reshape(self.shape))

    def unpacked(self, words: npt.NDArray[np.int32], type: Attribute) -> npt.NDArray[Any]:
        """The tensor of this map, the inverse of `packed`."""
        return unpack_map(words, *self.shape).reshape(shape_of(type))

    @property
    def row_words(self) -> int:
        """Words of one row over all channel blocks."""
        channels, _, width = self.shape
        return -(-channels // 8) * width * 2

    @property
    def stripes(self) -> tuple[tuple[int, int], ...]:
        """Rows of each column; empty for a map in DDR."""
        if self.stripes_attr is None:
            return ()
        rows = integers_of(self.stripes_attr)
        return tuple(zip(rows[::2], rows[1::2], strict=True))

    @property
    def slices(self) -> tuple[tuple[int, int], ...]:
        """Channel blocks of each column; empty for a map in DDR."""
        if self.slices_attr is None:
            blocks = -(-self.shape[0] // 8)
            return ((0, blocks),) * len(self.stripes)
        ends = integers_of(self.slices_attr)
        return tuple(zip(ends[::2], ends[1::2], strict=True))

    def whole(self, stripe: Callable[[int, int, int], npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
        """All words of a map in MemTiles; `stripe` reads so many words of a column from a word on."""
        (channels, height, width), first = self.shape, self.address // 4
        rows = np.zeros((height, -(-channels // 8), 2 * width), np.int32)
        for column, ((start, last), (low, high)) in enumerate(zip(self.stripes, self.slices, strict=True)):
            pitch, offset, words = self.row_words, low * 2 * width, (high - low) * 2 * width
            for row in range(start, last if words else start):
                read = stripe(column, first + (row - start) * pitch + offset, words)
                rows[row, low:high] = read.reshape(high - low, 2 * width)
        return rows.reshape(-1)

    def verify_(self) -> None:
        _, height, _ = verify_numbers("shape", self.shape_attr, 3)
        verify_numbers("live", self.live_attr, 2)
        if (self.result.type == MEMTILE) != (self.stripes_attr is not None):
            raise VerifyException("stripes belong to maps in MemTiles, and only to them")
        if self.slices_attr is not None and len(self.slices) != len(self.stripes):
            raise VerifyException(f"{len(self.slices)} slices for {len(self.stripes)} columns")
        if (self.position_attr is None) == (self.scaled is None):
            raise VerifyException("a map has a position or a general scale, one of them")
        if self.address % 4 or self.address < 0:
            raise VerifyException(f"address {self.address} is not a word address; DMA moves 4-byte words")
        rows = [last - first for first, last in self.stripes] or [height]
        if 4 * self.row_words * max(rows) > self.size:
            raise VerifyException(f"{max(rows)} rows of {4 * self.row_words} bytes exceed the size {self.size}")


def _meaning(encoding: Encoding) -> dict[str, Attribute]:
    if isinstance(encoding, FixedAttr):
        return {"position": IntegerAttr(encoding.data, i64)}
    return {"scaled": encoding}


def map_of(value: SSAValue) -> MapOp:
    """The map behind a buffer operand."""
    owner = value.owner
    if not isinstance(owner, MapOp):
        raise VerifyException(f"expected a buffer made by mem.map, got one by {owner}")
    return owner
