"""
Which steps do not divide their maps by rows, by cost: what they gain against what it costs to bring their maps there.

A DEEP convolution wants its whole map in every MemTile, and leaves in each the channels of that column's cores. What
never mixes channels can go on from there, and may leave the map whole for the next one (`compiler.tiling.channels`). A
map that its reader does not find as it wants it is gathered, or goes through DDR, whatever takes less time.

    cost = launches + words of each trip over the channels of a column + first weights behind a broadcast of a map

The search starts from all that are faster by themselves, and changes the step that helps most until none does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from compiler.costs.feed import loaded, moved
from compiler.costs.planned import launch_cycles
from compiler.costs.program import program_cycles
from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.scheduling.additions import Cycles, sums
from compiler.scheduling.by_channels import ByChannels, Layout, stays
from compiler.scheduling.gathers import Gather, gather_manners, on_copy, strides_of
from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of, outputs_of
from compiler.scheduling.stripes import Slices
from compiler.tiling.channels import gathered_launch, sliced_launch
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.deep_planner import DeepPlanner
from compiler.tiling.launch import Launch, weight_slot_words
from compiler.tiling.layer import Layer, MapShape

Choice = Mapping[int, ByChannels]
"""Steps that do not divide their maps by rows, and how they run."""


def _layers(network: Network) -> Iterator[tuple[int, Layer, tuple[int, ...]]]:
    """Steps that could be among them: one layer that is the only one to write its result, and the maps it reads."""
    writers = network.writers()
    for index, step in enumerate(network.steps):
        if isinstance(step, ArrayStep) and len(step.parts) == 1 and len(writers[step.output]) == 1:
            ((layer, inputs),) = step.parts
            yield index, layer, inputs


def _trip(words: int, chip: Chip) -> int:
    """Cycles in which every column moves so many words."""
    return chip.descriptor_cycles + loaded(chip, words, chip.columns)


def _divided(shape: MapShape, chip: Chip) -> int:
    """Cycles in which every column moves its part of a map."""
    return _trip(-(-shape.row_words * shape.height // chip.columns), chip)


def _entire(layer: Layer, chip: Chip) -> int:
    """Cycles in which a map comes to every MemTile, as far as a layer looks at it."""
    return _trip(layer.input.row_words * len(range(0, layer.input.height, layer.row_step)), chip)


def _slices_of(launches: list[Launch], chip: Chip) -> Slices | None:
    """Channel blocks that a launch leaves in each column; None if there are several launches."""
    if len(launches) > 1:
        return None
    (launch,) = launches
    mine = [[work.blocks for work in launch.cores if work.column == column] for column in range(chip.columns)]
    return tuple((min(first for first, _ in each), max(last for _, last in each)) for each in mine)


def _kernels(step: Step) -> frozenset[Kernel]:
    return step.kernels if isinstance(step, ArrayStep) else frozenset()


@dataclass
class _Options:
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
        for index, layer, inputs in _layers(self.network):
            try:
                if layer.kernel is Kernel.CONV and layer.addition is None:
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
            slices = _slices_of(deep.launches, self.chip)
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


class _Costs:
    """Cycles of a network for any choice, as far as they depend on it."""

    def __init__(self, options: _Options):
        self.options, self.chip, maps = options, options.chip, options.network.maps
        self.part = [_divided(shape, self.chip) for shape in maps]
        self.entire = {index: _entire(layer, self.chip) for index, layer, _ in _layers(options.network)}
        steps = [options.network.steps[index] for index in options.ways]
        self.touched = {number for step in steps for number in (*inputs_of(step), *outputs_of(step))}
        self.late = int(moved(self.chip, weight_slot_words(self.chip)))
        """Cycles in which weights are broadcast, that could not be while a map was."""

    def gather(self, number: int, choice: Choice) -> ByChannels | None:
        """How a map is best gathered; None if it is not."""
        maker = choice.get(self.options.makers.get(number, -1))
        best, least = None, self._trips(number, choice, None)
        for way in self.options.gathers.get(number, []):
            cycles = way.cycles + self._trips(number, choice, way) if stays(maker, way) else least
            if cycles < least:
                best, least = way, cycles
        return best

    def _trips(self, number: int, choice: Choice, gather: ByChannels | None) -> int:
        """The trips of one map. Those that it makes whatever is chosen count as if they did not."""
        maker = choice.get(self.options.makers.get(number, -1))
        ways = {reader: choice.get(reader) for reader in self.options.readers.get(number, [])}
        if maker is None and not any(ways.values()):
            return 0
        filled = 0
        for reader, way in ways.items():
            if not stays(maker, way) and not (gather and self.options.serves(gather, reader, way)):
                filled += self.entire[reader] if way and way.reads is Layout.WHOLE else self.part[number]
        return self.part[number] + filled if filled else 0

    def _map(self, number: int, choice: Choice) -> int:
        """What it takes to bring a map to its readers."""
        gather = self.gather(number, choice)
        return self._trips(number, choice, gather) + (gather.cycles if gather else 0)

    def of(self, choice: Choice) -> int:
        """All of it."""
        options, total = self.options, 0
        for index in options.ways.keys() | options.saved.keys():
            total += choice[index].cycles if index in choice else options.by_rows[index]
        for index, (addition, cycles) in options.saved.items():
            total -= cycles if index not in choice and addition not in choice else 0
        total += sum(self.late for index in choice if self._weights_come_late(index + 1, choice))
        return total + sum(self._map(number, choice) for number in self.touched)

    def _weights_come_late(self, index: int, choice: Choice) -> bool:
        """Whether a step by rows has weights, for which the streams are free only when those before it have ended."""
        steps = self.options.network.steps
        return index < len(steps) and index not in choice and any(k.convolves for k in _kernels(steps[index]))


def _first(options: _Options) -> dict[int, ByChannels]:
    """Convolutions that are faster so, and what goes on with what they leave: whole, if one of them reads it."""
    choice: dict[int, ByChannels] = {}
    for index, ways in options.ways.items():
        if ways[0].reads is Layout.WHOLE and ways[0].cycles < options.by_rows[index]:
            choice[index] = ways[0]
    convolutions = set(choice)
    for index, ways in options.ways.items():
        step = options.network.steps[index]
        if index not in choice and any(options.makers.get(number) in choice for number in inputs_of(step)):
            (output,) = outputs_of(step)
            wanted = not convolutions.isdisjoint(options.readers.get(output, []))
            choice[index] = ways[-1] if wanted else ways[0]
    return choice


def _choose(options: _Options) -> dict[int, ByChannels]:
    """How the steps run that do not divide their maps by rows."""
    costs, choice = _Costs(options), _first(options)
    best = costs.of(choice)
    while True:
        changed: list[tuple[int, int, int]] = []
        for index, ways in options.ways.items():
            for number, way in enumerate([*ways, None]):
                if way is not choice.get(index):
                    changed.append((costs.of(_changed(choice, index, way)), index, number))
        cycles, index, number = min(changed, default=(best, -1, -1))
        if cycles >= best:
            return choice
        best, choice = cycles, _changed(choice, index, [*options.ways[index], None][number])


def _changed(choice: Choice, index: int, way: ByChannels | None) -> dict[int, ByChannels]:
    others = {step: other for step, other in choice.items() if step != index}
    return others if way is None else {**others, index: way}


def _gathers(options: _Options, choice: Choice) -> dict[int, Gather]:
    """Maps that are gathered, for the readers that do not find them as they were left."""
    costs, found = _Costs(options), dict[int, Gather]()
    for number in sorted(costs.touched):
        manner = costs.gather(number, choice)
        if manner is not None:
            maker = choice.get(options.makers[number])
            readers = [
                reader
                for reader in options.readers[number]
                if not stays(maker, way := choice.get(reader)) and options.serves(manner, reader, way)
            ]
            made = (made for reader in readers for made in outputs_of(options.network.steps[reader]))
            found[number] = Gather(manner, frozenset(made))
    return found


def steps_apart(
    network: Network, convolutions: ConvPlanner, cycles: Cycles
) -> tuple[dict[int, ByChannels], dict[int, Gather]]:
    """
    The steps that are worth it not to divide their maps by rows, by the map that they write, and the maps that are
    gathered.

    `cycles` are those of a layer by rows; a convolution may then also make a sum at once (`scheduling.additions`).
    """
    options = _Options(network, convolutions, cycles)
    options.find()
    chosen = _choose(options)
    gathers = _gathers(options, chosen)
    apart: dict[int, ByChannels] = {}
    for index in sorted(chosen):
        (output,) = outputs_of(network.steps[index])
        copies = [gathers[number] for number in inputs_of(network.steps[index]) if number in gathers]
        strides = [strides_of(copy.manner) for copy in copies if output in copy.made]
        apart[output] = _on_copies(options, index, chosen[index], strides)
    return apart, gathers


def _on_copies(options: _Options, index: int, way: ByChannels, strides: list[tuple[int, int]]) -> ByChannels:
    """How a step runs that reads copies of every so many-th pixel."""
    if all(stride == (1, 1) for stride in strides):
        return way
    (stride,), (layer,) = strides, options.layers(index)
    seen = on_copy(layer, stride)
    planned = seen and DeepPlanner(options.convolutions).plan(seen, 2 * way.cycles)
    assert planned, f"'{layer.name}' finds what it looks at and has no launches"
    return replace(way, launches=planned.launches, slices=_slices_of(planned.launches, options.chip))
