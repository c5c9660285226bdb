"""
Descriptors and tasks as the DMA engines see them, read from `aiex.dma_configure_task`.

A descriptor moves `words` words: those of its pattern, and zeros around them where a MemTile pads. Its iteration
moves the start by a step per run and turns around after `wrap` runs; the counter stays when a task ends and goes
to `first` when the descriptor is written again, which is when its task is configured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from xdsl.dialects.builtin import DenseArrayBase, MemRefType
from xdsl.ir import Attribute, Block, SSAValue

from compiler.simulate.events import SimulationError
from compiler.simulate.memory import Pattern
from dialects.aie import DMABDOp, EndOp, LockAction, NextBDOp, UseLockOp, int_value
from dialects.aiex import DMAConfigureTaskOp
from dialects.notes import ITERATION


@dataclass(frozen=True)
class Descriptor:
    """One buffer descriptor: the locks around it with the amounts, and the words it moves per run."""

    buffer: SSAValue
    offset: int
    words: int
    pattern: Pattern
    wrap: int = 1
    step: int = 0
    acquire: tuple[SSAValue, int] | None = None
    release: tuple[SSAValue, int] | None = None
    first: int = 0

    @property
    def padded(self) -> bool:
        """Whether zeros are sent that are not in memory."""
        return self.words != self.pattern.words


@dataclass(frozen=True)
class TaskForm:
    """A chain of descriptors that one channel runs `runs` times per start, unless that says another number."""

    chain: tuple[Descriptor, ...]
    runs: int
    token: bool


def _blocks(op: DMAConfigureTaskOp) -> Iterator[Block]:
    """The chain in order. A chain that returns to itself never ends, and then nothing can wait for it."""
    block: Block | None = op.body.blocks[0]
    seen: set[Block] = set()
    while block is not None:
        if block in seen:
            raise SimulationError(
                "a task's chain of descriptors returns to itself; a task has an end and a repeat count"
            )
        seen.add(block)
        yield block
        last = block.last_op
        block = last.dest if isinstance(last, NextBDOp) else None


def _elements(buffer: SSAValue) -> int:
    return math.prod(cast("MemRefType[Attribute]", buffer.type).get_shape())


def _shape(op: DMABDOp) -> tuple[int, Pattern, int, int]:
    """Words moved, data pattern and iteration. Of dimensions beyond `len` the first is the iteration."""
    length = int_value(op.len) if op.len is not None else _elements(op.buffer)
    note = op.attributes.get(ITERATION)
    wrap, step = 1, 0
    if isinstance(note, DenseArrayBase):
        wrap, step = (int(value) for value in note.get_values())
    if op.dimensions is None:
        return length, Pattern((length,), (1,)), wrap, step
    dimensions = list(op.dimensions.data)
    padding = list(op.pad_dimensions.data) if op.pad_dimensions is not None else [(0, 0)] * len(dimensions)
    moved = math.prod(size + sum(pad) for (size, _), pad in zip(dimensions, padding, strict=True))
    if note is None and moved != length:
        (wrap, step), *dimensions = dimensions
        moved = math.prod(size + sum(pad) for (size, _), pad in zip(dimensions, padding[1:], strict=True))
    if moved != length:
        raise SimulationError(
            f"a descriptor has a length of {length} words, but its dimensions {op.dimensions.data} with padding "
            f"{padding} make {moved}; the first dimension may be left out as the iteration"
        )
    sizes, strides = zip(*dimensions, strict=True)
    return length, Pattern(sizes, strides), wrap, step


def read_task(op: DMAConfigureTaskOp) -> TaskForm:
    """The task that an op describes."""
    chain: list[Descriptor] = []
    for block in _blocks(op):
        acquire: tuple[SSAValue, int] | None = None
        release: tuple[SSAValue, int] | None = None
        found: DMABDOp | None = None
        for part in block.ops:
            match part:
                case UseLockOp():
                    use = (part.lock, int_value(part.value))
                    match part.lock_action:
                        case LockAction.AcquireGreaterEqual:
                            acquire = use
                        case LockAction.Release:
                            release = use
                        case LockAction.Acquire:
                            raise SimulationError(
                                "a descriptor acquires a lock by equality; only AcquireGreaterEqual and Release are "
                                "simulated"
                            )
                case DMABDOp():
                    found = part
                case NextBDOp() | EndOp():
                    pass
                case _:
                    raise SimulationError(f"a descriptor of a task holds '{part.name}'")
        if found is None:
            raise SimulationError("a descriptor of a task moves nothing; it needs an aie.dma_bd")
        words, pattern, wrap, step = _shape(found)
        offset, first = int_value(found.offset), found.first_run
        chain.append(Descriptor(found.buffer, offset, words, pattern, wrap, step, acquire, release, first))
    return TaskForm(tuple(chain), int_value(op.repeat_count) + 1, bool(int_value(op.issue_token)))
