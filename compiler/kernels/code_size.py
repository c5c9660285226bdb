"""
How much program memory kernels take, by an estimate on the high side.

llvm-aie encodes a single operation in 4 bytes and an empty cycle in 2 (AIE2Slots.td), less where several share an
instruction word. A software-pipelined loop repeats its body to fill and to drain, four times in all.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from compiler.hardware.chip import Chip
from compiler.kernels.parameters import Kernel, with_called
from compiler.kernels.pieces import PIECES, Code

OPERATION_BYTES, EMPTY_BYTES, REPEATS = 4, 2, 4


def _bytes(code: Code) -> int:
    moved = sum(-(-width // 32) for width in (*code.loads, *code.stores))
    operations = moved + code.products + code.vectors + code.narrowings + code.scalars
    if code.straight:
        return OPERATION_BYTES * operations + EMPTY_BYTES * code.straight
    return REPEATS * OPERATION_BYTES * operations


@cache
def kernel_bytes(kernel: Kernel) -> int:
    """Of one kernel, without those that it calls."""
    return sum(map(_bytes, PIECES[kernel].values()))


def kernels_bytes(kernels: Iterable[Kernel]) -> int:
    """Of kernels and those that they call."""
    return sum(map(kernel_bytes, with_called(kernels)))


def bytes_for_kernels(chip: Chip) -> int:
    """
    What a core sets aside: the program around the kernels has a quarter of the memory, twice what its operations and
    the empty cycles behind its branches take.
    """
    return chip.program_memory_bytes * 3 // 4


def unfit(kernels: Iterable[Kernel], chip: Chip) -> str:
    """Why kernels do not fit the program memory together, or nothing if they do."""
    called = with_called(kernels)
    taken, free = kernels_bytes(called), bytes_for_kernels(chip)
    if taken <= free:
        return ""
    parts = ", ".join(f"{kernel.symbol} {kernel_bytes(kernel)}" for kernel in called)
    return (
        f"its kernels take {taken} bytes of a core's program memory ({parts}), and {free} of "
        f"{chip.program_memory_bytes} are set aside for them"
    )
