"""
What the controller reads: how many words each of its instructions takes in a transaction binary.

Sizes are those that upstream's serialiser writes (mlir-aie, AIETargetNPU; opcodes WRITE, BLOCKWRITE, MASKWRITE, TCT and
DDR_PATCH). A transaction begins with a header.
"""

from __future__ import annotations

from dataclasses import dataclass

HEADER_WORDS = 4
WRITE_WORDS = 6
MASK_WRITE_WORDS = 7
BLOCK_WRITE_WORDS = 4
"""Beside the data."""
PATCH_WORDS = 12
SYNC_WORDS = 4


@dataclass(frozen=True)
class ControllerCount:
    """Instructions of the controller, and the words that they take."""

    instructions: int = 0
    words: int = 0

    def __add__(self, other: ControllerCount) -> ControllerCount:
        return ControllerCount(self.instructions + other.instructions, self.words + other.words)


WRITE = ControllerCount(1, WRITE_WORDS)
MASK_WRITE = ControllerCount(1, MASK_WRITE_WORDS)
PATCH = ControllerCount(1, PATCH_WORDS)
SYNC = ControllerCount(1, SYNC_WORDS)
HEADER = ControllerCount(0, HEADER_WORDS)


def block_write(words: int) -> ControllerCount:
    """One block write of `words` words of data."""
    return ControllerCount(1, BLOCK_WRITE_WORDS + words)
