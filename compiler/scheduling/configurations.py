"""
Programs of the cores: as few changes of them as the program memory allows.

A program holds the kernels of all steps that run while it is loaded. Where those of a network do not fit together, its
steps are cut, in their order, into runs whose kernels do:

    conv, add, max_pool | scaled_conv, scaled_add | conv, add        programs 0, 1, 0

Between two runs the array is loaded anew, which takes `reconfiguration_cycles` and a launch, and every map that is read
later has gone through DDR. So of all ways with the fewest cuts, the one counts that cuts where the array stops anyway,
for the host, and where the fewest bytes cross. Runs apart share a program where their kernels fit together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.kernels.code_size import unfit
from compiler.kernels.parameters import Kernel
from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of, outputs_of

Kernels = frozenset[Kernel]
Cost = tuple[int, int, int]
"""Cuts, those of them at which the array would not stop otherwise, and bytes that cross them."""


def kernels_of(step: Step) -> Kernels:
    """What the cores call in a step; nothing while the host works."""
    return step.kernels if isinstance(step, ArrayStep) else frozenset()


def in_configurations(network: Network, chip: Chip) -> Network:
    """The network with a program for each step. Raises CapacityError for a step that no program has room for."""
    kernels = [kernels_of(step) for step in network.steps]
    if not unfit(frozenset[Kernel]().union(*kernels), chip):
        return network
    for step, called in zip(network.steps, kernels, strict=True):
        if reason := unfit(called, chip):
            raise CapacityError(f"layer '{step.name}' fits no core: {reason}; bsr-unfit-on-host moves it to the host")
    cuts = _cuts(network, kernels, chip)
    programs: list[Kernels] = []
    numbers: list[int] = []
    for first, last in zip((0, *cuts), (*cuts, len(kernels)), strict=True):
        called = frozenset[Kernel]().union(*kernels[first:last])
        fitting = (number for number, others in enumerate(programs) if not unfit(others | called, chip))
        number = next(fitting, len(programs))
        programs[number : number + 1] = [called.union(*programs[number : number + 1])]
        numbers += [number] * (last - first)
    return replace(network, configurations=tuple(numbers))


def torn_maps(network: Network) -> set[int]:
    """Maps of which several steps write a part each, with different programs: nothing keeps what the first ones did."""
    return {number for number, indices in network.writers().items() if network.reconfigured(indices[0], indices[-1])}


def _cuts(network: Network, kernels: Sequence[Kernels], chip: Chip) -> tuple[int, ...]:
    """The steps before which the program changes: the cheapest way to the end, run by run."""
    costs = [_cost(network, cut) for cut in range(len(kernels))]
    best: list[tuple[Cost, tuple[int, ...]]] = [((0, 0, 0), ())]
    for last in range(1, len(kernels) + 1):
        found: list[tuple[Cost, tuple[int, ...]]] = []
        called: Kernels = frozenset()
        for first in reversed(range(last)):
            called |= kernels[first]
            if unfit(called, chip):
                break
            cost, before = best[first]
            if first:
                cuts, stops, crossing = costs[first]
                cost, before = (cost[0] + cuts, cost[1] + stops, cost[2] + crossing), (*before, first)
            found.append((cost, before))
        best.append(min(found))
    return best[-1][1]


def _cost(network: Network, cut: int) -> Cost:
    """Of a cut before a step."""
    steps = network.steps
    alone = all(isinstance(step, ArrayStep) for step in steps[cut - 1 : cut + 1])
    made = {number for step in steps[:cut] if isinstance(step, ArrayStep) for number in outputs_of(step)}
    wanted = {number for step in steps[cut:] for number in (*inputs_of(step), *outputs_of(step))}
    return 1, int(alone), sum(network.maps[number].bytes for number in made & wanted)
