"""
Which of two kernels computes the convolutions of a network: they divide rows into steps of different sizes.

A program of the cores has room for one of them, so all layers take the one with which they take fewer cycles together:
those of kernel calls, row by row, each layer on the map that it has. What a mapping does beyond that, rows joined or a
map as one row, makes steps of the largest size, which both have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from math import prod

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.code_size import unfit
from compiler.kernels.cycles import conv_cycles
from compiler.kernels.parameters import Kernel, with_called
from compiler.scheduling.network import ArrayStep, Network
from compiler.scheduling.plan import ProgramPlan
from compiler.scheduling.program import plan_program
from compiler.tiling.layer import Layer

Parts = tuple[tuple[Layer, tuple[int, ...]], ...]
"""Of a step: each layer with the numbers of its input maps."""


def plan_with_steps(network: Network, chip: Chip) -> tuple[Network, ProgramPlan]:
    """
    The network with the kernel that its convolutions are planned with, and the plan. Raises CapacityError as planning.

    A row of 14 pixels has more partial sums in longer steps: a network that does not fit with them has the others.
    """
    faster = with_faster_steps(network, chip)
    if faster is not network:
        with suppress(CapacityError):
            return faster, plan_program(faster, chip)
    return network, plan_program(network, chip)


def with_faster_steps(network: Network, chip: Chip) -> Network:
    """
    The network with `Kernel.CONV_20` where that takes fewer cycles; as it is if something else calls `Kernel.CONV`, or
    if the kernels would not fit the program memory together.
    """
    kernels = frozenset[Kernel]().union(*(step.kernels for step in network.steps if isinstance(step, ArrayStep)))
    others = kernels - {Kernel.CONV}
    if Kernel.CONV not in kernels or Kernel.CONV in with_called(others) or unfit(others | {Kernel.CONV_20}, chip):
        return network
    usual, longer = (
        sum(_cycles(layer, chip, kernel) for layer in _convolutions(network))
        for kernel in (Kernel.CONV, Kernel.CONV_20)
    )
    return network if usual <= longer else _with_longer_steps(network)


def _convolutions(network: Network) -> Iterator[Layer]:
    for step in network.steps:
        if isinstance(step, ArrayStep):
            yield from (layer for layer, _ in step.parts if layer.kernel is Kernel.CONV)


def _cycles(layer: Layer, chip: Chip, kernel: Kernel) -> int:
    """Of one call for each row, on one core."""
    row = conv_cycles(
        chip,
        width=layer.output.width,
        taps=layer.kernel_size[0],
        blocks=layer.output.blocks,
        first=True,
        last=True,
        entries=int(layer.gamma.sum()) * prod(layer.kernel_size),
        kernel=kernel,
    )
    return layer.output.height * row


def _with_longer_steps(network: Network) -> Network:
    steps = [
        replace(step, parts=_longer(step.parts)) if isinstance(step, ArrayStep) else step for step in network.steps
    ]
    return replace(network, steps=tuple(steps))


def _longer(parts: Parts) -> Parts:
    plain = Kernel.CONV
    return tuple((replace(each, kernel=Kernel.CONV_20) if each.kernel is plain else each, maps) for each, maps in parts)
