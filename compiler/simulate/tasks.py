"""
Tasks under way: a chain of descriptors bound to the memories and locks of one simulated array, with its counters.

How often each descriptor has run decides where its next run begins. The count stays when a task ends and goes back to
0 when the descriptor is written again, which is when its task is configured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

from compiler.simulate.descriptors import Descriptor, TaskForm
from compiler.simulate.locks import Lock
from compiler.simulate.memory import Memory, Pattern

Grant = tuple[Lock, int]
"""A lock and an amount of it."""


@dataclass(eq=False, slots=True)
class Step:
    """One descriptor of a task."""

    memory: Memory
    pattern: Pattern
    words: int
    padded: bool
    offset: int
    wrap: int
    stride: int
    acquire: Grant | None
    release: Grant | None
    count: int
    """Runs since it was written, and those that it was written to begin behind."""

    @property
    def start(self) -> int:
        """Of the next run, in words of the memory."""
        return self.offset + self.count % self.wrap * self.stride


@dataclass(eq=False, slots=True)
class Task:
    """What one channel runs as often as a start says."""

    chain: tuple[Step, ...]
    token: bool
    tokens: int = 0
    """Completions that nobody has awaited yet."""
    awaiting: Callable[[], None] | None = field(default=None)

    @classmethod
    def of(cls, form: TaskForm, memories: Mapping[SSAValue, Memory], locks: Mapping[SSAValue, Lock]) -> Task:
        """A task that was just written."""
        return cls(tuple(_step(part, memories, locks) for part in form.chain), form.token)

    def completed(self) -> None:
        """All runs of one start are over; whoever awaits the token goes on."""
        if not self.token:
            return
        self.tokens += 1
        if self.awaiting is not None:
            resume, self.awaiting = self.awaiting, None
            resume()


def _step(part: Descriptor, memories: Mapping[SSAValue, Memory], locks: Mapping[SSAValue, Lock]) -> Step:
    acquire = None if part.acquire is None else (locks[part.acquire[0]], part.acquire[1])
    release = None if part.release is None else (locks[part.release[0]], part.release[1])
    return Step(
        memory=memories[part.buffer],
        pattern=part.pattern,
        words=part.words,
        padded=part.padded,
        offset=part.offset,
        wrap=part.wrap,
        stride=part.step,
        acquire=acquire,
        release=release,
        count=part.first,
    )
