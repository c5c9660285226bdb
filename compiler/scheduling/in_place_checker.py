"""
What must be true of a network whose concatenations are in place: it is the given network with fewer copies.

Every pixel of every channel block of every map has an origin: the part of the step that computes it, and which of that
part's it is. A part that only copies has none of its own, but passes on that of its operand. Where the origins of all
maps that somebody reads are equal in both networks, and the steps do the same to equal operands, the numbers are equal.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import numpy.typing as npt

from compiler.scheduling.network import ArrayStep, Network, inputs_of
from compiler.tiling.layer import Layer, MapShape

Origins = npt.NDArray[np.int64]
"""[row][block][column]: the number of who computes it, and which of its pixels it is."""
NOBODY, SEVERAL = -1, -2
"""Where nobody writes, and where several do."""


class _Origins:
    """Origins of the maps of one network. `numbers` says who has which number, and is shared by what is compared."""

    def __init__(self, network: Network, numbers: dict[str, int]):
        self.network = network
        self.numbers = numbers
        self.writers = network.writers()
        self.known: dict[int, Origins] = {}

    def of(self, number: int) -> Origins:
        """The origins in a map."""
        if number not in self.known:
            self.known[number] = self._of(number)
        return self.known[number]

    def _own(self, name: str, shape: MapShape) -> Origins:
        """The pixels of all that `name` computes."""
        first = self.numbers.setdefault(name, len(self.numbers)) << 40
        size = (shape.height, shape.blocks, shape.width)
        return first + np.arange(int(np.prod(size))).reshape(size)

    def _of(self, number: int) -> Origins:
        shape = self.network.maps[number]
        if number not in self.writers:
            return self._own(f"input {number}", shape)
        origins = np.full((shape.height, shape.blocks, shape.width), NOBODY)
        for index in self.writers[number]:
            step = self.network.steps[index]
            if not isinstance(step, ArrayStep):
                return self._own(f"{step.name} {step.outputs.index(number)}", shape)
            for layer, inputs in step.parts:
                new = self.of(inputs[0]) if layer.copies else self._own(_named(step, layer), layer.output)
                to = layer.destination
                place = (
                    slice(to.row, to.row_of(layer.output.height), to.row_step),
                    slice(to.block, to.block + layer.output.blocks),
                    slice(to.column, to.column + to.column_step * layer.output.width, to.column_step),
                )
                if origins[place].shape != new.shape:
                    return np.full_like(origins, NOBODY)
                origins[place] = np.where(origins[place] == NOBODY, new, SEVERAL)
        return origins


def _named(step: ArrayStep, layer: Layer) -> str:
    """A layer by its step and its own name: the parts of one step have different ones."""
    return f"{step.name} {layer.name}"


def _differs(one: Layer, other: Layer) -> bool:
    """Whether two layers differ in more than where their output goes."""
    names = [field.name for field in fields(Layer) if field.name not in ("gamma", "destination")]
    return one.gamma is not other.gamma or any(getattr(one, name) != getattr(other, name) for name in names)


def in_place_faults(given: Network, planned: Network) -> list[str]:
    """Why `planned` does not compute what `given` does; empty if it does."""
    if (given.maps, given.outputs, given.hidden) != (planned.maps, planned.outputs, planned.hidden):
        return ["the plan is of a network with other maps or outputs"]
    faults: list[str] = []
    computed = {step.name: step for step in given.steps}
    kept = {step.name for step in planned.steps}
    for step in given.steps:
        copies = isinstance(step, ArrayStep) and all(layer.copies for layer, _ in step.parts)
        if step.name not in kept and not copies:
            faults.append(f"step '{step.name}' is left out, but does more than copy")
    for step in planned.steps:
        known = computed.get(step.name)
        if not isinstance(step, ArrayStep) or not isinstance(known, ArrayStep):
            if step != known:
                faults.append(f"step '{step.name}' is another one")
            continue
        parts = {layer.name: (layer, inputs) for layer, inputs in known.parts}
        for layer, inputs in step.parts:
            found = parts.get(layer.name)
            if found is None or _differs(found[0], layer) or found[1] != inputs:
                faults.append(f"step '{step.name}' computes another layer '{layer.name}'")
    numbers: dict[str, int] = {}
    before, after = _Origins(given, numbers), _Origins(planned, numbers)
    for number in sorted({*planned.outputs, *(number for step in planned.steps for number in inputs_of(step))}):
        made = after.of(number)
        if (made < 0).any() or not np.array_equal(before.of(number), made):
            faults.append(f"map {number} is not made of the same parts")
    return faults + _early_faults(planned)


def _early_faults(planned: Network) -> list[str]:
    """Maps that are read before they are whole."""
    last = {number: indices[-1] for number, indices in planned.writers().items()}
    return [
        f"step '{step.name}' reads map {number} before it is whole"
        for index, step in enumerate(planned.steps)
        for number in inputs_of(step)
        if last.get(number, -1) >= index
    ]
