"""
One point of an exploration: a network on a chip at a sparsity, and the numbers found there.

A point that cannot be compiled or simulated is a row too, with the error in place of the numbers, so that one network
that does not fit costs nothing but its own row. What was not measured is empty, not zero.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from xdsl.dialects.builtin import ModuleOp

from compiler.api import compile_model
from compiler.errors import BlockloomError
from compiler.explore.published import published_ms
from compiler.hardware.chip import chip_named
from dialects.bsr_contract import Conv2dOp, GemmOp
from dialects.bsr_weights import WeightsOp

BLOCK_PRODUCTS = 64
"""Of one 8x8 block at one tap and one pixel."""


@dataclass(frozen=True)
class Point:
    """What is compiled, and whether its cycles are simulated or only estimated."""

    model: str
    target: str
    sparsity: float
    simulated: bool


@dataclass(frozen=True)
class Row:
    """What came of a point. Columns of the table, in order; cycles are at the chip's clock."""

    model: str
    target: str
    sparsity: float
    simulated_array_cycles: int | None = None
    """From the first to the last activity of the array; None where only the estimate was asked for."""
    estimated_array_cycles: int | None = None
    ideal_mac_cycles: int | None = None
    """All products of non-zero blocks, with every multiplier of every core busy in every cycle."""
    ddr_read_bytes: int | None = None
    """From the simulation, as are those written."""
    ddr_written_bytes: int | None = None
    host_segments: int | None = None
    published_ms: float | None = None
    """Of the published system for this network, array and sparsity, by its own cost model; nothing of ours."""
    seconds: float | None = None
    """Of this machine, to compile and measure."""
    error: str = ""

    def answers(self, point: Point) -> bool:
        """Whether the point need not be measured again. Errors are tried again: they may have been mended."""
        here = (self.model, self.target, self.sparsity) == (point.model, point.target, point.sparsity)
        cycles = self.simulated_array_cycles if point.simulated else self.estimated_array_cycles
        return here and cycles is not None and not self.error


def unmeasured(point: Point, error: str) -> Row:
    """A row that says why there are no numbers."""
    row = Row(point.model, point.target, point.sparsity, error=" ".join(error.split()))
    return replace(row, published_ms=published_ms(point.model, point.target, point.sparsity))


def measure(point: Point) -> Row:
    """Compile a point and count its cycles. An error of the input is a row; a defect of ours is raised."""
    began = time.perf_counter()
    try:
        compilation = compile_model(
            point.model, target=point.target, sparsity=point.sparsity, until="aie" if point.simulated else "mem"
        )
        chip = chip_named(point.target)
        multipliers = chip.columns * chip.core_rows * chip.mac_per_cycle
        row = Row(
            point.model,
            point.target,
            point.sparsity,
            estimated_array_cycles=compilation.estimate().array_cycles,
            ideal_mac_cycles=-(-products(compilation.module("bsr")) // multipliers),
            host_segments=len(compilation.host),
            published_ms=published_ms(point.model, point.target, point.sparsity),
        )
        if point.simulated:
            simulation = compilation.simulate()
            row = replace(
                row,
                simulated_array_cycles=simulation.array_cycles,
                ddr_read_bytes=simulation.ddr_read_bytes,
                ddr_written_bytes=simulation.ddr_written_bytes,
            )
    except BlockloomError as error:
        row = unmeasured(point, str(error))
    return replace(row, seconds=round(time.perf_counter() - began, 1))


def products(module: ModuleOp) -> int:
    """Products of all non-zero blocks of a bsr module with all pixels of their outputs, channels padded to 8."""
    total = 0
    for op in module.walk():
        if isinstance(op, Conv2dOp | GemmOp):
            weights = op.weights.owner
            assert isinstance(weights, WeightsOp), "weights come from bsr.weights"
            _, _, *taps = weights.result.type.get_shape()
            _, _, *pixels = op.result.type.get_shape()
            count = weights.non_zero_blocks * BLOCK_PRODUCTS
            for size in (*taps, *pixels):
                count *= size
            total += count
    return total
