"""
The ring through which all weights pass in every MemTile: how large its pages are, and how many there are.

Maps come first: the ring asks for a small share of the MemTile, and takes what the maps have left in the end.
"""

from __future__ import annotations

from compiler.hardware.chip import Chip
from compiler.scheduling.plan import Ring

PAGE_WORDS = 1024
"""Words of a page: long enough that setting a descriptor up does not count, short enough to pass on soon."""
SHARE = 16
"""The ring is promised one part in so many of the MemTile."""
ALIGNMENT = 64
"""Bytes; that of every buffer."""


def page_words(chip: Chip) -> int:
    """Words of a page; at least two pages fit the promised share."""
    return max(16, min(PAGE_WORDS, chip.memtile_words // SHARE // 2 // 16 * 16))


def ring_bytes(chip: Chip) -> int:
    """Bytes that the maps must leave to the ring."""
    page = 4 * page_words(chip)
    return max(2, chip.memtile_bytes // SHARE // page) * page


def widest_ring(chip: Chip, height: int, end: int) -> Ring:
    """The ring above `height` bytes of maps, alive until `end`. A lock counts its pages, a task iterates over them."""
    page = 4 * page_words(chip)
    address = -(-height // ALIGNMENT) * ALIGNMENT
    pages = min((chip.memtile_bytes - address) // page, chip.most_turns, chip.lock_limit)
    return Ring(address, page // 4, pages, (0, end))
