"""What decides the time of one launch: numbers per core, wherever they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.kernels.parameters import Kernel
from compiler.tiling.launch import Rings

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Stream:
    """The chunks of weights that some rows of cores hear: entries of each chunk by vertical tap."""

    entries: Numbers
    """[chunk][tap]"""
    chunks: int


TABLE_STREAM = Stream(np.zeros((1, 1), np.int64), 1)
"""A table of values, which has no blocks."""


@dataclass(frozen=True, eq=False)
class LaunchFacts:
    """One launch. Arrays run over all cores of the chip, column by column; idle cores take part with 0 rows."""

    kernel: Kernel
    parameters: Mapping[str, int]
    """Common ones."""
    column: Numbers
    row: Numbers
    rows: Numbers
    stream_rows: Numbers
    origin: Numbers
    input_slots: Numbers
    output_chunks: Numbers
    blocks: Numbers
    last_blocks: Numbers
    input_words: Numbers
    """Words of one row of the stream, that of a skip row included."""
    output_words: Numbers
    """Words of one output row of a full chunk."""
    last_words: Numbers
    """Words of one output row of the last chunk."""
    stream: Numbers
    """Which of `streams` each core hears."""
    streams: tuple[Stream, ...]
    chunk_words: int
    input_descriptors: int
    """Descriptors of the MemTile that send one row of the stream."""
    deep: bool
    """Whether the input is broadcast."""
    rings: Rings | None
    """The rings through which each core of a DEEP launch gets weights of its own."""

    @property
    def rows_together(self) -> int:
        """Output rows of a kernel call."""
        return max(self.parameters.get("rows_together", 1), 1)

    @property
    def input_chunks(self) -> int:
        """Passes per output chunk."""
        return self.parameters["input_chunks"]

    @property
    def passes(self) -> Numbers:
        """Passes of each core over its input."""
        return self.output_chunks * self.input_chunks

    @property
    def stays(self) -> bool:
        """Whether cores keep their input: its rows arrive in the passes of the first output chunk only."""
        return bool(self.parameters["stays"])

    @property
    def skips_alone(self) -> bool:
        """Whether all output chunks but the first bring skip rows only."""
        return bool(self.parameters.get("skips_alone", 0))

    @property
    def skip_words(self) -> Numbers:
        """Words of a skip row, where they come alone."""
        return np.maximum(self.input_words - self.parameters["skip"], 0)

    @property
    def received_words(self) -> Numbers:
        """Words that arrive at each core as its input."""
        if self.skips_alone:
            return self.stream_rows * (self.input_words + (self.output_chunks - 1) * self.skip_words)
        chunks = np.minimum(self.output_chunks, 1) if self.stays else self.output_chunks
        return self.input_chunks * chunks * self.stream_rows * self.input_words
