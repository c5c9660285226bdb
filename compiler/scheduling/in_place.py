"""
Concatenations in place: who makes an operand writes it straight into its part of the result.

    conv1 -> a,  conv2 -> b,  concat (a, b) -> y    becomes    conv1 -> y (blocks of a),  conv2 -> y (blocks of b)

That is possible where the concatenation only copies the operand (the same position, no clamp) and nobody else reads it.
A concatenation of such operands alone is no step any more; of others it copies what is left. A concatenation may itself
be an operand, so that writers pass through several. Interleavings are the same: there the parts are pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from compiler.scheduling.network import ArrayStep, HostStep, Network, Step
from compiler.tiling.layer import Destination, Layer

Part = tuple[Layer, tuple[int, ...]]


def concatenate_in_place(network: Network, apart: Collection[int] = ()) -> Network:
    """The network with as few copies as possible; concatenations whose result is in `apart` stay as they are."""
    reads = Counter(number for step in network.steps for number in _reads(step))
    kept = set(network.outputs)
    steps: list[Step] = list(network.steps)
    for index, concat in enumerate(steps):
        if not isinstance(concat, ArrayStep) or concat.output in apart:
            continue
        by_array = {step.output for step in steps[:index] if isinstance(step, ArrayStep)}
        # a sum is made in the columns in which its operands lie, and its rows may belong to others in a taller map
        height = network.maps[concat.output].height
        sums = _sums(steps[:index]) if any(layer.output.height < height for layer, _ in concat.parts) else set[int]()
        placed = {
            inputs[0]: layer.destination
            for layer, inputs in concat.parts
            if layer.copies and inputs[0] in by_array - kept - sums and reads[inputs[0]] == 1
        }
        steps[:index] = [_redirected(step, placed, concat.output) for step in steps[:index]]
        steps[index] = replace(concat, parts=tuple(part for part in concat.parts if part[1][0] not in placed))
    left = [step for step in steps if isinstance(step, HostStep) or step.parts]
    return replace(network, steps=tuple(left))


def _reads(step: Step) -> tuple[int, ...]:
    """Maps that a step reads, once for each time it does."""
    return step.inputs if isinstance(step, HostStep) else tuple(n for _, inputs in step.parts for n in inputs)


def _sums(steps: list[Step]) -> set[int]:
    """Maps that additions write."""
    arrays = [step for step in steps if isinstance(step, ArrayStep)]
    return {step.output for step in arrays if any(_adds(layer) for layer, _ in step.parts)}


def _adds(layer: Layer) -> bool:
    return layer.kernel.pairs or layer.addition is not None


def _redirected(step: Step, placed: dict[int, Destination], output: int) -> Step:
    """A step that writes map `output` at `placed[…]`, if it wrote one of the `placed` maps."""
    if isinstance(step, HostStep) or step.output not in placed:
        return step
    to = placed[step.output]
    parts = [(replace(layer, destination=to.within(layer.destination)), inputs) for layer, inputs in step.parts]
    return replace(step, parts=tuple(parts), output=output)
