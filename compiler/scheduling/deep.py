"""
Which convolutions run DEEP, by cost: what they gain against what it costs to bring their maps there and away.

A DEEP step finds its whole map in every MemTile, and leaves in each the channels of that column's cores: so it reads
and writes through DDR, whatever comes before and after. One DEEP step after another pays for that trip once.

    cost = launches + words of each trip over the channels of a column

The search starts from all steps that are faster by themselves, and changes the step that helps most until none does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from compiler.costs.feed import loaded
from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel
from compiler.scheduling.additions import Cycles, sums
from compiler.scheduling.network import ArrayStep, Network, inputs_of, outputs_of
from compiler.tiling.conv import ConvPlanner
from compiler.tiling.deep_planner import DeepPlanner
from compiler.tiling.launch import Launch
from compiler.tiling.layer import Layer, MapShape


@dataclass(frozen=True)
class Ways:
    """Cycles of the launches of a step, WIDE and DEEP."""

    wide: int
    deep: int


def _layers(network: Network) -> Iterator[tuple[int, Layer]]:
    """Steps that could run DEEP: one convolution of one map that is the only one to write its result."""
    writers = network.writers()
    for index, step in enumerate(network.steps):
        if isinstance(step, ArrayStep) and len(step.parts) == 1 and len(writers[step.output]) == 1:
            ((layer, _),) = step.parts
            if layer.kernel is Kernel.CONV and layer.addition is None:
                yield index, layer


def _trip(words: int, chip: Chip) -> int:
    """Cycles in which every column moves so many words."""
    return chip.descriptor_cycles + loaded(chip, words, chip.columns)


def _divided(shape: MapShape, chip: Chip) -> int:
    """Cycles in which every column moves its part of a map."""
    return _trip(-(-shape.row_words * shape.height // chip.columns), chip)


def _entire(layer: Layer, chip: Chip) -> int:
    """Cycles in which a map comes to every MemTile, as far as a layer looks at it."""
    return _trip(layer.input.row_words * len(range(0, layer.input.height, layer.row_step)), chip)


class _Costs:
    """Cycles of a network for any choice of DEEP steps, as far as they depend on it."""

    def __init__(self, network: Network, chip: Chip, ways: Mapping[int, Ways]):
        self.network, self.chip, self.ways = network, chip, ways
        self.makers = {number: index for index, step in enumerate(network.steps) for number in outputs_of(step)}
        self.entire = {index: _entire(layer, chip) for index, layer in _layers(network)}
        self.readers: dict[int, list[int]] = {}
        for index, step in enumerate(network.steps):
            for number in inputs_of(step):
                self.readers.setdefault(number, []).append(index)

    def _map(self, number: int, deep: frozenset[int]) -> int:
        """The trips of one map. Those that it makes whatever is chosen count as if they did not."""
        maker, readers = self.makers.get(number, -1), self.readers.get(number, [])
        if maker not in deep and not deep.intersection(readers):
            return 0
        part = _divided(self.network.maps[number], self.chip)
        filled = sum(self.entire[reader] if reader in deep else part if maker in deep else 0 for reader in readers)
        return part + filled

    def of(self, deep: frozenset[int]) -> int:
        """All of it."""
        launches = sum(ways.deep if index in deep else ways.wide for index, ways in self.ways.items())
        touched = {
            n for i in self.ways for n in (*inputs_of(self.network.steps[i]), *outputs_of(self.network.steps[i]))
        }
        return launches + sum(self._map(number, deep) for number in touched)


def _choose(network: Network, chip: Chip, ways: Mapping[int, Ways]) -> frozenset[int]:
    """The steps to run DEEP, of those in `ways`."""
    costs = _Costs(network, chip, ways)
    deep = frozenset(index for index, way in ways.items() if way.deep < way.wide)
    best = costs.of(deep)
    while True:
        changed = [(costs.of(deep ^ {index}), index) for index in ways]
        cycles, index = min(changed, default=(best, -1))
        if cycles >= best:
            return deep
        best, deep = cycles, deep ^ {index}


def deep_launches(network: Network, convolutions: ConvPlanner, cycles: Cycles) -> dict[int, list[Launch]]:
    """
    Launches of the steps that are worth it to run DEEP, by the map that they write.

    `cycles` are those of a layer that runs WIDE, which may then also make a sum at once (`scheduling.additions`).
    """
    found, ways = dict[int, list[Launch]](), dict[int, Ways]()
    planner, chip, additions = DeepPlanner(convolutions), convolutions.chip, sums(network)
    for index, layer in _layers(network):
        (output,) = outputs_of(network.steps[index])
        try:
            wide = cycles(layer)
            if output in additions:
                addition = additions[output]
                wide = min(wide, cycles(replace(layer, addition=addition)) - cycles(addition))
        except CapacityError:
            # what has no launches in one piece is for the planner of bands
            continue
        # the map may have to come anyway, divided
        deep = planner.plan(layer, wide - max(_entire(layer, chip) - _divided(layer.input, chip), 0))
        if deep is not None:
            found[index], ways[index] = deep.launches, Ways(wide, deep.cycles)
    chosen = _choose(network, chip, ways)
    return {outputs_of(network.steps[index])[0]: found[index] for index in sorted(chosen)}
