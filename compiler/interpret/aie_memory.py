"""
Memories that start poisoned and know who touched each word when, so that unordered accesses are found, not met by luck.

Every agent (controller, core, DMA channel, host) has a vector clock: how much it knows of every other agent's progress.
Locks, streams, task queues and tokens carry that knowledge. An access to a word is ordered after an earlier one if the
agent knows of it; if not, the program has a race, whatever order this run happened to take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.errors import BlockloomError

Clock = npt.NDArray[np.int64]
Where = slice | npt.NDArray[np.int64]
NOBODY = -1
HOST = 0
"""The first actor of every machine."""


class RaceError(BlockloomError):
    """Two accesses to the same words that nothing orders, or a read of words that nothing wrote."""


@dataclass(eq=False)
class Actor:
    """Something that acts on its own, with what it knows of the others."""

    number: int
    name: str
    clock: Clock

    def learn(self, other: Clock) -> None:
        """Take over what another one knew."""
        np.maximum(self.clock, other, out=self.clock)

    def tell(self) -> Clock:
        """What this one knows now; what it does later is not part of it."""
        told = self.clock.copy()
        self.clock[self.number] += 1
        return told


class Memory:
    """Words with their history."""

    def __init__(self, name: str, words: int, rng: np.random.Generator):
        self.name = name
        self.words = rng.integers(-(2**31), 2**31, words, dtype=np.int32)
        self.writer = np.full(words, NOBODY, np.int16)
        self.written = np.zeros(words, np.int64)
        self.readers: dict[int, npt.NDArray[np.int64]] = {}
        self.names: dict[int, str] = {}

    def settle(self) -> None:
        """Everything so far is ordered before everything that comes, whoever acts then: the host wrote what is here."""
        self.writer[self.writer != NOBODY] = HOST
        self.written[:] = 0
        self.readers.clear()

    def _first(self, where: Where, bad: npt.NDArray[np.bool_]) -> int:
        offset = int(np.flatnonzero(bad)[0])
        return where.start + offset if isinstance(where, slice) else int(where[offset])

    def note_read(self, actor: Actor, where: Where) -> None:
        """Check and record a read. Raises RaceError."""
        writer = self.writer[where]
        if writer.size == 0:
            return
        nobody = writer == NOBODY
        if nobody.any():
            raise RaceError(f"{actor.name} reads word {self._first(where, nobody)} of {self.name}: nothing wrote it")
        unordered = actor.clock[writer] < self.written[where]
        if unordered.any():
            word = self._first(where, unordered)
            raise RaceError(
                f"{actor.name} reads word {word} of {self.name}, which {self.names[int(self.writer[word])]} wrote; "
                "nothing orders the two"
            )
        if actor.number not in self.readers:
            self.readers[actor.number] = np.zeros(self.words.size, np.int64)
            self.names[actor.number] = actor.name
        self.readers[actor.number][where] = actor.clock[actor.number]

    def note_write(self, actor: Actor, where: Where) -> None:
        """Check and record a write. Raises RaceError."""
        writer = self.writer[where]
        known = writer != NOBODY
        unordered = known & (actor.clock[writer] < self.written[where])
        if unordered.any():
            word = self._first(where, unordered)
            raise RaceError(
                f"{actor.name} writes word {word} of {self.name}, which {self.names[int(self.writer[word])]} wrote; "
                "nothing orders the two"
            )
        for reader, times in self.readers.items():
            if reader == actor.number:
                continue
            unordered = times[where] > actor.clock[reader]
            if unordered.any():
                raise RaceError(
                    f"{actor.name} writes word {self._first(where, unordered)} of {self.name}, which "
                    f"{self.names[reader]} reads; nothing orders the two"
                )
        self.names[actor.number] = actor.name
        self.writer[where] = actor.number
        self.written[where] = actor.clock[actor.number]

    def read(self, actor: Actor, where: Where) -> npt.NDArray[np.int32]:
        """Words, copied."""
        self.note_read(actor, where)
        return self.words[where].copy()

    def write(self, actor: Actor, where: Where, values: npt.NDArray[np.int32]) -> None:
        """Store words."""
        self.note_write(actor, where)
        self.words[where] = values
