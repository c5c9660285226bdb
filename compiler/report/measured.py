"""One compiled network with everything the report says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from compiler.hardware.chip import Chip
from compiler.report.flows import Place, ddr_bytes, timeline_of
from compiler.report.layers import LayerRow, layer_rows
from compiler.report.occupancy import Box, memtile_boxes
from compiler.simulate import simulate
from compiler.simulate.result import Simulation, Times
from compiler.simulate.timeline import Interval
from compiler.summaries import Configuration, HostSegment, configurations, host_segments
from dialects.chip import chip_of


@dataclass(frozen=True)
class Measured:
    """What was compiled, and what its simulation says."""

    model: str
    sparsity: float
    calibrated_on: str
    chip: Chip
    simulation: Simulation
    bounds: list[int]
    """First cycle of each segment's own time, and the end of the last."""
    layers: tuple[LayerRow, ...]
    boxes: tuple[Box, ...]
    host: tuple[HostSegment, ...]
    configurations: tuple[Configuration, ...]

    @property
    def cores(self) -> int:
        """Cores of the array."""
        return self.chip.columns * self.chip.core_rows

    @property
    def macs(self) -> int:
        """Of all non-zero blocks."""
        return sum(row.time.macs for row in self.layers)

    @property
    def blocks(self) -> tuple[int, int]:
        """Non-zero and all weight blocks."""
        return sum(row.blocks[0] for row in self.layers), sum(row.blocks[1] for row in self.layers)

    @property
    def utilisation(self) -> float:
        """Share of the multiplications that the cores could have done in the array's cycles."""
        return self.macs / max(1, self.cores * self.chip.mac_per_cycle * self.simulation.array_cycles)

    @property
    def times(self) -> Times:
        """Of all cores together."""
        return sum((core.times for core in self.simulation.cores), Times())

    @property
    def ddr(self) -> dict[str, int]:
        """Bytes by way."""
        return ddr_bytes(self.simulation.links)

    @property
    def cores_by_place(self) -> Mapping[Place, Sequence[Interval]]:
        """What each core did when, by column and array row."""
        return timeline_of(self.simulation).cores


def measure(model: str, sparsity: float, calibrated_on: str, modules: Mapping[str, ModuleOp]) -> Measured:
    """Simulate the levels `bsr`, `mem` and `aie` of a compiled network, and collect what there is to say."""
    chip = chip_of(modules["aie"])
    simulation = simulate(modules["aie"], timeline=True)
    timeline = timeline_of(simulation)
    bounds = [timeline.begin, *(segment.end for segment in timeline.segments)]
    return Measured(
        model,
        sparsity,
        calibrated_on,
        chip,
        simulation,
        bounds,
        layer_rows(modules, chip, simulation),
        memtile_boxes(modules["mem"], simulation.segments, bounds),
        host_segments(modules["bsr"]),
        configurations(modules["aie"]),
    )
