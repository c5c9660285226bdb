"""
Concatenations in place: who makes an operand writes it straight into its channel blocks of the result.

    conv1 -> a,  conv2 -> b,  concat (a, b) -> y    becomes    conv1 -> y (blocks of a),  conv2 -> y (blocks of b)

That is possible where the concatenation only copies the operand (the same position, no clamp) and nobody else reads it.
A concatenation of such operands alone is no step any more; of others it copies what is left. A concatenation may itself
be an operand, so that writers pass through several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from compiler.scheduling.network import ArrayStep, HostStep, Network, Step
from compiler.tiling.layer import Layer

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
        placed = {
            inputs[0]: layer.output_block
            for layer, inputs in concat.parts
            if layer.copies and inputs[0] in by_array - kept and reads[inputs[0]] == 1
        }
        steps[:index] = [_redirected(step, placed, concat.output) for step in steps[:index]]
        steps[index] = replace(concat, parts=tuple(part for part in concat.parts if part[1][0] not in placed))
    left = [step for step in steps if isinstance(step, HostStep) or step.parts]
    return replace(network, steps=tuple(left))


def _reads(step: Step) -> tuple[int, ...]:
    """Maps that a step reads, once for each time it does."""
    return step.inputs if isinstance(step, HostStep) else tuple(n for _, inputs in step.parts for n in inputs)


def _redirected(step: Step, placed: dict[int, int], output: int) -> Step:
    """A step that writes map `output` from block `placed[…]` on, if it wrote one of the `placed` maps."""
    if isinstance(step, HostStep) or step.output not in placed:
        return step
    first = placed[step.output]
    parts = [(replace(layer, output_block=first + layer.output_block), inputs) for layer, inputs in step.parts]
    return replace(step, parts=tuple(parts), output=output)
