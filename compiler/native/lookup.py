"""
Any function of one value, by a table of bytes as maps store them.

    void lookup(input, output, table)      the first pixels of the maps, and 256 bytes
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.jit.writer import Writer, Written
from compiler.native.dot_products import DotProducts
from compiler.native.layout import CHANNELS, ZERO
from compiler.native.pointwise import Strides


def stored_table(entries: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """The results for -128 to 127 as bytes of maps, which are 128 more, for bytes of maps in order."""
    return entries.view(np.uint8) ^ np.uint8(ZERO)


@dataclass(frozen=True)
class LookupCode:
    """Every value of a map replaced."""

    blocks: int
    rows: int
    columns: int
    input: Strides
    output: Strides

    def write(self, name: str, dots: DotProducts) -> Written:
        """The function."""
        body = Writer(name, [("ptr", "input"), ("ptr", "output"), ("ptr", "table")])
        with (
            body.loop(0, self.blocks) as block,
            body.loop(0, self.rows) as down,
            body.loop(0, self.columns) as along,
            body.loop(0, CHANNELS) as channel,
        ):
            places: list[str] = []
            for argument, (pixel_bytes, row_bytes, block_bytes) in (("input", self.input), ("output", self.output)):
                place = body.offset(f"%{argument}", body.multiply_add(block.index, block_bytes))
                place = body.offset(place, body.multiply_add(down.index, row_bytes))
                place = body.offset(place, body.multiply_add(along.index, pixel_bytes))
                places.append(body.offset(place, channel.index))
            number = body.emit(f"zext i8 {body.load('i8', places[0])} to i64")
            body.store("i8", body.load("i8", body.offset("%table", number)), places[1])
        body.do("ret void")
        return body.written()
