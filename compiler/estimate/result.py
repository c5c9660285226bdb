"""
What an estimate says: for each segment its cycles and what the cores spend them on.

It reads like the simulator's result, so both print as the same table, and it is compared with it term by term.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

COPY = "copy"
"""Kind of a segment in which no kernel runs."""


@dataclass(frozen=True)
class CoreCycles:
    """Cycles of all cores together, by what they are spent on."""

    compute: int = 0
    """Kernels and the program around them."""
    input: int = 0
    weights: int = 0
    output: int = 0
    idle: int = 0
    """No parameters yet, or nothing more to do."""

    def __add__(self, other: CoreCycles) -> CoreCycles:
        return CoreCycles(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def transfer(self) -> int:
        """Waiting for words on their way to or from the core."""
        return self.input + self.weights + self.output

    @property
    def total(self) -> int:
        """All of them."""
        return self.compute + self.transfer + self.idle

    @property
    def most(self) -> str:
        """What most of the time goes to."""
        return max((field.name for field in fields(self)), key=lambda name: getattr(self, name))


@dataclass(frozen=True)
class SegmentEstimate:
    """One segment, in the order of the program."""

    name: str
    kind: str
    """Its kernels, or `copy`."""
    cycles: int
    """Of the array, from the end of the segment before."""
    core_cycles: CoreCycles
    instructions: int
    """Of the controller."""
    exposed_cycles: int
    """How much longer the segment is with the chip's controller; negative where waiting for it hides something else."""

    @property
    def bound(self) -> str:
        """`compute`, or what the cores mostly wait for."""
        return self.core_cycles.most


@dataclass(frozen=True)
class ControllerEstimate:
    """The whole time under one assumption about the controller."""

    instruction_cycles: int
    total_cycles: int


@dataclass(frozen=True)
class Estimate:
    """Cycles of a whole network."""

    array_cycles: int
    """From the first to the last activity of the array, controller instructions taking no time."""
    total_cycles: int
    """
    From the first launch to the last token, with the time of controller instructions, launches and changes of the
    configuration; the first one is loaded before.
    """
    segments: tuple[SegmentEstimate, ...]
    controller_instructions: int
    weights_instructions: int
    """Those of them that feed the weights of all segments, and are in none."""
    between_launches: tuple[int, ...]
    """
    Of each launch but the first those that wait for the one before: from its end to the push of what sends the last
    activations.
    """
    launches: int
    reconfigurations: int
    """How often the array is loaded with another configuration."""
    clock_hz: int
    controller_totals: tuple[ControllerEstimate, ...]
    """For 0.05, 0.1 and 0.4 us per instruction and for the chip's own number, the quickest first."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "array_cycles": self.array_cycles,
            "total_cycles": self.total_cycles,
            "controller_instructions": self.controller_instructions,
            "weights_instructions": self.weights_instructions,
            "between_launches": list(self.between_launches),
            "launches": self.launches,
            "reconfigurations": self.reconfigurations,
            "clock_hz": self.clock_hz,
            "controller_totals": [asdict(total) for total in self.controller_totals],
            "segments": [
                {
                    "name": segment.name,
                    "kind": segment.kind,
                    "cycles": segment.cycles,
                    "bound": segment.bound,
                    "core_cycles": asdict(segment.core_cycles),
                    "controller_instructions": segment.instructions,
                    "exposed_cycles": segment.exposed_cycles,
                }
                for segment in self.segments
            ],
        }
