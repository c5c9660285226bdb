"""
Which steps do not divide their maps by rows, by cost: what they gain against what it costs to bring their maps there.

A DEEP convolution wants its whole map in every MemTile, and leaves in each the channels of that column's cores. What
never mixes channels can go on from there, and may leave the map whole for the next one (`compiler.tiling.channels`). A
map that its reader does not find as it wants it is gathered, or goes through DDR, whatever takes less time.

    cost = launches + words of each trip over the channels of a column + first weights behind a broadcast of a map

The search starts from all that are faster by themselves, and changes the step that helps most until none does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compiler.costs.feed import loaded, moved
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.scheduling.additions import Cycles
from compiler.scheduling.by_channels import ByChannels, Layout, stays
from compiler.scheduling.deep_options import Options, single_layers, slices_of
from compiler.scheduling.gathers import Gather, on_copy, strides_of
from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of, outputs_of
from compiler.tiling.arena import weight_slot_words
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.deep_planner import DeepPlanner
from compiler.tiling.layer import Layer, MapShape

Choice = Mapping[int, ByChannels]
"""Steps that do not divide their maps by rows, and how they run."""


def _trip(words: int, chip: Chip) -> int:
    """Cycles in which every column moves so many words."""
    return chip.descriptor_cycles + loaded(chip, words, chip.columns)


def _divided(shape: MapShape, chip: Chip) -> int:
    """Cycles in which every column moves its part of a map."""
    return _trip(-(-shape.row_words * shape.height // chip.columns), chip)


def _entire(layer: Layer, chip: Chip) -> int:
    """Cycles in which a map comes to every MemTile, as far as a layer looks at it."""
    return _trip(layer.input.row_words * len(range(0, layer.input.height, layer.row_step)), chip)


def _kernels(step: Step) -> frozenset[Kernel]:
    return step.kernels if isinstance(step, ArrayStep) else frozenset()


class _Costs:
    """Cycles of a network for any choice, as far as they depend on it."""

    def __init__(self, options: Options):
        self.options, self.chip, maps = options, options.chip, options.network.maps
        self.part = [_divided(shape, self.chip) for shape in maps]
        self.entire = {index: _entire(layer, self.chip) for index, layer, _ in single_layers(options.network)}
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


def _first(options: Options) -> dict[int, ByChannels]:
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


def _choose(options: Options) -> dict[int, ByChannels]:
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


def _gathers(options: Options, choice: Choice) -> dict[int, Gather]:
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
    options = Options(network, convolutions, cycles)
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


def _on_copies(options: Options, index: int, way: ByChannels, strides: list[tuple[int, int]]) -> ByChannels:
    """How a step runs that reads copies of every so many-th pixel."""
    if all(stride == (1, 1) for stride in strides):
        return way
    (stride,), (layer,) = strides, options.layers(index)
    seen = on_copy(layer, stride)
    planned = seen and DeepPlanner(options.convolutions).plan(seen, 2 * way.cycles)
    assert planned, f"'{layer.name}' finds what it looks at and has no launches"
    return replace(way, launches=planned.launches, slices=slices_of(planned.launches, options.chip))
