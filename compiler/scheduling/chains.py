"""
Chains: steps that run together, band by band, so that the maps between them never pass through DDR.

    conv -> a (to DDR and back),  pool (a) -> y        becomes        for each band of y:  conv -> rows of a,  pool -> y

The rows of a band are projected backwards through windows, strides and pads. Every column makes all rows that it reads
itself, in every band: what halos share is computed again, and no rows inside a chain are read next door. So a map
inside is nowhere whole, and no step but those of the chain may look at it. What a chain reads besides, like the operand
of a sum, comes from MemTiles or DDR as for any step.

Steps that do not divide their maps by rows, matrix products, and maps that several steps write stay out of chains,
except that the last step may write a part of a map that stays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from compiler.scheduling.network import ArrayStep, Network, Step, inputs_of, outputs_of
from compiler.scheduling.stripes import Stripes, needed_rows
from compiler.tiling.layer import Range

Run = tuple[int, int]
"""First and past-last step of a chain."""


def _both(one: Range, other: Range) -> Range:
    """The rows from the first to the last of two ranges, of which each may be empty."""
    if one[1] <= one[0] or other[1] <= other[0]:
        return other if one[1] <= one[0] else one
    return min(one[0], other[0]), max(one[1], other[1])


def band_rows(step: ArrayStep, band: Stripes) -> dict[int, Stripes]:
    """Rows of every map that each column reads or makes for a band of the last map, which is `band`."""
    rows: dict[int, Stripes] = {step.output: band}
    for work in reversed(step.work):
        needed = needed_rows(work.layer, rows[work.output])
        for number in work.inputs:
            before = rows.get(number, ((0, 0),) * len(band))
            rows[number] = tuple(_both(*pair) for pair in zip(before, needed, strict=True))
    return rows


def chain_of(steps: Sequence[Step]) -> ArrayStep:
    """Steps that follow each other as one."""
    members = [member for step in steps if isinstance(step, ArrayStep) for member in step.members]
    return replace(members[-1], before=tuple(members[:-1]))


def with_chains(network: Network, runs: Collection[Run]) -> Network:
    """The network with these runs of its steps as chains."""
    ends, inside = dict(runs), {index for first, last in runs for index in range(first + 1, last)}
    kept = [index for index in range(len(network.steps)) if index not in inside]
    steps = [chain_of(network.steps[i : ends[i]]) if i in ends else network.steps[i] for i in kept]
    configurations = tuple(network.configurations[index] for index in kept) if network.configurations else ()
    return replace(network, steps=tuple(steps), configurations=configurations)


def can_follow(network: Network, index: int) -> bool:
    """Whether step `index` may run in one chain with the step before it, if nobody else reads what that makes."""
    before, step = network.steps[index - 1 : index + 1] if index else (None, None)
    if not isinstance(before, ArrayStep) or not isinstance(step, ArrayStep) or network.reconfigured(index - 1, index):
        return False
    writers = [writer for writer in network.steps if before.output in outputs_of(writer)]
    inside = before.output in inputs_of(step) and len(writers) == 1 and before.output not in network.outputs
    return inside and all(work.layer.product is None for work in (*before.work, *step.work))


def closed(network: Network, run: Run) -> bool:
    """Whether the maps inside a chain of these steps are read by no other steps."""
    inside = {number for step in network.steps[run[0] : run[1] - 1] for number in outputs_of(step)}
    others = (*network.steps[: run[0]], *network.steps[run[1] :])
    return all(inside.isdisjoint(inputs_of(step)) for step in others)


def chains_apart(planned: Network) -> Network:
    """`planned` with every member of a chain as a step of its own: what a plan with chains has to compute."""
    parted = [step.members if isinstance(step, ArrayStep) else (step,) for step in planned.steps]
    steps = tuple(member for members in parted for member in members)
    numbers = planned.configurations
    each = [number for members, number in zip(parted, numbers, strict=True) for _ in members] if numbers else []
    return replace(planned, steps=steps, configurations=tuple(each))
