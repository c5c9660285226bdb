"""
How the skip rows of a convolution come to a core: each right behind the input row of its output row.

So a row of the core's stream is two windows of a MemTile, one of the input and one of the map that is added, and there
are two ways to go through the stream, a pass for each chunk of weights:

    by rows      one chain with a pair of windows for every row, which moves on from pass to pass and runs once for each
    by passes    a chain with one pair of windows for every pass, which moves on from row to row and runs once for each

A descriptor moves on in one direction only. The shorter of both is taken.
"""

from __future__ import annotations

from enum import Enum

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import LARGEST_WEIGHT_SHIFT, Kernel, Parameter
from compiler.tiling.launch import CoreWork, Launch
from compiler.tiling.layer import Layer

MOST_PASSES = 2
"""Of those that have chains of their own: each is a task in a queue that also holds parameters, twice."""


class Order(Enum):
    """How the windows of a stream with skip rows are listed."""

    BY_ROWS = "by rows"
    BY_PASSES = "by passes"
    ALONE = "skips alone"
    """The rows of the first pass one after the other, then the skip rows of each other one."""


def can_add(conv: Layer, addition: Layer) -> bool:
    """
    Whether a convolution can make its sum with another map: it takes one input row for each output row, both have the
    same rounding, and the kernel shifts operands so far.
    """
    given, sums = dict(conv.constants), dict(addition.constants)
    shifts = [sums.get(shift, 0) for shift in (Parameter.SHIFT_A, Parameter.SHIFT_B)]
    return (
        conv.kernel.plain_conv
        and addition.kernel is Kernel.ADD
        and (conv.kernel_size[0], conv.strides, conv.pads[0], conv.pads[2]) == (1, (1, 1), 0, 0)
        and given.get(Parameter.ROUNDING, 0) == sums.get(Parameter.ROUNDING, 0)
        and max(shifts) <= LARGEST_WEIGHT_SHIFT
    )


def skip_order(launch: Launch, work: CoreWork) -> Order | None:
    """How a core's stream is listed; None if it cannot be."""
    chunks = launch.output_chunks(work.blocks)
    passes = chunks * launch.input_chunks
    if launch.skips_alone:
        return Order.ALONE
    if passes <= min(MOST_PASSES, work.rows):
        return Order.BY_PASSES
    if chunks == 1 or launch.input_chunks == 1:
        return Order.BY_ROWS
    return Order.BY_PASSES if passes <= MOST_PASSES else None


def skip_descriptors(launch: Launch, work: CoreWork) -> int:
    """Descriptors of the MemTile that a core's stream takes."""
    passes = launch.output_chunks(work.blocks) * launch.input_chunks
    if launch.skips_alone:
        return 3
    return 2 * (work.rows if skip_order(launch, work) is Order.BY_ROWS else passes)


def skip_faults(launch: Launch, work: CoreWork, chip: Chip) -> list[str]:
    """Why skip rows cannot come to a core; empty if they can, or if there are none."""
    addition = launch.layer.addition
    if addition is None:
        return []
    faults: list[str] = []
    if not can_add(launch.layer, addition):
        faults.append("the convolution cannot add rows to those that it makes")
    if work.block_count % launch.output_chunk:
        faults.append(f"{work.block_count} blocks in chunks of {launch.output_chunk}, skip rows have one length")
    order = skip_order(launch, work)
    if order is None:
        faults.append(f"{launch.output_chunks(work.blocks)} x {launch.input_chunks} passes with skip rows in each")
    if order in (Order.BY_PASSES, Order.ALONE) and work.rows > chip.most_turns:
        faults.append(f"{work.rows} rows to add, a descriptor iterates and its task runs {chip.most_turns} times")
    return faults
