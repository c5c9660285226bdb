"""
Static memory allocation as data: buffers that live for some steps must lie in one memory without meeting.

A buffer is a rectangle: its width is the half-open interval of steps in which it is live, its height is its size.
Solving is sliding the rectangles up and down until none overlap and all stay below the capacity. Nothing here knows
which memory it is: a MemTile, the arena of a core and a DDR scratch area are the same problem at different capacities.

    Problem((Buffer("x", 0, 2, 512), Buffer("w", 1, 3, 256)), capacity=1024)   ->   Solution({"x": 0, "w": 512}, 768)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Buffer:
    """`size` bytes that are live in the steps `lower <= step < upper`."""

    name: str
    lower: int
    upper: int
    size: int
    alignment: int = 64
    """The offset is a multiple of this. 64 bytes is one int8 block of a weight and covers every vector access."""

    def __post_init__(self) -> None:
        if self.lower >= self.upper:
            raise ValueError(f"buffer '{self.name}' is live in no step: [{self.lower}, {self.upper}) is empty")
        if self.size < 1 or self.alignment < 1:
            raise ValueError(
                f"buffer '{self.name}' has size {self.size}, alignment {self.alignment}; both must be >= 1"
            )

    def meets(self, other: Buffer) -> bool:
        """Whether some step has both live, so that their bytes must differ."""
        return self.lower < other.upper and other.lower < self.upper


@dataclass(frozen=True)
class Problem:
    """Buffers with distinct names and the bytes of the memory that has to hold them."""

    buffers: tuple[Buffer, ...]
    capacity: int

    def __post_init__(self) -> None:
        names = [buffer.name for buffer in self.buffers]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"buffer names must be distinct, these are not: {', '.join(twice)}")


@dataclass(frozen=True)
class Solution:
    """An offset in bytes for every buffer; `height` is the highest end of any of them."""

    offsets: Mapping[str, int]
    height: int
