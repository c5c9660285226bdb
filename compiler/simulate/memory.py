"""
Memories: the words that time depends on.

How long a program runs depends on its parameter blocks and on which weight blocks exist, never on activations. So
only words that come from the weights argument are carried; every other word is just counted. A memory remembers which
of its ranges hold such words, and forgets a range when anything else is written over it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Pattern:
    """Where the words of one descriptor lie, from its first word; outermost dimension first."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @cached_property
    def words(self) -> int:
        """How many."""
        return math.prod(self.sizes)

    @cached_property
    def extent(self) -> int:
        """Words from the first to behind the last."""
        return 1 + sum((size - 1) * stride for size, stride in zip(self.sizes, self.strides, strict=True))

    @cached_property
    def linear(self) -> bool:
        """Whether the words are one run in order."""
        expected = 1
        for size, stride in zip(reversed(self.sizes), reversed(self.strides), strict=True):
            if size > 1 and stride != expected:
                return False
            expected *= size
        return True

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Of every word, in the order of the transfer."""
        total = np.zeros(1, np.int64)
        for size, stride in zip(self.sizes, self.strides, strict=True):
            total = (total[:, None] + stride * np.arange(size)[None, :]).reshape(-1)
        return total


@dataclass(eq=False)
class Memory:
    """One buffer of a tile, or one argument in DDR, whose words are None when they are never known."""

    name: str
    words: Words | None
    known: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Ranges whose words came from the weights argument."""
    version: int = 0
    """Counts writes of known words."""
    segment: str = ""
    """Of the last such write."""

    @classmethod
    def of(cls, name: str, size: int) -> Memory:
        """A memory in which nothing is known yet."""
        return cls(name, np.zeros(size, np.int32))

    def knows(self, start: int, end: int) -> bool:
        """Whether one write of known words covers [start, end)."""
        return any(first <= start and end <= last for first, last in self.known)

    def read(self, start: int, pattern: Pattern) -> Words | None:
        """The words of a descriptor, or None when they are not known."""
        if self.words is None or not self.known or not self.knows(start, start + pattern.extent):
            return None
        if pattern.linear:
            return self.words[start : start + pattern.words].copy()
        return self.words[start + pattern.offsets]

    def write(self, start: int, pattern: Pattern, values: Words | None, segment: str) -> None:
        """Put the words of a descriptor; None stands for words that are not known."""
        if self.words is None:
            return
        end = start + pattern.extent
        if self.known:
            self.known = [(first, last) for first, last in self.known if last <= start or end <= first]
        if values is None:
            return
        if pattern.linear:
            self.words[start:end] = values
        else:
            self.words[start + pattern.offsets] = values
        self.known.append((start, end))
        self.version += 1
        self.segment = segment
