"""
A window: the n-d pattern of words that one DMA descriptor visits in a MemTile.

    sizes   (14, 8, 56, 2)     outermost first, the last dimension counts words
    strides (896, 112, 2, 1)   words
    padding ((0,0),(0,0),(1,1),(0,0))   zeros inserted before and after each dimension (reading only)

visits `offset + Σ i_k·stride_k`. A descriptor that runs several times moves on by `step` words each run and starts over
after `wrap` runs. `word_indices` is the definition; everything else is arithmetic on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

import numpy as np
import numpy.typing as npt

from compiler.hardware.chip import Chip

PADDING = -1
"""Index of a padded word: it is zero, not memory."""


@dataclass(frozen=True)
class Window:
    """Words of one MemTile, in the order a descriptor visits them."""

    column: int
    """Column of the MemTile that holds the words."""
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...] = ()
    """Zeros (before, after) each dimension; empty where there are none."""
    wrap: int = 1
    step: int = 0

    @property
    def words(self) -> int:
        """Words moved by one run, padding included."""
        return prod(size + sum(pads) for size, pads in zip(self.sizes, self._pads(), strict=True))

    @property
    def is_run(self) -> bool:
        """Whether its words lie one behind the other; one dimension alone may still leave some out."""
        return self.strides == (1,) and not self.padding

    def _pads(self) -> tuple[tuple[int, int], ...]:
        return self.padding or ((0, 0),) * len(self.sizes)

    def word_indices(self, run: int = 0) -> npt.NDArray[np.int64]:
        """Word addresses visited by run number `run`, flat, PADDING for padded words."""
        indices = np.full((), self.offset + run % self.wrap * self.step, np.int64)
        for size, stride in zip(self.sizes, self.strides, strict=True):
            indices = indices[..., None] + np.arange(size) * stride
        if self.padding:
            indices = np.pad(indices, self.padding, constant_values=PADDING)
        return indices.reshape(-1)

    def highest_word(self) -> int:
        """The largest address visited by any run."""
        furthest = sum((size - 1) * stride for size, stride in zip(self.sizes, self.strides, strict=True))
        return self.offset + furthest + (self.wrap - 1) * self.step

    def merged(self, limit: int) -> Window:
        """The same words in fewer dimensions: all in one if they are one run, else none but the first above `limit`."""
        whole = self._merge(None)
        return whole if len(whole.sizes) == 1 else self._merge(limit)

    def _merge(self, limit: int | None) -> Window:
        none = (0, 0)
        merged: list[tuple[int, int, tuple[int, int]]] = []
        for size, stride, pad in reversed(list(zip(self.sizes, self.strides, self._pads(), strict=True))):
            if size == 1 and pad == none and merged:
                continue
            if merged and pad == merged[-1][2] == none and stride == merged[-1][0] * merged[-1][1]:
                inner, inner_stride, _ = merged[-1]
                if limit is None or size * inner <= limit:
                    merged[-1] = (size * inner, inner_stride, none)
                    continue
            merged.append((size, stride, pad))
        sizes, strides, pads = zip(*reversed(merged), strict=True)
        padding = pads if any(pad != none for pad in pads) else ()
        return replace(self, sizes=sizes, strides=strides, padding=padding)


@lru_cache(maxsize=4096)
def factors(words: int, limit: int) -> tuple[int, int, int] | None:
    """
    `words` as a product of three sizes within `limit`, outermost first; None if a prime factor is too large.

    A descriptor that iterates has three dimensions left; a run of words longer than one dimension counts fills them.
    """
    for inner in range(min(words, limit), 0, -1):
        if words % inner:
            continue
        for middle in range(min(words // inner, limit), 0, -1):
            outer, rest = divmod(words // inner, middle)
            if rest == 0:
                if outer <= limit:
                    return outer, middle, inner
                break
    return None


def window_faults(window: Window, chip: Chip) -> list[str]:
    """Why a MemTile descriptor cannot hold this window; empty if it can. The specification of every planner."""
    faults: list[str] = []
    if len(window.sizes) > 4:
        faults.append(f"{len(window.sizes)} dimensions, a MemTile descriptor has 4")
    for dimension, (size, stride) in enumerate(zip(window.sizes, window.strides, strict=True)):
        # the outermost dimension ends with the length, unless there is padding, which counts every dimension
        outermost = dimension == 0 and len(window.sizes) > 1 and not window.padding
        if size < 1:
            faults.append(f"size {size} in dimension {dimension}, a descriptor moves at least one")
        if size > chip.memtile_wrap_limit and not outermost and len(window.sizes) > 1:
            faults.append(f"size {size} in dimension {dimension}, the limit is {chip.memtile_wrap_limit}")
        if not 1 <= stride <= chip.memtile_step_limit:
            faults.append(f"stride {stride} in dimension {dimension}, the range is 1 to {chip.memtile_step_limit}")
    for dimension, pads in enumerate(window.padding):
        if max(pads) > chip.pad_limit:
            faults.append(f"padding {pads} in dimension {dimension}, the limit is {chip.pad_limit}")
    if window.words > chip.memtile_length_limit:
        faults.append(f"{window.words} words, the limit is {chip.memtile_length_limit}")
    if window.wrap > chip.iteration_limit:
        faults.append(f"{window.wrap} iterations, the limit is {chip.iteration_limit}")
    if window.wrap > 1 and not 1 <= window.step <= chip.memtile_step_limit:
        faults.append(f"iteration step {window.step}, the range is 1 to {chip.memtile_step_limit}")
    if window.offset < 0 or window.highest_word() >= chip.memtile_words:
        faults.append(f"words {window.offset} to {window.highest_word()}, the MemTile has {chip.memtile_words}")
    return faults
