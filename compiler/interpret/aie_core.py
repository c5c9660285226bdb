"""A core as an agent: its program, with kernels done by their numpy meaning on the core's memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.ir import SSAValue

from compiler.errors import BlockloomError
from compiler.interpret.aie_machine import Agent, LockTable
from compiler.interpret.aie_memory import Actor, Memory
from compiler.interpret.core_program import Program
from compiler.kernels.footprint import footprint
from compiler.kernels.parameters import CORE_PARAMETER_WORDS, PARAMETER_WORDS, Kernel
from compiler.kernels.semantics import KERNELS, Call

KERNEL_NAMES = {kernel.symbol: kernel for kernel in Kernel}


@dataclass(eq=False)
class CoreHost:
    """What a core's program acts on. `buffers` gives the first word and the size of each of the core's buffers."""

    actor: Actor
    memory: Memory
    buffers: dict[SSAValue, tuple[int, int]]
    locks: LockTable
    calls: int = 0

    def _word(self, buffer: SSAValue, index: int) -> int:
        first, size = self.buffers[buffer]
        if not 0 <= index < size:
            raise BlockloomError(f"{self.actor.name} accesses word {index} of a buffer of {size} words")
        return first + index

    def load(self, buffer: SSAValue, index: int) -> int:
        """A word of the core's memory."""
        return int(self.memory.words[self._word(buffer, index)])

    def store(self, buffer: SSAValue, index: int, value: int) -> None:
        """Write a word of the core's memory."""
        self.memory.words[self._word(buffer, index)] = value

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
        touched = footprint(kernel, params, arena, call)
        for low, high in touched.reads:
            self.memory.note_read(self.actor, slice(start + low, start + high))
        for low, high in touched.writes:
            self.memory.note_write(self.actor, slice(start + low, start + high))
        KERNELS[kernel](params, arena, call)
        self.calls += 1


def run_core(agent: Agent, host: CoreHost, program: Program) -> Generator[str, None, None]:
    """The core's life: run until a lock stops it."""
    for lock, count in program(host):
        yield from host.locks.acquire(agent, lock, count)
