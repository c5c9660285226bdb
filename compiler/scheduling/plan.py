"""
What scheduling decides: buffers with a place, and for each step the bands in which it runs.

A band is a run of output rows that the MemTiles can hold together with what they need; most steps have one. Its input
maps are read where they lie in the MemTiles, or filled from DDR first; its output stays, or is spilled to DDR, or both.
In a band of a chain the launches of its steps follow each other, and what is between them stays in the MemTiles.
Time is counted in bands, and a buffer's life is an interval of it.

Bands of a segment may overlap: while one computes, the next one is filled and the one before is spilled. Nothing of
what meets in a band has an order, and all of it has ended when the next band begins.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_SETS, PARAMETER_WORDS
from compiler.scheduling.network import HostStep, Network
from compiler.scheduling.stripes import Slices, Stripes
from compiler.tiling.launch import Launch
from compiler.tiling.layer import MapShape, Range


def parameter_bytes(chip: Chip) -> int:
    """In every MemTile: sets of parameter blocks for all core rows, then one scratch word per core row."""
    return 4 * chip.core_rows * (PARAMETER_SETS * PARAMETER_WORDS + 1)


@dataclass(frozen=True)
class MapBuffer:
    """A map in DDR (`stripes` is None) or striped over the MemTiles at one address, the same in every column."""

    name: str
    number: int
    shape: MapShape
    stripes: Stripes | None
    address: int
    size: int
    """Bytes, in DDR or in each MemTile."""
    live: Range
    slices: Slices | None = None
    """Channel blocks that each MemTile holds of its rows; None for all. The others have their places, and no words."""


@dataclass(frozen=True)
class Ring:
    """
    Space in every MemTile through which all weights pass, in the order in which the cores use them.

    It is cut into pages, which know nothing of chunks and launches: so weights come from DDR as far ahead as the ring
    is long, whatever the cores are doing.
    """

    address: int
    page_words: int
    pages: int
    live: Range
    cores: int = 0
    """DEEP launches: the rings lie side by side, one for each of so many cores of a column; 0 for the broadcast's."""
    ahead: bool = False
    """DEEP launches: whether it may be filled while the step before runs."""

    @property
    def size(self) -> int:
        """Bytes in each MemTile."""
        return 4 * self.page_words * self.pages * max(self.cores, 1)


@dataclass(frozen=True)
class Transfer:
    """Rows of a map between DDR and one MemTile: a fill, or a spill if `to_ddr`."""

    ddr: MapBuffer
    memtile: MapBuffer
    column: int
    rows: Range
    to_ddr: bool
    blocks: Range | None = None
    """Channel blocks; None for all, which are one run of words."""
    row_step: int = 1
    """Of the rows each so many-th."""


@dataclass(frozen=True)
class PlannedLaunch:
    """A launch with the buffers it reads, in the order of its operands, and writes."""

    launch: Launch
    inputs: tuple[MapBuffer, ...]
    output: MapBuffer
    ring: Ring | None = None
    """DEEP launches: through which their weights come."""


@dataclass(frozen=True)
class Band:
    """Fills, then launches, then spills."""

    fills: tuple[Transfer, ...]
    launches: tuple[PlannedLaunch, ...]
    spills: tuple[Transfer, ...]

    @property
    def outputs(self) -> tuple[MapBuffer, ...]:
        """What its launches write."""
        return tuple(planned.output for planned in self.launches)


@dataclass(frozen=True)
class Segment:
    """One array step, or a chain of them, as it runs on the whole array."""

    name: str
    bands: tuple[Band, ...]
    overlaps: bool = False
    """Whether a band but the first is filled while the one before computes, and spilled while the one after it does."""

    def beside(self, number: int) -> tuple[tuple[Transfer, ...], tuple[Transfer, ...]]:
        """Fills and spills that go on while band `number` computes."""
        if not self.overlaps:
            return (), ()
        fills = self.bands[number + 1].fills if number + 1 < len(self.bands) else ()
        return fills, self.bands[number - 1].spills if number else ()

    def before(self, number: int) -> tuple[Transfer, ...]:
        """Fills that have to end before band `number` begins to compute."""
        return () if self.overlaps and number else self.bands[number].fills

    def after(self, number: int) -> tuple[Transfer, ...]:
        """Spills that follow the computing of band `number` at once."""
        return () if self.overlaps and number + 1 < len(self.bands) else self.bands[number].spills


@dataclass(frozen=True)
class HostSegment:
    """A host step with the DDR buffers of its maps."""

    step: HostStep
    inputs: tuple[MapBuffer, ...]
    outputs: tuple[MapBuffer, ...]


@dataclass(frozen=True)
class ProgramPlan:
    """Everything the memory level says."""

    network: Network
    """What the segments run, step by step: the network, with concatenations in place."""
    buffers: tuple[MapBuffer, ...]
    parameters_address: int
    """Of `parameter_bytes` in every MemTile."""
    ring: Ring | None
    """None where no layer has weights."""
    segments: tuple[Segment | HostSegment, ...]
    ddr_maps: dict[int, MapBuffer]
    memtile_height: int
    """Bytes in use in each MemTile."""
