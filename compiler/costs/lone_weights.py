"""
When the weights of one core of a launch are there, as if nobody else heard its stream.

It is `compiler.costs.feed` for one stream and one core, in plain numbers. What other streams of a column do is left
out, but for the pages that they load on the same channel in between, and for their part of what DDR brings in all.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.costs.feed import loaded, moved
from compiler.costs.planned import LONG_AGO
from compiler.hardware.chip import Chip
from compiler.hardware.routes import listeners
from compiler.scheduling.ring import page_words, ring_bytes
from compiler.tiling.arena import WEIGHT_SLOTS
from compiler.tiling.launch import CoreWork, Launch


@dataclass(frozen=True)
class Ring:
    """How the pages of a core's stream of weights come to its MemTile."""

    page_words: int
    pages: int
    free: int
    """When the first pages may be loaded."""
    ahead: int
    """Pages for other cores that the channel loads before the first one,"""
    between: int
    """and from one page to the next."""
    to_core: int


class LoneWeights:
    """One stream of weights, and the only core that hears it."""

    def __init__(self, launch: Launch, work: CoreWork, chip: Chip, ring: Ring, pushed: int):
        self.chip, self.ring, self.pushed = chip, ring, pushed
        self.chunk_words = launch.chunk_words
        self.left = launch.chunk_words * launch.output_chunks(work.blocks) * launch.input_chunks
        self.columns = _columns(launch, chip)
        self.load_end, self.send_end = ring.free, -LONG_AGO
        self.page_free = [ring.free] * ring.pages
        self.page, self.position, self.taken = 0, 0, 0
        self.slot_free = [-LONG_AGO] * WEIGHT_SLOTS

    def arrive(self) -> int:
        """When the next chunk can be used."""
        chip, ring = self.chip, self.ring
        ready = max(self.send_end + chip.descriptor_cycles, self.pushed - ring.to_core)
        ready = max(ready, self.slot_free[self.taken % WEIGHT_SLOTS] - ring.to_core)
        rest = self.chunk_words
        while rest:
            if self.position == 0:
                ready = max(ready, self._load(), self.send_end + chip.descriptor_cycles)
            words = min(rest, ring.page_words - self.position)
            self.send_end = ready = max(ready, self.send_end) + int(moved(chip, words))
            self.position += words
            self.left -= words
            rest -= words
            if self.position == ring.page_words or not self.left:
                self.page_free[self.page % ring.pages] = self.send_end + chip.lock_cycles
                self.page, self.position = self.page + 1, 0
        self.taken += 1
        return self.send_end + ring.to_core + chip.lock_cycles

    def _load(self) -> int:
        """When the next page is there."""
        chip, ring = self.chip, self.ring
        to_shim = 2 * chip.hop_cycles
        columns = sum(chunks > self.taken for chunks in self.columns)
        words = loaded(chip, min(self.left, ring.page_words), columns)
        others = ring.between if self.page else ring.ahead
        self.load_end += others * (chip.descriptor_cycles + words)
        begin = max(self.load_end + chip.descriptor_cycles, self.page_free[self.page % ring.pages] - to_shim)
        self.load_end = begin + words
        return self.load_end + to_shim + chip.lock_cycles

    def give(self, time: int) -> None:
        """The oldest chunk is used at `time`."""
        self.slot_free[(self.taken - 1) % WEIGHT_SLOTS] = time


def _columns(launch: Launch, chip: Chip) -> list[int]:
    """Chunks that each column loads."""
    chunks = [launch.output_chunks(blocks) * launch.input_chunks for blocks in launch.slices]
    if launch.rings:
        return chunks[:: chip.core_rows]
    rows = (listeners(chip, column)[0][1] for column in range(chip.columns))
    return [chunks[chip.domain(row) % len(chunks)] for row in rows]


def ring_of(launch: Launch, work: CoreWork, chip: Chip) -> Ring:
    if launch.rings is None:
        page, source = page_words(chip), chip.source_column(work.column, work.row)
        to_core = chip.hop_cycles * (abs(work.column - source) + work.row + 2)
        return Ring(page, ring_bytes(chip) // (4 * page), -LONG_AGO, 0, 0, to_core)
    odd = work.row % 2
    served = len(range(odd, chip.core_rows, 2))
    # what shares its channel with activations comes when they have come
    free = 0 if odd else -LONG_AGO
    to_core = chip.hop_cycles * (work.row + 2)
    return Ring(launch.rings.page_words, launch.rings.pages, free, work.row // 2, served - 1, to_core)
