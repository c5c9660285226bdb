"""What must be true of chains: taken apart they are the given network, and nobody else looks at the maps inside."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from compiler.scheduling.chains import chains_apart
from compiler.scheduling.network import ArrayStep, Network, inputs_of, outputs_of


def chain_faults(planned: Network) -> Iterator[str]:
    """Maps inside chains that other steps read or write, that the next one does not read, or that somebody asks for."""
    members = chains_apart(planned).steps
    for step in planned.steps:
        if not isinstance(step, ArrayStep):
            continue
        for member, reader in pairwise(step.members):
            where, number = f"chain '{step.title}'", member.output
            outside = [other.name for other in members if number in inputs_of(other) and other not in step.members]
            if outside:
                yield f"{where}: map {number} is inside, but step '{outside[0]}' reads it"
            if number not in inputs_of(reader):
                yield f"{where}: step '{reader.name}' does not read map {number} of the step before it"
            if sum(number in outputs_of(other) for other in members) > 1:
                yield f"{where}: map {number} is inside, but several steps write it"
            if number in planned.outputs:
                yield f"{where}: map {number} is inside, but an output of the network"
