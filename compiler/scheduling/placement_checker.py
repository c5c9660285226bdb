"""The rules of a plan about places alone: addresses in range and aligned, what lives together lies apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import PARAMETER_SETS, PARAMETER_WORDS
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import ProgramPlan, Segment
from compiler.tiling.layer import Range

ALIGNMENT = 64
"""Bytes; covers every vector access and whole 8x8 blocks."""
DDR_LIMIT = 4 << 30
"""Bytes of DDR in the published system."""


@dataclass(frozen=True)
class _Space:
    """Bytes that something occupies while it lives."""

    name: str
    address: int
    size: int
    live: Range
    number: int | None = None

    def meets(self, other: _Space) -> bool:
        """Whether both occupy some byte at some time."""
        return (
            self.live[0] < other.live[1]
            and other.live[0] < self.live[1]
            and self.address < other.address + other.size
            and other.address < self.address + self.size
        )


def _written_over(network: Network) -> list[set[int]]:
    """Maps that may share a place: an addition's result and what is added, and so on through chains of additions."""
    families = [{number} for number in range(len(network.maps))]
    for step in network.steps:
        if isinstance(step, ArrayStep) and len(step.parts) == 1:
            layer, inputs = step.parts[0]
            added = layer.added(inputs)
            if not added:
                continue
            together = set[int]().union(*(families[number] for number in (*added, step.output)))
            for number in together:
                families[number] = together
    return families


def placement_faults(network: Network, plan: ProgramPlan, chip: Chip) -> list[str]:
    """Addresses out of range or unaligned, and buffers that meet."""
    faults: list[str] = []
    end = sum(len(s.bands) if isinstance(s, Segment) else 1 for s in plan.segments)
    parameters = 4 * chip.core_rows * (PARAMETER_SETS * PARAMETER_WORDS + 1)
    tile: list[_Space] = []
    if any(isinstance(segment, Segment) for segment in plan.segments):
        tile.append(_Space("the parameter blocks", plan.parameters_address, parameters, (0, max(end, 1))))
    if plan.ring is not None:
        tile.append(_Space("the ring of the weights", plan.ring.address, plan.ring.size, plan.ring.live))
    for segment in (segment for segment in plan.segments if isinstance(segment, Segment)):
        for band in segment.bands:
            rings = dict.fromkeys(planned.ring for planned in band.launches if planned.ring is not None)
            if rings:
                largest = max(rings, key=lambda ring: ring.size)
                name = f"the rings of '{segment.name}'"
                tile.append(_Space(name, largest.address, largest.size, largest.live))
    ddr: list[_Space] = []
    for buffer in plan.buffers:
        space = _Space(f"'{buffer.name}'", buffer.address, buffer.size, buffer.live, buffer.number)
        (ddr if buffer.stripes is None else tile).append(space)
        rows = [last - first for first, last in buffer.stripes or ((0, buffer.shape.height),)]
        if 4 * buffer.shape.row_words * max(rows) > buffer.size:
            faults.append(f"'{buffer.name}' has {buffer.size} bytes for {max(rows)} rows of {buffer.shape}")
        if buffer.stripes is not None and len(buffer.stripes) != chip.columns:
            faults.append(f"'{buffer.name}' has {len(buffer.stripes)} stripes on {chip.columns} columns")
        if buffer.shape != network.maps[buffer.number]:
            faults.append(f"'{buffer.name}' has the shape {buffer.shape}, map {buffer.number} has another")
    families = _written_over(network)
    for spaces, capacity, where in ((tile, plan.memtile_height, "MemTiles"), (ddr, DDR_LIMIT, "DDR")):
        for space in spaces:
            if space.address % ALIGNMENT or space.address < 0 or space.address + space.size > capacity:
                faults.append(f"{space.name} lies at {space.address}, {space.size} bytes of {capacity} in {where}")
        for one, other in combinations(spaces, 2):
            related = one.number is not None and other.number is not None and other.number in families[one.number]
            same = (one.address, one.size, one.live) == (other.address, other.size, other.live)
            if one.meets(other) and not (related and same):
                faults.append(f"{one.name} and {other.name} meet in {where}")
    if plan.memtile_height > chip.memtile_bytes:
        faults.append(f"{plan.memtile_height} bytes of each MemTile are in use, it has {chip.memtile_bytes}")
    return faults
