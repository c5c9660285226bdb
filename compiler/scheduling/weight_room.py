"""
No more room for weights than they take: the slots in the cores are as long as the longest chunk of any launch.

Slots never move, so they are chosen before the layers are mapped, and as long as the chip says. Where all chunks of the
plan that follows are clearly shorter, what is left of the slots serves rows and partial sums: the network is planned
once more, with slots of that length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from compiler.costs.planned import launch_cycles
from compiler.costs.program import program_cycles
from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.scheduling.plan import ProgramPlan, Segment
from compiler.tiling.arena import SLOT_STEP, WEIGHT_SLOTS, weight_slot_words
from compiler.tiling.launch import Launch

CLEARLY = 7, 8
"""Ours: chunks fill at most this share of a slot where a plan is made again, which takes as long as the first."""


def with_room(plan: ProgramPlan, chip: Chip, again: Callable[[Chip], ProgramPlan]) -> ProgramPlan:
    """`plan`, or what `again` makes of a chip that sets aside less for weights, if its launches take fewer cycles."""
    slot = weight_slot_words(chip)
    longest = max((launch.chunk_words for launch in _launches(plan)), default=0)
    words = -(-longest // SLOT_STEP) * SLOT_STEP
    if not words or words * CLEARLY[1] > slot * CLEARLY[0]:
        return plan
    with suppress(CapacityError):
        other = again(replace(chip, core_weight_bytes=4 * WEIGHT_SLOTS * words))
        return min((plan, other), key=lambda each: _cycles(each, chip))
    return plan


def _launches(plan: ProgramPlan) -> Iterator[Launch]:
    for segment in plan.segments:
        if isinstance(segment, Segment):
            yield from (planned.launch for band in segment.bands for planned in band.launches)


def _cycles(plan: ProgramPlan, chip: Chip) -> int:
    """Of all launches, each by itself."""
    launches = list(_launches(plan))
    kernels = frozenset[Kernel](launch.layer.kernel for launch in launches)
    return sum(launch_cycles(each, chip, program_cycles(chip, kernels, each.layer.kernel)) for each in launches)
