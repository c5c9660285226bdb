"""
Layers whose kernels the program memory of a core has no room for, so that those of the others fit.

Every kernel of a network is in the program of every core. Of all sets of kernels to do without, the one whose layers
cost the least elsewhere is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from compiler.hardware.chip import Chip
from compiler.kernels.code_size import bytes_for_kernels, kernels_bytes
from compiler.kernels.parameters import Kernel


@dataclass(frozen=True)
class Use:
    """Layers that go together: the kernels that they call, and what it costs to compute them elsewhere."""

    kernels: frozenset[Kernel]
    work: int


def crowded_out(uses: Sequence[Use], chip: Chip) -> dict[int, str]:
    """The uses to do without, by index, each with the reason; none if the program memory has room for all."""
    kernels = frozenset[Kernel]().union(*(use.kernels for use in uses))
    taken, free = kernels_bytes(kernels), bytes_for_kernels(chip)
    if taken <= free:
        return {}

    work_of: dict[frozenset[Kernel], int] = {}
    for use in uses:
        work_of[use.kernels] = work_of.get(use.kernels, 0) + use.work

    def lost(without: frozenset[Kernel]) -> int:
        return sum(work for called, work in work_of.items() if called & without)

    fitting = [without for without in _subsets(kernels) if kernels_bytes(kernels - without) <= free]
    # the first of equals, which has the fewest kernels
    least = min(fitting, key=lost)
    names = ", ".join(kernel.symbol for kernel in sorted(least))
    reason = (
        f"the kernels of this network take {taken} bytes of a core's program memory, and {free} of "
        f"{chip.program_memory_bytes} are set aside for them; without {names} the others fit"
    )
    return {index: reason for index, use in enumerate(uses) if use.kernels & least}


def _subsets(kernels: frozenset[Kernel]) -> Iterator[frozenset[Kernel]]:
    for count in range(1, len(kernels) + 1):
        yield from map(frozenset, combinations(sorted(kernels), count))
