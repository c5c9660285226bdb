"""What must be true of the programs of the cores: each fits the program memory, and none is loaded without need."""

from __future__ import annotations

from itertools import groupby

from compiler.hardware.chip import Chip
from compiler.kernels.code_size import bytes_for_kernels, kernels_bytes
from compiler.kernels.parameters import Kernel
from compiler.scheduling.network import ArrayStep, Network


def configuration_faults(network: Network, chip: Chip) -> list[str]:
    """Programs that are too large, and as many changes that fewer would have done."""
    numbers = network.configurations or (0,) * len(network.steps)
    if len(numbers) != len(network.steps):
        return [f"{len(numbers)} steps have a program, of {len(network.steps)}"]
    faults: list[str] = []
    free = bytes_for_kernels(chip)
    kernels = [step.kernels if isinstance(step, ArrayStep) else frozenset[Kernel]() for step in network.steps]
    for number in sorted(set(numbers)):
        together = [called for called, mine in zip(kernels, numbers, strict=True) if mine == number]
        taken = kernels_bytes(frozenset[Kernel]().union(*together))
        if taken > free:
            faults.append(f"the kernels of program {number} take {taken} bytes, {free} are set aside for them")
    changes, needed = len(list(groupby(numbers))) - 1, 0
    loaded = frozenset[Kernel]()
    for called in kernels:
        # as long as possible with one program: nothing else changes it less often
        fits = kernels_bytes(loaded | called) <= free
        loaded, needed = (loaded | called, needed) if fits else (called, needed + 1)
    if changes > needed:
        faults.append(f"the program changes {changes} times, {needed} would do")
    return faults
