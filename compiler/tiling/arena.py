"""The memory of a core while a launch runs: which parts it has, and how many words there are for them."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import CORE_PARAMETER_WORDS
from compiler.kernels.row_steps import SURPLUS_WORDS

WEIGHT_SLOTS = 2
"""Slots of weights in every core: one arrives while the other is in use."""


OUTPUT_SLACK_WORDS = -(-SURPLUS_WORDS // 8) * 8
"""A convolution computes up to 28 pixels at once, some of them behind the last row; kept to a multiple of 32 bytes."""


@dataclass(frozen=True)
class Arena:
    """
    Core memory of one launch, in words from the arena's start.

    The weight slots come first and are the same for every launch of a program, so that the chunks of one launch may
    arrive while the one before still computes. The rest is laid out anew by each launch.
    """

    weight_slot: int
    input_slot: int
    input_slots: int
    output_slot: int
    output_slots: int
    partial_row: int
    """Partial sums of one output row; 0 where input channels are not split and sums are not multiplied."""
    partial_rows: int

    @property
    def input_base(self) -> int:
        """The input ring follows the weights."""
        return WEIGHT_SLOTS * self.weight_slot

    @property
    def output_base(self) -> int:
        """Output slots follow the input ring."""
        return self.input_base + self.input_slot * self.input_slots

    @property
    def partial_base(self) -> int:
        """Partial sums come last."""
        return self.output_base + self.output_slot * self.output_slots

    @property
    def words(self) -> int:
        """Words in use."""
        return self.partial_base + self.partial_row * self.partial_rows


def arena_words(chip: Chip) -> int:
    """Words of core memory that launches may use: what stack and parameters leave."""
    return (chip.core_memory_bytes - chip.core_stack_bytes) // 4 - CORE_PARAMETER_WORDS


SLOT_STEP = 16
"""Words of which a weight slot has a multiple."""


def weight_slot_words(chip: Chip) -> int:
    """Words of each weight slot: what the chip sets aside, though never more than half of the arena for all of them."""
    return min(chip.core_weight_bytes // 4, arena_words(chip) // 2) // WEIGHT_SLOTS // SLOT_STEP * SLOT_STEP
