"""What happened, written down while it happens: when each segment was active, and how each core spent its time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class State(IntEnum):
    """What a core does: it computes, or it waits for one of four things."""

    COMPUTE = 0
    INPUT = 1
    WEIGHTS = 2
    OUTPUT = 3
    """Waits for space to put results."""
    IDLE = 4
    """Waits for a parameter block: it has nothing to do."""


@dataclass
class CoreTime:
    """One core's time as intervals without gaps from cycle 0: the state until each end."""

    ends: list[int] = field(default_factory=list[int])
    states: list[State] = field(default_factory=list[State])
    segments: list[str] = field(default_factory=list[str])
    """Whose parameter block the core had, or waited for."""

    def spend(self, state: State, until: int, segment: str = "") -> None:
        """The core was in `state` from the last end until `until`."""
        if until <= (self.ends[-1] if self.ends else 0):
            return
        if self.states and self.states[-1] is state and self.segments[-1] == segment:
            self.ends[-1] = until
        else:
            self.ends.append(until)
            self.states.append(state)
            self.segments.append(segment)


@dataclass
class CoreWork:
    """What the kernels of one core did for one segment."""

    first: int
    """First cycle of a kernel call."""
    last: int
    """End of the last one."""
    macs: int = 0
    """Products of the non-zero 8x8 blocks with pixels that are wanted; the padding of channels counts."""


@dataclass
class SegmentActivity:
    """First and last cycle in which something was done for a segment, and by which kernels."""

    first: int
    last: int
    kernels: set[str] = field(default_factory=set[str])


@dataclass
class Activity:
    """Of the whole array. Segments are in the order in which the controller comes to them."""

    segments: dict[str, SegmentActivity] = field(default_factory=dict[str, SegmentActivity])
    cores: dict[tuple[int, int], CoreTime] = field(default_factory=dict[tuple[int, int], CoreTime])
    instructions: dict[str, int] = field(default_factory=dict[str, int])
    """Of the controller, by segment."""

    def instructed(self, segment: str, count: int) -> None:
        """The controller did something for a segment."""
        self.instructions[segment] = self.instructions.get(segment, 0) + count

    def moved(self, segment: str, first: int, last: int) -> None:
        """A transfer for a segment took place in [first, last)."""
        known = self.segments.get(segment)
        if known is None:
            self.segments[segment] = SegmentActivity(first, last)
            return
        if first < known.first:
            known.first = first
        if last > known.last:
            known.last = last

    def computed(self, segment: str, kernel: str, first: int, last: int) -> None:
        """A kernel ran for a segment in [first, last)."""
        self.moved(segment, first, last)
        self.segments[segment].kernels.add(kernel)
