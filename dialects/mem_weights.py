"""What weights are at the `mem` level: streams of chunks in DDR, and the rings of MemTiles through which they pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    IntegerAttr,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
)

from dialects.mem_attributes import (
    DDR,
    MEMTILE,
    BufferType,
    integers_attr,
    integers_of,
)
from dialects.mem_op import CONSTANT, INTEGER, INTEGERS, MemOp


@irdl_op_definition
class WeightsOp(MemOp):
    """
    The weights of one launch in DDR: streams of chunks, each stream for the cores that compute the same channels.

        %w = mem.weights {values = #bsr.blob<"conv1.chunks", "…">, streams = array<i64: 0, 4, 4224, 4>, chunk = 1056}
             : !mem.buffer<ddr>

    `streams` has the first word and the number of chunks of each stream; `chunk` is the size of every chunk in words.
    `compiler.kernels.weight_chunk` says what a chunk holds.
    """

    name = "mem.weights"

    values = prop_def(CONSTANT)
    streams_attr = prop_def(INTEGERS, prop_name="streams")
    chunk_attr = prop_def(INTEGER, prop_name="chunk")
    result = result_def(BufferType)

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, values: Attribute, streams: Sequence[tuple[int, int]], chunk: int):
        super().__init__(
            properties={
                "values": values,
                "streams": integers_attr([number for stream in streams for number in stream]),
                "chunk": IntegerAttr(chunk, i64),
            },
            result_types=[DDR],
        )

    @property
    def streams(self) -> tuple[tuple[int, int], ...]:
        """First word and number of chunks of each stream."""
        numbers = integers_of(self.streams_attr)
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))

    @property
    def chunk_words(self) -> int:
        """Words of each chunk."""
        return self.chunk_attr.value.data


@irdl_op_definition
class RingOp(MemOp):
    """
    Space in every MemTile through which weights pass on their way from DDR to the cores, page after page.

        %r = mem.ring {address = 0 : i64, page_words = 1024 : i64, pages = 16 : i64, live = array<i64: 0, 4>}
             : !mem.buffer<memtile>

    What passes is broadcast. With `cores = 4` there are four such rings side by side, one for each core of the column;
    `ahead` says that they may be filled while the segment before runs, which has nothing else there.
    """

    name = "mem.ring"

    address_attr = prop_def(INTEGER, prop_name="address")
    page_words_attr = prop_def(INTEGER, prop_name="page_words")
    pages_attr = prop_def(INTEGER, prop_name="pages")
    live_attr = prop_def(INTEGERS, prop_name="live")
    cores_attr = opt_prop_def(INTEGER, prop_name="cores")
    ahead_attr = opt_prop_def(UnitAttr, prop_name="ahead")
    result = result_def(BufferType)

    assembly_format = "attr-dict `:` type($result)"

    def __init__(
        self, address: int, page_words: int, pages: int, live: tuple[int, int], cores: int = 0, ahead: bool = False
    ):
        super().__init__(
            properties={
                "address": IntegerAttr(address, i64),
                "page_words": IntegerAttr(page_words, i64),
                "pages": IntegerAttr(pages, i64),
                "live": integers_attr(live),
                "cores": IntegerAttr(cores, i64) if cores else None,
                "ahead": UnitAttr() if ahead else None,
            },
            result_types=[MEMTILE],
        )

    @property
    def cores(self) -> int:
        """Rings side by side, one for each core of a column; 0 if there is one, which is broadcast."""
        return self.cores_attr.value.data if self.cores_attr is not None else 0

    @property
    def ahead(self) -> bool:
        """Whether it may be filled while the segment before runs."""
        return self.ahead_attr is not None

    @property
    def address(self) -> int:
        """Bytes from the start of the MemTile."""
        return self.address_attr.value.data

    @property
    def page_words(self) -> int:
        """Words of a page."""
        return self.page_words_attr.value.data

    @property
    def pages(self) -> int:
        """Number of pages."""
        return self.pages_attr.value.data

    @property
    def size(self) -> int:
        """Bytes in each MemTile."""
        return 4 * self.page_words * self.pages * max(self.cores, 1)

    @property
    def live(self) -> tuple[int, int]:
        """First and past-last band."""
        return cast("tuple[int, int]", integers_of(self.live_attr))


@irdl_op_definition
class ImageOp(MemOp):
    """
    The weights argument of the runtime sequences: parameter blocks and weight chunks in the order they are loaded.

        %w = mem.image {values = #bsr.blob<"array.weights", "…">} : !mem.buffer<ddr>
    """

    name = "mem.image"

    values = prop_def(CONSTANT)
    result = result_def(BufferType)

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, values: Attribute):
        super().__init__(properties={"values": values}, result_types=[DDR])
