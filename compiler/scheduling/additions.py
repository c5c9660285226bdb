"""
Additions at once: a convolution adds another map to its rows while they are made, where that takes less time.

    conv -> a,  add (a, b) -> y     becomes     conv (…, b) -> y

The map between them is never stored. That is possible where nobody else reads it or knows it by name, and the rows of
both come to the cores together (`compiler.tiling.skip`); whether it is faster, the recurrence says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from compiler.errors import CapacityError
from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of
from compiler.tiling.layer import Layer
from compiler.tiling.skip import can_add

Cycles = Callable[[Layer], int]
"""Cycles of all launches of a layer. Raises CapacityError if there are none."""


def _convolution(network: Network, steps: list[Step], addition: ArrayStep) -> ArrayStep | None:
    """The step that makes the first operand of an addition and may make the sum; None if there is none."""
    if len(addition.parts) != 1 or len(addition.parts[0][1]) != 2:
        return None
    layer, (first, second) = addition.parts[0]
    readers = [step for step in network.steps if first in inputs_of(step)]
    if first == second or first not in network.hidden or first in network.outputs or len(readers) > 1:
        return None
    for step in steps:
        if isinstance(step, ArrayStep) and step.output == first and len(step.parts) == 1:
            conv = step.parts[0][0]
            return step if conv.addition is None and can_add(conv, layer) else None
    return None


def _is_faster(conv: Layer, addition: Layer, cycles: Cycles) -> bool:
    try:
        together = cycles(replace(conv, addition=addition))
    except CapacityError:
        return False
    try:
        return together <= cycles(conv) + cycles(addition)
    except CapacityError:
        return True


def sums(network: Network) -> dict[int, Layer]:
    """The addition that each convolution could make at once, by the map between them."""
    found: dict[int, Layer] = {}
    for index, step in enumerate(network.steps):
        made = _convolution(network, list(network.steps[:index]), step) if isinstance(step, ArrayStep) else None
        if isinstance(step, ArrayStep) and made is not None:
            found[made.output] = step.parts[0][0]
    return found


def add_at_once(network: Network, cycles: Cycles, alone: Collection[int] = ()) -> Network:
    """
    The network with additions made by the convolutions before them, where those take less time so.

    Steps that make the maps `alone` make nothing else, and no other step makes them.
    """
    apart = frozenset(alone)
    steps: list[Step] = []
    for step in network.steps:
        made = _convolution(network, steps, step) if isinstance(step, ArrayStep) else None
        if isinstance(step, ArrayStep) and made is not None:
            conv, (source,) = made.parts[0]
            addition, (_, skip) = step.parts[0]
            if apart.isdisjoint((made.output, step.output)) and _is_faster(conv, addition, cycles):
                steps.remove(made)
                step = ArrayStep(made.name, ((replace(conv, addition=addition), (source, skip)),), step.output)
        steps.append(step)
    return replace(network, steps=tuple(steps))
