"""A core as an agent: its program, and kernel calls on the core's memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from compiler.errors import BlockloomError
from compiler.interpret.aie_kernels import KernelCalls
from compiler.interpret.aie_machine import Agent, LockTable
from compiler.interpret.aie_memory import Actor, Memory
from compiler.interpret.core_program import Program
from compiler.kernels.footprint import footprint
from compiler.kernels.parameters import (
    CORE_PARAMETER_WORDS,
    LOOKUP_WORDS,
    PARAMETER_WORDS,
    TABLE_WORDS,
    Kernel,
    Parameter,
)
from compiler.kernels.rescaling import HEAD_WORDS, rescaling_words
from compiler.kernels.semantics import Call
from compiler.kernels.weight_chunk import BLOCK_WORDS, ChunkView

KERNEL_NAMES = {kernel.symbol: kernel for kernel in Kernel}


def _sensible(kernel: Kernel, params: npt.NDArray[np.int32], arena: npt.NDArray[np.int32], call: Call) -> bool:
    """Whether parameters, and the head of a chunk of weights, can be what they are taken for."""
    taps = int(params[Parameter.TAPS])
    offsets = (call.weights, call.out, call.partial)
    # an area of no words may lie at the very end of the arena; what is touched is looked at by the caller
    looked_at = taps + (call.rows - 1) * int(params[Parameter.ROW_STRIDE])
    if min(call.blocks, call.rows, taps) < 1 or not taps <= looked_at <= TABLE_WORDS:
        return False
    if not all(0 <= offset <= arena.size for offset in offsets):
        return False
    if kernel.multiplies_maps:
        return 0 < int(params[Parameter.DEPTH]) <= arena.size and taps == 1 and int(params[PARAMETER_WORDS]) >= 0
    if not kernel.convolves:
        return not kernel.weighted or call.weights + LOOKUP_WORDS <= arena.size
    view = ChunkView.of(call.blocks, taps)
    rescaling = int(params[Parameter.RESCALING_WORDS]) if kernel is Kernel.SCALED_CONV else HEAD_WORDS
    if rescaling not in (HEAD_WORDS, rescaling_words(taps)):
        return False
    head = arena[call.weights : call.weights + view.bias]
    pointers = head[view.pointers :]
    if head.size < view.bias or pointers[0] != 0 or (np.diff(pointers) < 0).any():
        return False
    if kernel is Kernel.SCALED_CONV and int(head[0]) < view.offsets + call.blocks * rescaling:
        return False
    return call.weights + int(head[0]) + int(pointers[-1]) * BLOCK_WORDS <= arena.size


@dataclass(eq=False)
class CoreHost:
    """What a core's program acts on. `buffers` gives the first word and the size of each of the core's buffers."""

    actor: Actor
    memory: Memory
    buffers: dict[SSAValue, tuple[int, int]]
    locks: LockTable
    kernels: KernelCalls

    def _word(self, buffer: SSAValue, index: int) -> int:
        first, size = self.buffers[buffer]
        if not 0 <= index < size:
            raise BlockloomError(f"{self.actor.name} accesses word {index} of a buffer of {size} words")
        return first + index

    def load(self, buffer: SSAValue, index: int) -> int:
        """A word of the core's memory; it must have arrived."""
        word = self._word(buffer, index)
        self.memory.note_read(self.actor, slice(word, word + 1))
        return int(self.memory.words[word])

    def store(self, buffer: SSAValue, index: int, value: int) -> None:
        """Write a word of the core's memory."""
        word = self._word(buffer, index)
        self.memory.note_write(self.actor, slice(word, word + 1))
        self.memory.words[word] = value

    def release(self, lock: SSAValue, value: int) -> None:
        """Release a lock, which tells others what this core has done."""
        self.locks.release(self.actor, lock, value)

    def call(self, name: str, arguments: Sequence[Any]) -> None:
        """Run a kernel; every word it reads must have arrived, every word it writes must be its own."""
        if name not in KERNEL_NAMES:
            raise BlockloomError(f"{self.actor.name} calls @{name}, which is no kernel")
        kernel = KERNEL_NAMES[name]
        first, _ = self.buffers[arguments[0]]
        params = self.memory.words[first : first + CORE_PARAMETER_WORDS]
        self.memory.note_read(self.actor, slice(first, first + PARAMETER_WORDS))
        start, size = self.buffers[arguments[1]]
        arena = self.memory.words[start : start + size]
        call = Call(*arguments[2:])
        if not _sensible(kernel, params, arena, call):
            raise BlockloomError(f"{self.actor.name} calls @{name} with {call} on words that are no parameters for it")
        touched = footprint(kernel, params, arena, call)
        for low, high in (*touched.reads, *touched.writes):
            if low < 0 or high > size:
                raise BlockloomError(f"{self.actor.name} calls @{name} on words {low} to {high} of an arena of {size}")
        for low, high in touched.reads:
            self.memory.note_read(self.actor, slice(start + low, start + high))
        for low, high in touched.writes:
            self.memory.note_write(self.actor, slice(start + low, start + high))
        try:
            self.kernels.run(kernel, params, arena, call)
        except (IndexError, ValueError) as error:
            raise BlockloomError(f"{self.actor.name} calls @{name} with {call}, which no row holds: {error}") from error


def run_core(agent: Agent, host: CoreHost, program: Program) -> Generator[str, None, None]:
    """The core's life: run until a lock stops it."""
    for lock, count in program(host):
        yield from host.locks.acquire(agent, lock, count)
