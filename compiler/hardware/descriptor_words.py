"""
Buffer descriptors as the words that are written to a tile: which field lies in which bits.

    descriptor   length, base address, dimensions, padding, iteration, locks, successor, packet
    words        6 of a core, 8 of a MemTile or a shim

Fields are those of AM025 ("DMA_BD0_0" and so on of the memory, MemTile and NoC modules; the same on AIE2 and AIE2P).
Steps are stored minus one, the iteration's wrap too. The outermost dimension ends with the length, so its wrap is
written where there is a field that holds it and is 0, "no wrap", elsewhere. A value that its field does not hold is
refused: hardware would keep the low bits. `decode` is the inverse of `encode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import prod

from compiler.errors import CapacityError

Pair = tuple[int, int]


class TileKind(StrEnum):
    """The three kinds of tiles with a DMA engine."""

    CORE = "core"
    MEMTILE = "MemTile"
    SHIM = "shim"


@dataclass(frozen=True)
class Field:
    """`width` bits of word `word`, from bit `low` upward."""

    word: int
    low: int
    width: int

    @property
    def limit(self) -> int:
        """The largest value."""
        return (1 << self.width) - 1


Layout = dict[str, Field]


def _tail(word: int) -> Layout:
    """The last word of a core's and of a shim's descriptor: successor, validity and locks."""
    return {
        "next": Field(word, 27, 4),
        "use_next": Field(word, 26, 1),
        "valid": Field(word, 25, 1),
        "release_value": Field(word, 18, 7),
        "release_lock": Field(word, 13, 4),
        "acquire_enable": Field(word, 12, 1),
        "acquire_value": Field(word, 5, 7),
        "acquire_lock": Field(word, 0, 4),
    }


def _packet(word: int) -> Layout:
    return {"packet": Field(word, 30, 1), "packet_id": Field(word, 19, 5), "packet_type": Field(word, 16, 3)}


LAYOUTS: dict[TileKind, Layout] = {
    TileKind.CORE: {
        "base": Field(0, 14, 14),
        "length": Field(0, 0, 14),
        **_packet(1),
        "step_1": Field(2, 13, 13),
        "step_0": Field(2, 0, 13),
        "wrap_1": Field(3, 21, 8),
        "wrap_0": Field(3, 13, 8),
        "step_2": Field(3, 0, 13),
        "iteration_current": Field(4, 19, 6),
        "iteration_wrap": Field(4, 13, 6),
        "iteration_step": Field(4, 0, 13),
        **_tail(5),
    },
    TileKind.MEMTILE: {
        "packet": Field(0, 31, 1),
        "packet_type": Field(0, 28, 3),
        "packet_id": Field(0, 23, 5),
        "length": Field(0, 0, 17),
        "before_0": Field(1, 26, 6),
        "next": Field(1, 20, 6),
        "use_next": Field(1, 19, 1),
        "base": Field(1, 0, 19),
        "wrap_0": Field(2, 17, 10),
        "step_0": Field(2, 0, 17),
        "before_1": Field(3, 27, 5),
        "wrap_1": Field(3, 17, 10),
        "step_1": Field(3, 0, 17),
        "before_2": Field(4, 27, 4),
        "wrap_2": Field(4, 17, 10),
        "step_2": Field(4, 0, 17),
        "after_2": Field(5, 28, 4),
        "after_1": Field(5, 23, 5),
        "after_0": Field(5, 17, 6),
        "step_3": Field(5, 0, 17),
        "iteration_current": Field(6, 23, 6),
        "iteration_wrap": Field(6, 17, 6),
        "iteration_step": Field(6, 0, 17),
        "valid": Field(7, 31, 1),
        "release_value": Field(7, 24, 7),
        "release_lock": Field(7, 16, 8),
        "acquire_enable": Field(7, 15, 1),
        "acquire_value": Field(7, 8, 7),
        "acquire_lock": Field(7, 0, 8),
    },
    TileKind.SHIM: {
        "length": Field(0, 0, 32),
        "base": Field(1, 0, 32),
        **_packet(2),
        "wrap_0": Field(3, 20, 10),
        "step_0": Field(3, 0, 20),
        "burst": Field(4, 30, 2),
        "wrap_1": Field(4, 20, 10),
        "step_1": Field(4, 0, 20),
        "cache": Field(5, 24, 4),
        "step_2": Field(5, 0, 20),
        "iteration_current": Field(6, 26, 6),
        "iteration_wrap": Field(6, 20, 6),
        "iteration_step": Field(6, 0, 20),
        **_tail(7),
    },
}
"""Fields that are always 0 (compression, out-of-order ids, security) are not listed."""

WORDS: dict[TileKind, int] = {TileKind.CORE: 6, TileKind.MEMTILE: 8, TileKind.SHIM: 8}
DIMENSIONS: dict[TileKind, int] = {TileKind.CORE: 3, TileKind.MEMTILE: 4, TileKind.SHIM: 3}
"""Data dimensions, beside the iteration."""

SHIM_CACHE = 2
"""AxCache of every shim descriptor: lets the network widen accesses (upstream since #2559)."""

MEMTILE_WINDOW_WORDS = 131072
"""A MemTile's descriptor sees its western neighbour's memory, then its own, then its eastern neighbour's."""
MEMTILE_WINDOW_LOCKS = 64
"""Likewise for locks."""


@dataclass(frozen=True)
class DescriptorFields:
    """
    What a descriptor says, in words, dimensions outermost first.

    `base` and the lock numbers are as the tile's engine counts them: in a MemTile from the western neighbour onward.
    Of a shim's descriptor `base` is 0 until the host's address is patched in. Locks are (number, count): wait until
    the lock holds at least `count` and take it; add `count` at the end.
    """

    length: int
    base: int = 0
    sizes: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    padding: tuple[Pair, ...] = ()
    wrap: int = 1
    step: int = 1
    acquire: Pair | None = None
    release: Pair | None = None
    following: int | None = None
    packet: Pair | None = None
    """Type and id."""
    current: int = 0
    """The iteration with which it begins: engines count on from there, and back to 0 behind the last one."""

    def normalised(self) -> DescriptorFields:
        """The same with no dimension that does nothing, and no dimensions at all where one run of words is meant."""
        sizes, strides, pads = self.sizes, self.strides, self.padding or ((0, 0),) * len(self.sizes)
        while sizes and sizes[0] == 1 and strides[0] == 1 and pads[0] == (0, 0):
            sizes, strides, pads = sizes[1:], strides[1:], pads[1:]
        if len(sizes) == 1 and strides == (1,) and pads == ((0, 0),):
            sizes, strides, pads = (), (), ()
        padding = pads if any(pad != (0, 0) for pad in pads) else ()
        step = self.step if self.wrap > 1 else 1
        return DescriptorFields(
            self.length, self.base, sizes, strides, padding, self.wrap, step,
            self.acquire, self.release, self.following, self.packet, self.current if self.wrap > 1 else 0,
        )  # fmt: skip


def encode(kind: TileKind, fields: DescriptorFields) -> tuple[int, ...]:
    """The words of a descriptor. Raises CapacityError for what has no field, or too small a one, there."""
    layout = LAYOUTS[kind]
    values: dict[str, int] = {"length": fields.length, "base": fields.base, "valid": 1}
    _encode_dimensions(kind, layout, fields, values)
    if fields.wrap > 1:
        values["iteration_wrap"] = fields.wrap - 1
        values["iteration_step"] = fields.step - 1
        values["iteration_current"] = fields.current
    if fields.acquire is not None:
        number, count = fields.acquire
        values |= {"acquire_lock": number, "acquire_enable": 1, "acquire_value": _seven_bits(kind, -count)}
    if fields.release is not None:
        number, count = fields.release
        values |= {"release_lock": number, "release_value": _seven_bits(kind, count)}
    if fields.following is not None:
        values |= {"next": fields.following, "use_next": 1}
    if fields.packet is not None:
        values |= {"packet": 1, "packet_type": fields.packet[0], "packet_id": fields.packet[1]}
    if kind is TileKind.SHIM:
        values["cache"] = SHIM_CACHE
    words = [0] * WORDS[kind]
    for name, value in values.items():
        field = layout[name]
        if not 0 <= value <= field.limit:
            raise CapacityError(
                f"a {kind} descriptor holds {name} as 0 to {field.limit} in {field.width} bits, found {value}"
            )
        words[field.word] |= value << field.low
    return tuple(words)


def _encode_dimensions(kind: TileKind, layout: Layout, fields: DescriptorFields, values: dict[str, int]) -> None:
    """Wraps, steps and pads, innermost first, into `values`."""
    if len(fields.sizes) > DIMENSIONS[kind]:
        raise CapacityError(f"a {kind} descriptor has {DIMENSIONS[kind]} dimensions, found {len(fields.sizes)}")
    inner = list(zip(reversed(fields.sizes), reversed(fields.strides), strict=True))
    for dimension, (size, stride) in enumerate(inner):
        values[f"step_{dimension}"] = stride - 1
        wrap = layout.get(f"wrap_{dimension}")
        outermost = dimension == len(inner) - 1
        if wrap is not None and not (outermost and size > wrap.limit and not fields.padding):
            values[f"wrap_{dimension}"] = size
    for dimension, (before, after) in enumerate(reversed(fields.padding)):
        if (before or after) and f"before_{dimension}" not in layout:
            raise CapacityError(f"a {kind} descriptor cannot pad its dimension {dimension} (0 is the innermost)")
        if before or after:
            values |= {f"before_{dimension}": before, f"after_{dimension}": after}


def _seven_bits(kind: TileKind, value: int) -> int:
    """Two's complement of a lock's value."""
    if not -64 <= value <= 63:
        raise CapacityError(f"a {kind} descriptor changes a lock by -64 to 63, found {value}")
    return value & 0x7F


def decode(kind: TileKind, words: Sequence[int]) -> DescriptorFields:
    """What the words of a descriptor say, normalised."""
    layout = LAYOUTS[kind]
    value = {name: words[field.word] >> field.low & field.limit for name, field in layout.items()}
    dimensions: list[tuple[int, int, Pair]] = []
    moved = 1
    for dimension in range(DIMENSIONS[kind]):
        stride = value[f"step_{dimension}"] + 1
        pads = (value.get(f"before_{dimension}", 0), value.get(f"after_{dimension}", 0))
        wrap = value.get(f"wrap_{dimension}", 0)
        size = wrap or value["length"] // moved - sum(pads)
        dimensions.append((size, stride, pads))
        moved *= size + sum(pads)
        if not wrap:
            break
    sizes, strides, padding = zip(*reversed(dimensions), strict=True)
    acquired = value["acquire_value"]
    return DescriptorFields(
        value["length"],
        value["base"],
        sizes,
        strides,
        padding,
        value["iteration_wrap"] + 1,
        value["iteration_step"] + 1,
        (value["acquire_lock"], 128 - acquired if acquired > 63 else -acquired) if value["acquire_enable"] else None,
        (value["release_lock"], value["release_value"]) if value["release_value"] else None,
        value["next"] if value["use_next"] else None,
        (value["packet_type"], value["packet_id"]) if value["packet"] else None,
        value["iteration_current"],
    ).normalised()


def moved_words(fields: DescriptorFields) -> int:
    """Words that the dimensions move, with padding; the length where there are none."""
    pads = fields.padding or ((0, 0),) * len(fields.sizes)
    return (
        prod(size + sum(pad) for size, pad in zip(fields.sizes, pads, strict=True)) if fields.sizes else fields.length
    )
