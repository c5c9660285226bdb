"""Calls of compiled code on maps: what an operation becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from compiler.jit.writer import Written
from compiler.native.dot_products import DotProducts
from compiler.native.layout import Layout

Layouts = Mapping[SSAValue, Layout]


class Code(Protocol):
    """Functions to be compiled; equal ones are compiled once."""

    def write(self, name: str, dots: DotProducts) -> Written:
        """The LLVM text of the function `name`."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Call:
    """One call: places in maps, then constants."""

    code: Code
    places: tuple[tuple[SSAValue, int], ...]
    """A map and the bytes from its beginning."""
    constants: tuple[npt.NDArray[np.generic], ...] = field(default=(), compare=False)


def first_pixel(layouts: Layouts, value: SSAValue) -> tuple[SSAValue, int]:
    """Where a map's first pixel lies behind its border."""
    return value, layouts[value].pixel(0, 0)


def strides_of(layout: Layout) -> tuple[int, int, int]:
    """Bytes from pixel to pixel, row to row and block to block."""
    return layout.pixel_bytes, layout.row_bytes, layout.block_bytes
