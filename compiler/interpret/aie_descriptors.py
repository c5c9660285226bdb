"""Descriptors as the DMA engines see them: a buffer descriptor op decoded into words of one memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DenseArrayBase, IntegerType, MemRefType
from xdsl.ir import Attribute, Block, SSAValue

from compiler.errors import BlockloomError
from compiler.interpret.aie_memory import Memory, Where
from compiler.transfers.window import PADDING, Window
from dialects.aie import DMABDOp, EndOp, LockAction, NextBDOp, UseLockOp, int_value
from dialects.mem_attributes import integers_of
from dialects.notes import ITERATION

TASK_DIMENSIONS = 4


@dataclass(eq=False)
class LoadedDescriptor:
    """A descriptor in a tile's table. `iteration` is its counter, from where it was written to begin."""

    number: int
    memory: Memory
    base: int
    window: Window
    acquire: tuple[SSAValue, int] | None
    release: tuple[SSAValue, int] | None
    iteration: int = 0
    _indices: dict[int, npt.NDArray[np.int64]] = field(default_factory=dict[int, npt.NDArray[np.int64]])

    @cached_property
    def length(self) -> int:
        """Words moved by one run; asked for at every move."""
        return self.window.words

    def words(self, run: int, first: int, count: int) -> tuple[Where, npt.NDArray[np.bool_] | None]:
        """Words `first` to `first + count` of a run, and which of them are memory (None: all)."""
        window = self.window
        if window.strides == (1,) and not window.padding:
            start = self.base + window.offset + run % window.wrap * window.step + first
            return slice(start, start + count), None
        turn = run % window.wrap
        if turn not in self._indices:
            self._indices[turn] = window.word_indices(run)
        part = self._indices[turn][first : first + count]
        if not window.padding:
            return part + self.base, None
        inside = part != PADDING
        return part[inside] + self.base, inside


def decode_window(op: DMABDOp) -> Window:
    """
    The words of a descriptor, relative to its buffer.

    Raises BlockloomError where the length is not what the dimensions move: hardware would stop early or run on.
    """
    dimensions = list(op.dimensions.data) if op.dimensions is not None else []
    pads = list(op.pad_dimensions.data) if op.pad_dimensions is not None else []
    note = op.attributes.get(ITERATION)
    wrap, step = 1, 0
    if isinstance(note, DenseArrayBase):
        wrap, step = integers_of(cast("DenseArrayBase[IntegerType]", note))
    elif len(dimensions) == TASK_DIMENSIONS:
        (wrap, step), *dimensions = dimensions
        pads = pads[1:]
    length = int_value(op.len) if op.len is not None else -1
    if not dimensions:
        dimensions = [(length, 1)]
    window = Window(
        0,
        int_value(op.offset),
        tuple(size for size, _ in dimensions),
        tuple(stride for _, stride in dimensions),
        tuple(pads) if any(pad != (0, 0) for pad in pads) else (),
        wrap,
        step,
    )
    if window.words != length:
        raise BlockloomError(f"a descriptor of length {length} has dimensions that move {window.words} words: {op}")
    # adjoining dimensions are one run of words: the same words, moved faster here
    return window.merged(length)


def load_chain(entry: Block, place: Callable[[DMABDOp], tuple[Memory, int]]) -> list[LoadedDescriptor]:
    """Decode the blocks of a task, in the order of their `next_bd`."""
    chain: list[LoadedDescriptor] = []
    block: Block | None = entry
    while block is not None:
        acquire: tuple[SSAValue, int] | None = None
        release: tuple[SSAValue, int] | None = None
        found: DMABDOp | None = None
        following: Block | None = None
        for op in block.ops:
            match op:
                case DMABDOp():
                    found = op
                case UseLockOp() if op.lock_action is LockAction.Release:
                    release = (op.lock, int_value(op.value))
                case UseLockOp():
                    acquire = (op.lock, int_value(op.value))
                case NextBDOp():
                    following = op.dest
                case EndOp():
                    pass
                case _:
                    raise BlockloomError(f"{op.name} does not belong in a descriptor block")
        if found is None or found.bd_id is None:
            raise BlockloomError("a descriptor block needs an aie.dma_bd with its bd_id")
        if (acquire is None) != (release is None):
            raise BlockloomError(f"descriptor {int_value(found.bd_id)} has one lock operation; it needs none or two")
        memory, base = place(found)
        window = decode_window(found)
        size = cast("MemRefType[Attribute]", found.buffer.type).get_shape()[0]
        if window.offset < 0 or window.highest_word() >= size:
            raise BlockloomError(
                f"descriptor {int_value(found.bd_id)} visits words {window.offset} to {window.highest_word()} of a "
                f"buffer of {size} words: {found}"
            )
        number = int_value(found.bd_id)
        chain.append(LoadedDescriptor(number, memory, base, window, acquire, release, found.first_run))
        block = following
    return chain
