"""
MLIR bodies of the kernels: the code that upstream compiles for a core, and that `interpret.kernel_body` runs.

`kernel_functions(arena_words)` gives what a device needs: the declarations of the intrinsics, then one `func.func` per
kernel under `Kernel.symbol`. Their meaning is `compiler.kernels.semantics`, bit for bit. Rounding and saturation of
`aievec.srs` are registers that upstream sets only if the *core's own body* holds such an operation; a core program
that calls these functions has to hold one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xdsl.dialects import func

from compiler.kernels.bodies.average import avg_pool
from compiler.kernels.bodies.conv import conv, conv_20
from compiler.kernels.bodies.elementwise import add, requantise, subtract
from compiler.kernels.bodies.extrema import maximum, minimum
from compiler.kernels.bodies.lookup import lookup
from compiler.kernels.bodies.matmul import matmul, scaled_matmul
from compiler.kernels.bodies.pool import max_pool
from compiler.kernels.bodies.products import multiply, scaled_multiply
from compiler.kernels.bodies.scaled_conv import scaled_conv
from compiler.kernels.bodies.scaled_rows import scaled_add, scaled_requantise, scaled_subtract
from compiler.kernels.bodies.vector_unit import intrinsics
from compiler.kernels.parameters import Kernel, with_called

__all__ = ["KERNEL_BODIES", "kernel_function", "kernel_functions"]

KERNEL_BODIES: dict[Kernel, Callable[[int], func.FuncOp]] = {
    Kernel.CONV: conv,
    Kernel.ADD: add,
    Kernel.REQUANTISE: requantise,
    Kernel.MAX_POOL: max_pool,
    Kernel.AVG_POOL: avg_pool,
    Kernel.SCALED_CONV: scaled_conv,
    Kernel.SCALED_ADD: scaled_add,
    Kernel.SCALED_REQUANTISE: scaled_requantise,
    Kernel.SUBTRACT: subtract,
    Kernel.MULTIPLY: multiply,
    Kernel.MAXIMUM: maximum,
    Kernel.MINIMUM: minimum,
    Kernel.SCALED_SUBTRACT: scaled_subtract,
    Kernel.SCALED_MULTIPLY: scaled_multiply,
    Kernel.LOOKUP: lookup,
    Kernel.MATMUL: matmul,
    Kernel.SCALED_MATMUL: scaled_matmul,
    Kernel.CONV_20: conv_20,
}


def kernel_function(kernel: Kernel, arena_words: int) -> func.FuncOp:
    """The body of one kernel over an arena of `arena_words` 32-bit words."""
    return KERNEL_BODIES[kernel](arena_words)


def kernel_functions(arena_words: int, kernels: Iterable[Kernel] = tuple(Kernel)) -> list[func.FuncOp]:
    """The intrinsics' declarations and the bodies of `kernels` and of those they call, in the order of `Kernel`."""
    called = with_called(kernels)
    return [*intrinsics(called), *(kernel_function(kernel, arena_words) for kernel in called)]
