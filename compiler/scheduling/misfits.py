"""
Steps that no plan has room for: asked of each step alone, before a network is planned.

A step never has more room than alone: its maps come from DDR and go there, no other map is in the MemTiles, and no
other kernel is in the program of the cores. What all steps have in common is the share of a core that is set aside for
weights, so the question is asked once for each share; planning succeeds with one for which every step fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.code_size import unfit
from compiler.kernels.parameters import Kernel
from compiler.scheduling.drafts import Drafts
from compiler.scheduling.network import ArrayStep, Network, inputs_of
from compiler.scheduling.program import weight_shares
from compiler.scheduling.residency import Residency
from compiler.scheduling.ring import ring_bytes
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, Range
from compiler.tiling.matmul import plan_matmul
from compiler.tiling.pointwise import plan_pointwise


def misfits(network: Network, chip: Chip) -> dict[int, str]:
    """
    The steps that do not fit, by index, each with the reason.

    Of all shares the one that leaves out the least work decides, the first of equals.
    """
    least: dict[int, str] | None = None
    for share in weight_shares(chip):
        # where none of the misfits so far would fit, there are no fewer
        if least is not None and len(_misfits(network, share, least)) == len(least):
            continue
        found = _misfits(network, share, range(len(network.steps)))
        if least is None or work_of(network, found) < work_of(network, least):
            least = found
        if not least:
            break
    assert least is not None, "a chip has shares to try"
    return least


def work_of(network: Network, steps: Iterable[int]) -> int:
    """What it costs to compute some steps elsewhere: their products, and the bytes that they read and write."""
    total = 0
    for index in steps:
        step = network.steps[index]
        if isinstance(step, ArrayStep):
            total += sum(network.maps[number].bytes for number in (*inputs_of(step), step.output))
            total += sum(_products(layer) for layer, _ in step.parts)
    return total


def _products(layer: Layer) -> int:
    if layer.product is not None:
        return layer.input.channels // layer.product.heads * layer.output.channels * layer.output.width
    if not layer.kernel.convolves:
        return 0
    each = 64 * prod(layer.kernel_size) * layer.output.height * layer.output.width
    return each * int(_with_blocks(layer).gamma.sum())


def _with_blocks(layer: Layer) -> Layer:
    """Weights that are not known yet read as zeros, so a layer without any block is asked as if it had all."""
    return layer if layer.gamma.any() else replace(layer, gamma=np.ones_like(layer.gamma))


def _misfits(network: Network, chip: Chip, asked: Iterable[int]) -> dict[int, str]:
    """Those of some steps with one share."""
    steps = [step for step in network.steps if isinstance(step, ArrayStep)]
    kernels = frozenset[Kernel]().union(*(step.kernels for step in steps))
    weighted = any(kernel.weighted for kernel in kernels)
    chip = chip if weighted else replace(chip, core_weight_bytes=0)
    convolutions = ConvPlanner(chip, kernels)

    def require(layer: Layer, column_rows: Sequence[Range]) -> list[Launch]:
        """In place of a planner: refuses what that refuses."""
        if layer.kernel.convolves:
            convolutions.require(_with_blocks(layer), column_rows)
        elif layer.product is not None:
            plan_matmul(layer, chip, column_rows)
        else:
            plan_pointwise(layer, chip, column_rows)
        return []

    found: dict[int, str] = {}
    for index in asked:
        step = network.steps[index]
        if isinstance(step, ArrayStep) and (reason := unfit(step.kernels, chip)):
            found[index] = f"layer '{step.name}' does not fit a core: {reason}"
        elif isinstance(step, ArrayStep):
            reserved = ring_bytes(chip) if weighted else 0
            alone = Drafts(Network(network.maps, (step,), ()), chip, require, reserved)
            try:
                choice, _, _ = Residency(alone, lambda _: 0).solve()
                alone.band_launches(0, choice.ways[0].bands)
            except CapacityError as error:
                found[index] = str(error)
    return found
