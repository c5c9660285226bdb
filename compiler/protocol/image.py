"""The weights argument of the runtime sequences, and runs of words in it and elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compiler.transfers.window import Window

ACTIVATIONS = "activations"
WEIGHTS = "weights"


def linear(offset: int, words: int, wrap: int = 1, step: int = 0) -> Window:
    """One run of words, perhaps iterated over slots."""
    return Window(0, offset, (words,), (1,), (), wrap, step if wrap > 1 else 0)


@dataclass
class Image:
    """Everything that the shims load, in the order of each channel. Words are appended once."""

    parts: list[npt.NDArray[np.int32]] = field(default_factory=list[npt.NDArray[np.int32]])
    size: int = 0

    def append(self, *parts: npt.NDArray[np.int32]) -> int:
        """Add words, one part behind the other; where they begin."""
        start = self.size
        self.parts += parts
        self.size += sum(part.size for part in parts)
        return start

    def words(self) -> npt.NDArray[np.int32]:
        """The whole image."""
        return np.concatenate(self.parts) if self.parts else np.zeros(1, np.int32)
