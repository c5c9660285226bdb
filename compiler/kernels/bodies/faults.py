"""
What is said about a kernel body that cannot run, or that does what a core has no answer to.

The operation-by-operation interpreter and the compiled bodies stop at the same faults with the same words.
"""

from __future__ import annotations

from compiler.errors import BlockloomError
from compiler.kernels.bodies.vector_unit import (
    MULTIPLY_ACCUMULATE,
    SET,
    SHUFFLE,
    SIGNED_4X8X8,
    SIGNED_BY_UNSIGNED_LANES,
    SIGNED_LANES,
    TRANSPOSE_BYTES,
)


class KernelBodyError(BlockloomError):
    """A kernel body holds an operation that cannot be run, or leaves its memory."""


def wrong_operands(name: str, expected: int, given: int) -> KernelBodyError:
    """A call that does not fit the function."""
    return KernelBodyError(f"'{name}' takes {expected} operands, but was given {given}")


def unknown_operation(name: str) -> KernelBodyError:
    """An operation that no kernel may hold."""
    return KernelBodyError(
        f"a kernel body holds '{name}', which is not run here; "
        "kernels are written with func, scf, arith, memref, vector, aievec.srs and the two matrix intrinsics"
    )


def unknown_function(symbol: str) -> KernelBodyError:
    """A call of anything but the intrinsics."""
    known = f"'{SET}', '{MULTIPLY_ACCUMULATE}', '{SHUFFLE}' and kernels of its device"
    return KernelBodyError(f"a kernel calls '{symbol}'; only {known} are run here")


def unknown_configuration(configuration: int | str) -> KernelBodyError:
    """A way to multiply that has no meaning here."""
    return KernelBodyError(
        f"a kernel multiplies with configuration {configuration}; only {SIGNED_4X8X8} (int8 4x8x8, both operands "
        f"signed), {SIGNED_LANES} (32 lanes of int16) and {SIGNED_BY_UNSIGNED_LANES} (of int16 by uint16) are run here"
    )


def unknown_shuffle(order: int | str) -> KernelBodyError:
    """An order of bytes that has no meaning here."""
    return KernelBodyError(
        f"a kernel shuffles in the order {order}; only {TRANSPOSE_BYTES} (8x8 bytes, transposed) is run here"
    )


def unsigned_comparison() -> KernelBodyError:
    """A predicate that no kernel may have."""
    return KernelBodyError("a kernel compares unsigned; only eq, ne, slt, sle, sgt and sge are run here")


def outside_memory(start: int, words: int, size: int) -> KernelBodyError:
    """An access that is not all inside."""
    return KernelBodyError(f"a kernel accesses words [{start}, {start + words}) of a memory of {size} words")


def undefined_shift(bits: int, amount: int) -> KernelBodyError:
    """Shifting by the width or more is undefined in MLIR, so a kernel must never do it."""
    return KernelBodyError(f"a kernel shifts {bits}-bit values by {amount}; amounts lie in [0, {bits})")
