"""
What must be true of a network whose concatenations are in place: it is the given network with fewer copies.

Every channel block of every map has an origin: the part of the step that computes it, and which of that part's blocks
it is. A part that only copies has none of its own, but passes on that of its operand. Where the origins of all maps
that somebody reads are equal in both networks, and the steps do the same to equal operands, the numbers are equal.
"""

from __future__ import annotations

from dataclasses import fields

from compiler.scheduling.network import ArrayStep, Network, inputs_of
from compiler.tiling.layer import Layer

Origin = tuple[str, int]
"""Name of a layer or host step, or of an input, and a channel block of what it computes."""


class _Origins:
    """Origins of the maps of one network."""

    def __init__(self, network: Network):
        self.network = network
        self.writers = network.writers()
        self.known: dict[int, list[Origin | None]] = {}

    def of(self, number: int) -> list[Origin | None]:
        """The origin of each channel block; None where nobody writes it, or where two do."""
        if number not in self.known:
            self.known[number] = self._of(number)
        return self.known[number]

    def _of(self, number: int) -> list[Origin | None]:
        blocks: list[Origin | None] = [None] * self.network.maps[number].blocks
        if number not in self.writers:
            return [(f"input {number}", block) for block in range(len(blocks))]
        taken: set[int] = set()
        for index in self.writers[number]:
            step = self.network.steps[index]
            if not isinstance(step, ArrayStep):
                return [(f"{step.name} {step.outputs.index(number)}", block) for block in range(len(blocks))]
            for layer, inputs in step.parts:
                copied = self.of(inputs[0]) if layer.copies else []
                for block in range(layer.output.blocks):
                    place = layer.output_block + block
                    if place >= len(blocks):
                        return [None] * len(blocks)
                    blocks[place] = copied[block] if layer.copies else (_named(step, layer), block)
                    blocks[place] = None if place in taken else blocks[place]
                    taken.add(place)
        return blocks


def _named(step: ArrayStep, layer: Layer) -> str:
    """A layer by its step and its own name: the parts of one step have different ones."""
    return f"{step.name} {layer.name}"


def _differs(one: Layer, other: Layer) -> bool:
    """Whether two layers differ in more than where their output goes."""
    names = [field.name for field in fields(Layer) if field.name not in ("gamma", "output_block")]
    return one.gamma is not other.gamma or any(getattr(one, name) != getattr(other, name) for name in names)


def in_place_faults(given: Network, planned: Network) -> list[str]:
    """Why `planned` does not compute what `given` does; empty if it does."""
    if (given.maps, given.outputs) != (planned.maps, planned.outputs):
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
    before, after = _Origins(given), _Origins(planned)
    for number in sorted({*planned.outputs, *(number for step in planned.steps for number in inputs_of(step))}):
        if before.of(number) != after.of(number) or None in after.of(number):
            faults.append(f"map {number} is not made of the same channel blocks")
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
