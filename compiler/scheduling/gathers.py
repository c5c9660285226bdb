"""
Maps that are gathered: copied once, through the cores, so that every MemTile holds all of them.

    conv -> a,  conv (a) -> b     becomes     conv -> a,  gather (a) -> a',  conv (a') -> b

What a step leaves in rows or in slices, a DEEP convolution wants whole. A trip to DDR and back fills every MemTile with
all of it; cores bring it as broadcasts of all MemTiles at once, while DDR is free for weights. The copy is a map of its
own that nobody knows by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from compiler.costs.planned import launch_cycles
from compiler.costs.program import program_cycles
from compiler.hardware.chip import Chip
from compiler.kernels.code_size import bytes_for_kernels, kernels_bytes
from compiler.kernels.parameters import Kernel
from compiler.scheduling.by_channels import ByChannels, Layout
from compiler.scheduling.network import ArrayStep, Network, Step
from compiler.scheduling.stripes import Slices, even_stripes
from compiler.tiling.channels import copy_layer, gathered_launch, striped_gather
from compiler.tiling.layer import Destination

SHARE = 4
"""A map is gathered if it takes at most one part in so many of a MemTile: it is there once more than it was."""


@dataclass(frozen=True)
class Gather:
    """How a map is gathered, and the maps that are made from the copy."""

    manner: ByChannels
    made: frozenset[int]


def can_copy(kernels: frozenset[Kernel], chip: Chip) -> bool:
    """Whether program memory has room for a kernel that copies, beside those that there are."""
    return kernels_bytes(kernels | {Kernel.REQUANTISE}) <= bytes_for_kernels(chip)


def gather_manners(
    network: Network, index: int, number: int, slices: Slices | None, kernels: frozenset[Kernel], chip: Chip
) -> list[ByChannels]:
    """How map `number`, which step `index` writes last, can be gathered from rows, and from these slices if any."""
    shape = network.maps[number]
    if SHARE * shape.bytes > chip.memtile_bytes or not can_copy(kernels, chip):
        return []
    taken = {step.name for step in network.steps}
    name = f"{network.steps[index].name}.gather"
    while name in taken:
        name += "_"
    layer = copy_layer(name, shape)
    launches = [(Layout.ROWS, striped_gather(layer, chip, even_stripes((0, shape.height), chip.columns)))]
    if slices is not None:
        launches.append((Layout.SLICES, gathered_launch(layer, chip, slices)))
    program = program_cycles(chip, kernels | {layer.kernel}, layer.kernel)
    return [
        ByChannels([launch], launch_cycles(launch, chip, program), reads, Layout.WHOLE, slices)
        for reads, launch in launches
        if launch is not None
    ]


def with_gathers(network: Network, gathers: Mapping[int, Gather]) -> tuple[Network, dict[int, ByChannels]]:
    """The network with a step for every gather, and how each of those runs, by the map that it writes."""
    last = {indices[-1]: number for number, indices in network.writers().items() if number in gathers}
    maps, manners, copies = [*network.maps], dict[int, ByChannels](), dict[int, int]()
    steps: list[Step] = []
    for index, step in enumerate(network.steps):
        steps.append(_redirected(step, {n: copy for n, copy in copies.items() if _writes(step, gathers[n].made)}))
        if index in last:
            number = last[index]
            manner = gathers[number].manner
            layer = manner.launches[0].layer
            copies[number] = len(maps)
            manners[len(maps)] = manner
            steps.append(ArrayStep(layer.name, ((layer, (number,)),), len(maps)))
            maps.append(network.maps[number])
    hidden = network.hidden | frozenset(copies.values())
    return replace(network, maps=tuple(maps), steps=tuple(steps), hidden=hidden), manners


def _writes(step: Step, numbers: frozenset[int]) -> bool:
    return isinstance(step, ArrayStep) and step.output in numbers


def _redirected(step: Step, copies: Mapping[int, int]) -> Step:
    """A step that reads some maps' copies instead."""
    if not isinstance(step, ArrayStep):
        return step
    return replace(
        step,
        parts=tuple((layer, tuple(copies.get(number, number) for number in inputs)) for layer, inputs in step.parts),
    )


def gathers_apart(given: Network, planned: Network) -> Network:
    """`planned` without the steps that only copy a map, all of it, into one that `given` does not have."""
    count = len(given.maps)
    copies: dict[int, int] = {}
    steps: list[Step] = []
    for step in planned.steps:
        if isinstance(step, ArrayStep) and step.output >= count and _copies(step, planned):
            ((_, (number,)),) = step.parts
            copies[step.output] = number
        else:
            steps.append(_redirected(step, copies))
    if len(copies) < len(planned.maps) - count:
        return planned
    hidden = planned.hidden - frozenset(copies)
    return replace(planned, maps=planned.maps[:count], steps=tuple(steps), hidden=hidden)


def _copies(step: ArrayStep, network: Network) -> bool:
    """Whether a step copies a whole map."""
    (layer, inputs), *others = step.parts
    shapes = {layer.input, layer.output, network.maps[step.output], *(network.maps[number] for number in inputs)}
    return layer.copies and layer.destination == Destination() and not others and len(inputs) == len(shapes) == 1


def copied_maps(network: Network, first: int) -> Sequence[int]:
    """The map that each map from `first` on is a copy of."""
    made = {step.output: step for step in network.steps if isinstance(step, ArrayStep)}
    return [made[number].parts[0][1][0] for number in range(first, len(network.maps))]
