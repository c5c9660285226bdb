"""
Cores: each runs its program until it has to wait for a lock, and every cycle of its time has a name.

Between two acquires a core computes: its own scalar code and the kernels it calls, as long as the cycle model says.
While it waits, the lock says for what, by its name: `input…`, `weights…`, `output…` or `parameters…`. The last one
means that the core has nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from compiler.errors import InputError
from compiler.hardware.chip import Chip
from compiler.kernels.cycles import Work, kernel_cycles
from compiler.kernels.parameters import PARAMETER_WORDS, Kernel, Parameter
from compiler.kernels.semantics import Call
from compiler.kernels.weight_chunk import ChunkView
from compiler.simulate.activity import Activity, CoreTime, CoreWork, State
from compiler.simulate.core_code import END, CoreCode, Program
from compiler.simulate.events import EventQueue, Priority, SimulationError
from compiler.simulate.locks import Lock
from compiler.simulate.memory import Memory, Words

_STATES = {"input": State.INPUT, "weights": State.WEIGHTS, "output": State.OUTPUT, "parameters": State.IDLE}
BLOCK_MACS = 8 * 8
"""Of one non-zero block and one pixel."""
Durations = dict[tuple[str, bytes, int, int, int, int, Work], int]
"""Cycles by kernel, parameters without taps, output blocks and rows, first and last chunk, and what the call finds."""
CallKey = tuple[int, bytes, int, int, int, int, int]
"""Kernel, parameters with taps, place of the weights, output blocks and rows, first and last chunk."""
_KERNELS = {kernel.symbol: kernel for kernel in Kernel}


def waiting_state(lock: str) -> State:
    """What a core waits for at a lock of this name."""
    for word, state in _STATES.items():
        if lock.startswith(word):
            return state
    raise InputError(
        f"lock '{lock}' of a core does not say what is waited for; its name has to begin with one of "
        f"{', '.join(_STATES)}"
    )


@dataclass(eq=False)
class Core:
    """One core at (column, row)."""

    place: tuple[int, int]
    chip: Chip
    code: CoreCode
    memories: list[Memory]
    locks: list[Lock]
    events: EventQueue
    activity: Activity
    durations: Durations
    """Shared by all cores."""
    time: CoreTime = field(default_factory=CoreTime)
    program: Program = field(init=False)
    resumed: int = 0
    asked: int = 0
    """When it last asked for a lock."""
    waits_for: State | None = None
    """Set while it waits."""
    calls: dict[CallKey, tuple[int, int]] = field(default_factory=dict[CallKey, tuple[int, int]])
    """Cycles and products of kernel calls, by all that they depend on in one version of the arena's weights."""
    version: int = -1
    """Of the arena, for which these are right."""
    work: dict[str, CoreWork] = field(default_factory=dict[str, CoreWork])
    """By segment."""

    def __post_init__(self) -> None:
        unknown = [symbol for symbol in self.code.kernels if symbol not in _KERNELS]
        if unknown:
            raise SimulationError(
                f"core {self.place} calls '{unknown[0]}', which the cycle model does not know; known are "
                f"{', '.join(_KERNELS)}"
            )
        self.states = [waiting_state(lock.name) for lock in self.locks]
        named = (memory for memory in self.memories if memory.name.startswith("parameters"))
        self.parameters = next(named, Memory("no parameters", None))
        self.request = (0, 0)
        self.program = self.code.start(self.memories, self._release, self._call)
        self.events.at(0, Priority.CORE, self._continue)

    def _continue(self) -> None:
        """Run to the next acquire that takes time."""
        self.resumed = self.events.now
        number, amount, cycles = next(self.program)
        self.request = (number, amount)
        self.events.at(self.resumed + cycles, Priority.CORE, self._ask)

    def _ask(self) -> None:
        now = self.asked = self.events.now
        self.time.spend(State.COMPUTE, now, self.parameters.segment)
        number, amount = self.request
        if number == END:
            self.waits_for = State.IDLE
        elif self.locks[number].acquire(amount, self._granted):
            self._continue()
        else:
            self.waits_for = self.states[number]

    def _granted(self) -> None:
        assert self.waits_for is not None, "only a waiting core is granted a lock"
        self.time.spend(self.waits_for, self.events.now, self.parameters.segment)
        self.waits_for = None
        self.events.at(self.events.now, Priority.CORE, self._continue)

    def end(self, cycle: int) -> None:
        """The array has come to rest: until then the core waited, if only because its program was over."""
        if self.waits_for is not None:
            self.time.spend(self.waits_for, cycle, self.parameters.segment)

    def _release(self, number: int, amount: int, cycles: int) -> None:
        self.locks[number].release(amount, self.resumed + cycles)

    def _call(self, kernel: int, cycles: int, params: int, arena: int, *scalars: int) -> int:
        """Cycles of a kernel call that begins `cycles` after the core was resumed."""
        parameters, memory, call = self.memories[params], self.memories[arena], Call(*scalars)
        words = parameters.words
        if words is None or not parameters.version:
            raise SimulationError(
                f"core {self.place} calls '{self.code.kernels[kernel]}' before a parameter block came from the weights "
                "argument, so the length of the call is not known"
            )
        if memory.version != self.version:
            self.calls.clear()
            self.version = memory.version
        # rows differ in where their data lies, which takes no time
        block = words[: PARAMETER_WORDS + _looked_at(words, call)].tobytes()
        key = (kernel, block, call.weights, call.blocks, call.rows, call.first, call.last)
        known = self.calls.get(key)
        if known is None:
            known = self.calls[key] = self._length(self.code.kernels[kernel], words, memory, call)
        duration, macs = known
        begin = self.resumed + cycles
        segment = parameters.segment
        self.activity.computed(segment, self.code.kernels[kernel], begin, begin + duration)
        done = self.work.get(segment)
        if done is None:
            done = self.work[segment] = CoreWork(begin, begin)
        done.last = begin + duration
        done.macs += macs
        return duration

    def _length(self, symbol: str, words: Words, arena: Memory, call: Call) -> tuple[int, int]:
        """Cycles and products of a call that has not been made with these weights before."""
        taps, entries = words.item(Parameter.TAPS), 0
        on_map = words[PARAMETER_WORDS : PARAMETER_WORDS + _looked_at(words, call)] >= 0
        if _KERNELS[symbol].convolves:
            pointers, stride = self._chunk_head(arena, call, taps), words.item(Parameter.ROW_STRIDE)
            windows = (on_map[row * stride : row * stride + taps] for row in range(call.rows))
            entries = sum(_count_entries(pointers, call.blocks, window) for window in windows)
        work = Work(int(np.count_nonzero(on_map[:taps])), entries)
        if _KERNELS[symbol].multiplies_maps:
            entries = call.blocks * words.item(Parameter.DEPTH)
        key = (symbol, words[:PARAMETER_WORDS].tobytes(), call.blocks, call.rows, call.first, call.last, work)
        if key not in self.durations:
            self.durations[key] = kernel_cycles(self.chip, _KERNELS[symbol], words, call, work)
        return self.durations[key], entries * BLOCK_MACS * words.item(Parameter.WIDTH)

    def _chunk_head(self, arena: Memory, call: Call, taps: int) -> Words:
        """The row pointers of the chunk."""
        view = ChunkView.of(call.blocks, taps)
        start, end = call.weights + view.pointers, call.weights + view.bias
        if arena.words is None or not arena.knows(start, end):
            raise SimulationError(
                f"core {self.place} convolves in cycle {self.events.now} with weights at words [{start}, {end}) of its "
                "arena, which did not come from the weights argument"
            )
        return arena.words[start:end]


def _looked_at(words: Words, call: Call) -> int:
    """Entries of the row table that a call looks at."""
    return words.item(Parameter.TAPS) + (call.rows - 1) * words.item(Parameter.ROW_STRIDE)


def _count_entries(pointers: Words, blocks: int, taps: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    lengths = np.diff(pointers).reshape(blocks, taps.size)
    return int(lengths[:, taps].sum())
