"""
Maps that are gathered: copied once, through the cores, so that every MemTile holds all of them.

    conv -> a,  conv (a) -> b     becomes     conv -> a,  gather (a) -> a',  conv (a') -> b

What a step leaves in rows or in slices, a DEEP convolution wants whole. A trip to DDR and back fills every MemTile with
all of it; cores bring it as broadcasts of all MemTiles at once, while DDR is free for weights. The copy is a map of its
own that nobody knows by name. Where a kernel of one pixel has strides, it is a copy of what that looks at.
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
from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of
from compiler.scheduling.stripes import Slices, even_stripes
from compiler.tiling.channels import copy_layer, gathered_launch, striped_gather
from compiler.tiling.layer import Layer

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
    network: Network,
    index: int,
    number: int,
    strides: tuple[int, int],
    slices: Slices | None,
    kernels: frozenset[Kernel],
    chip: Chip,
) -> list[ByChannels]:
    """How map `number`, which step `index` writes last, can be gathered from rows, and from these slices if any."""
    taken = {step.name for step in network.steps}
    name = f"{network.steps[index].name}.gather"
    while name in taken:
        name += "_"
    layer = copy_layer(name, network.maps[number], strides)
    if SHARE * layer.output.bytes > chip.memtile_bytes or not can_copy(kernels, chip):
        return []
    launches = [(Layout.ROWS, striped_gather(layer, chip, even_stripes((0, layer.input.height), chip.columns)))]
    if slices is not None:
        launches.append((Layout.SLICES, gathered_launch(layer, chip, slices)))
    program = program_cycles(chip, kernels | {layer.kernel}, layer.kernel)
    return [
        ByChannels([launch], launch_cycles(launch, chip, program), reads, Layout.WHOLE, slices)
        for reads, launch in launches
        if launch is not None
    ]


def strides_of(gather: ByChannels) -> tuple[int, int]:
    """From one pixel that is gathered to the next."""
    return gather.launches[0].layer.strides


def on_copy(layer: Layer, strides: tuple[int, int]) -> Layer | None:
    """A convolution as it reads a copy of every so many-th pixel; None if it looks at others."""
    if strides == (1, 1):
        return layer
    if (layer.kernel_size, layer.strides, layer.pads) != ((1, 1), strides, (0, 0, 0, 0)):
        return None
    shape = copy_layer(layer.name, layer.input, strides).output
    return replace(layer, input=shape, strides=(1, 1)) if shape.height == layer.output.height else None


def with_gathers(network: Network, gathers: Mapping[int, Gather]) -> tuple[Network, dict[int, ByChannels]]:
    """
    The network with a step for every gather, and how each of those runs, by the map that it writes.

    A map is gathered right before it is read: what lies between may have use for its broadcasts.
    """
    maps, manners, copies = [*network.maps], dict[int, ByChannels](), dict[int, int]()
    steps: list[Step] = []
    for step in network.steps:
        read = [number for number in inputs_of(step) if number in gathers and _writes(step, gathers[number].made)]
        for number in read:
            if number not in copies:
                manner = gathers[number].manner
                layer = manner.launches[0].layer
                copies[number] = len(maps)
                manners[len(maps)] = manner
                steps.append(ArrayStep(layer.name, ((layer, (number,)),), len(maps)))
                maps.append(layer.output)
        steps.append(_with_copies(step, {number: copies[number] for number in read}, manners))
    hidden = network.hidden | frozenset(copies.values())
    return replace(network, maps=tuple(maps), steps=tuple(steps), hidden=hidden), manners


def _writes(step: Step, numbers: frozenset[int]) -> bool:
    return isinstance(step, ArrayStep) and step.output in numbers


def _with_copies(step: Step, copies: Mapping[int, int], manners: Mapping[int, ByChannels]) -> Step:
    """A step that reads some maps' copies instead."""
    if not isinstance(step, ArrayStep) or not copies:
        return step
    parts: list[tuple[Layer, tuple[int, ...]]] = []
    for layer, inputs in step.parts:
        for number in inputs:
            seen = on_copy(layer, strides_of(manners[copies[number]])) if number in copies else layer
            assert seen is not None, f"'{layer.name}' looks at more than its copy has"
            layer = seen
        parts.append((layer, tuple(copies.get(number, number) for number in inputs)))
    return replace(step, parts=tuple(parts))


def gathers_apart(given: Network, planned: Network) -> Network:
    """`planned` without the steps that only copy pixels of a map into one that `given` does not have."""
    count = len(given.maps)
    copies: dict[int, tuple[int, Layer]] = {}
    steps: list[Step] = []
    for step in planned.steps:
        if isinstance(step, ArrayStep) and step.output >= count and _copies(step, planned):
            ((layer, (number,)),) = step.parts
            copies[step.output] = number, layer
        else:
            steps.append(_without_copies(step, copies))
    if len(copies) < len(planned.maps) - count:
        return planned
    hidden = planned.hidden - frozenset(copies)
    return replace(planned, maps=planned.maps[:count], steps=tuple(steps), hidden=hidden)


def _copies(step: ArrayStep, network: Network) -> bool:
    """Whether a step copies all pixels that its strides find."""
    (layer, inputs), *others = step.parts
    wanted = copy_layer(layer.name, network.maps[inputs[0]], layer.strides)
    same = layer.same_as(replace(wanted, gamma=layer.gamma))
    return same and not others and len(inputs) == 1 and network.maps[step.output] == layer.output


def _without_copies(step: Step, copies: Mapping[int, tuple[int, Layer]]) -> Step:
    """A step that reads the maps themselves."""
    if not isinstance(step, ArrayStep):
        return step
    parts: list[tuple[Layer, tuple[int, ...]]] = []
    for layer, inputs in step.parts:
        strides = {copies[number][1].strides for number in inputs if number in copies} - {(1, 1)}
        if strides:
            ((number,), (stride,)) = inputs, strides
            given = replace(layer, input=copies[number][1].input, strides=stride)
            seen = on_copy(given, stride)
            layer = given if seen is not None and seen.same_as(layer) else layer
        parts.append((layer, tuple(copies[number][0] if number in copies else number for number in inputs)))
    return replace(step, parts=tuple(parts))


def copied_maps(network: Network, first: int) -> Sequence[int]:
    """The map that each map from `first` on is a copy of."""
    made = {step.output: step for step in network.steps if isinstance(step, ArrayStep)}
    return [made[number].parts[0][1][0] for number in range(first, len(network.maps))]
