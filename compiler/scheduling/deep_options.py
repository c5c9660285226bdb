"""
What each step of a network may do: divide its maps by rows, or run in one of the ways that do not, and what that takes.

Only a step of one layer that is the only one to write its map has such ways: a convolution that is faster DEEP, and
what never mixes channels behind one. A map between steps may be gathered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from compiler.costs.planned import launch_cycles
from compiler.costs.program import program_cycles
from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.scheduling.additions import Cycles, sums
from compiler.scheduling.by_channels import ByChannels, Layout, stays
from compiler.scheduling.gathers import gather_manners, on_copy, strides_of
from compiler.scheduling.network import ArrayStep, Network, inputs_of, outputs_of
from compiler.scheduling.stripes import Slices
from compiler.tiling.channels import gathered_launch, sliced_launch
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.deep_planner import DeepPlanner
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer


def single_layers(network: Network) -> Iterator[tuple[int, Layer, tuple[int, ...]]]:
    """Steps that could be among them: one layer that is the only one to write its result, and the maps it reads."""
    writers = network.writers()
    for index, step in enumerate(network.steps):
        if isinstance(step, ArrayStep) and len(step.parts) == 1 and len(writers[step.output]) == 1:
            ((layer, inputs),) = step.parts
            yield index, layer, inputs


def slices_of(launches: list[Launch], chip: Chip) -> Slices | None:
    """Channel blocks that a launch leaves in each column; None if there are several launches."""
    if len(launches) > 1:
        return None
    (launch,) = launches
    mine = [[work.blocks for work in launch.cores if work.column == column] for column in range(chip.columns)]
    return tuple((min(first for first, _ in each), max(last for _, last in each)) for each in mine)


@dataclass
class Options:
    """What each step may do, with the cycles that it takes by rows."""

    network: Network
    convolutions: ConvPlanner
    cycles: Cycles
    by_rows: dict[int, int] = field(default_factory=dict[int, int])
    ways: dict[int, list[ByChannels]] = field(default_factory=dict[int, list[ByChannels]])
    saved: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """Of a convolution that could make a sum at once: the step of the sum, and cycles that are saved so."""
    gathers: dict[int, list[ByChannels]] = field(default_factory=dict[int, list[ByChannels]])
    """How each map could be gathered."""

    @cached_property
    def makers(self) -> dict[int, int]:
        """The step that writes each map."""
        return {number: index for index, step in enumerate(self.network.steps) for number in outputs_of(step)}

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """The steps that read each map."""
        found: dict[int, list[int]] = {}
        for index, step in enumerate(self.network.steps):
            for number in inputs_of(step):
                found.setdefault(number, []).append(index)
        return found

    @property
    def chip(self) -> Chip:
        """Where all this runs."""
        return self.convolutions.chip

    def find(self) -> None:
        """Look at every step, in order."""
        planner, additions = DeepPlanner(self.convolutions), sums(self.network)
        for index, layer, inputs in single_layers(self.network):
            try:
                if layer.kernel.plain_conv and layer.addition is None:
                    (output,) = outputs_of(self.network.steps[index])
                    self._convolution(planner, index, layer, additions.get(output))
                elif not layer.kernel.weighted and layer.product is None:
                    self._channels(index, layer, inputs)
            except CapacityError:
                # what has no launches in one piece is for the planner of bands
                continue
        for number, index in self.makers.items():
            step, maps = self.network.steps[index], (self.ways.get(index, []), self._readers_ways(number))
            if isinstance(step, ArrayStep) and any(maps):
                slices = next((way.slices for way in maps[0] if way.slices), None)
                kernels = self.convolutions.kernels
                self.gathers[number] = [
                    manner
                    for strides in self._strides(number)
                    for manner in gather_manners(self.network, index, number, strides, slices, kernels, self.chip)
                ]

    def _convolution(self, planner: DeepPlanner, index: int, layer: Layer, addition: Layer | None) -> None:
        alone = self.cycles(layer)
        least = alone
        if addition is not None:
            saved = alone + self.cycles(addition) - self.cycles(replace(layer, addition=addition))
            (output,) = outputs_of(self.network.steps[index])
            self.saved[index] = (self.readers[output][0], max(saved, 0))
            least -= max(saved, 0)
        self.by_rows[index] = alone
        deep = planner.plan(layer, least)
        if deep is not None:
            slices = slices_of(deep.launches, self.chip)
            self.ways[index] = [ByChannels(deep.launches, deep.cycles, Layout.WHOLE, Layout.SLICES, slices)]

    def _channels(self, index: int, layer: Layer, inputs: tuple[int, ...]) -> None:
        """What never mixes channels may go on with what a step before it left."""
        slices = next((way.slices for number in inputs for way in self._made(number) if way.slices), None)
        if slices is None or layer.input.blocks != layer.output.blocks:
            return
        self.by_rows[index] = self.cycles(layer)
        program = program_cycles(self.chip, self.convolutions.kernels | {layer.kernel}, layer.kernel)
        kinds: tuple[tuple[Callable[[Layer, Chip, Slices], Launch | None], Layout], ...] = (
            (sliced_launch, Layout.SLICES),
            (gathered_launch, Layout.WHOLE),
        )
        found: list[ByChannels] = []
        for make, writes in kinds:
            launch = make(layer, self.chip, slices)
            if launch is not None:
                cycles = launch_cycles(launch, self.chip, program)
                found.append(ByChannels([launch], cycles, Layout.SLICES, writes, slices))
        if found:
            self.ways[index] = found

    def _readers_ways(self, number: int) -> list[ByChannels]:
        return [way for reader in self.readers.get(number, []) for way in self.ways.get(reader, [])]

    def _strides(self, number: int) -> list[tuple[int, int]]:
        """From pixel to pixel of what readers of a map look at: of all that is there, and of less."""
        layers = (layer for reader in self.readers.get(number, []) for layer in self.layers(reader))
        return list(dict.fromkeys([(1, 1), *(layer.strides for layer in layers if on_copy(layer, layer.strides))]))

    def layers(self, reader: int) -> list[Layer]:
        """The layer of a step that may find its map whole."""
        step = self.network.steps[reader]
        return [layer for layer, _ in step.parts] if isinstance(step, ArrayStep) and reader in self.ways else []

    def serves(self, gather: ByChannels, reader: int, way: ByChannels | None) -> bool:
        """Whether a step finds what it looks at in what is gathered."""
        if strides_of(gather) == (1, 1):
            return stays(gather, way)
        return way is not None and all(on_copy(layer, strides_of(gather)) for layer in self.layers(reader))

    def _made(self, number: int) -> list[ByChannels]:
        maker = self.makers.get(number)
        return [] if maker is None else self.ways.get(maker, [])
