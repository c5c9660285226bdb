"""What must be true of additions at once: taken apart again, they are the steps of the given network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of
from compiler.tiling.layer import Destination


def additions_apart(given: Network, planned: Network) -> Network:
    """
    `planned` with every convolution that adds as two steps: the given step of its name, as far as it convolves, and the
    given step that reads what this one writes, as far as it adds.
    """
    return replace(planned, steps=tuple(part for step in planned.steps for part in _apart(given, step)))


def _apart(given: Network, step: Step) -> Iterator[Step]:
    if not isinstance(step, ArrayStep) or all(layer.addition is None for layer, _ in step.parts):
        yield step
        return
    (layer, inputs), *_ = step.parts
    inner = next((one.output for one in given.steps if one.name == step.name and isinstance(one, ArrayStep)), None)
    readers = [one for one in given.steps if inner is not None and inner in inputs_of(one)]
    if inner is None or inner not in given.hidden or len(readers) != 1 or layer.addition is None:
        # no pair of steps of the given network: the others do not match it then
        yield step
        return
    yield ArrayStep(step.name, ((replace(layer, addition=None, destination=Destination()), inputs[:1]),), inner)
    added = replace(layer.addition, destination=layer.destination)
    yield ArrayStep(readers[0].name, ((added, (inner, *inputs[1:])),), step.output)
