"""
Calls of kernels at the array level: by their numpy meaning at first, and by the device's own functions when that pays.

Where llvmlite is installed, a kernel that has been called `COMPILE_AFTER` times is compiled from the function that the
device holds, the very one that upstream compiles for its cores. Both give the same words: of what a call defines; the
body also writes the surplus pixels of its last steps, as a core does, so a plan that left no room for them shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func

from compiler.jit.kernels import CompiledKernels
from compiler.jit.machine import has_jit
from compiler.kernels.parameters import Kernel
from compiler.kernels.semantics import KERNELS, Call

Words = npt.NDArray[np.int32]

COMPILE_AFTER = 1000
"""Calls: to compile the largest kernel takes as long as so many calls take longer in numpy (0.25 s, 0.1 to 0.4 ms)."""


class KernelCalls:
    """The kernels of one device, and how often each was called."""

    def __init__(self, functions: Iterable[func.FuncOp], compile_after: int | None = None):
        """`compile_after` calls of a kernel it is compiled, by default COMPILE_AFTER where llvmlite is installed."""
        if compile_after is None and has_jit():
            compile_after = COMPILE_AFTER
        self._compile_after = compile_after
        self._compiled = CompiledKernels(functions)
        self._calls: Counter[Kernel] = Counter()
        self._compiled_calls = 0

    def run(self, kernel: Kernel, params: Words, arena: Words, call: Call) -> None:
        """One call. Raises KernelBodyError where the device's function does what a core has no answer to."""
        self._calls[kernel] += 1
        after = self._compile_after
        if after is None or self._calls[kernel] <= after or kernel.symbol not in self._compiled:
            KERNELS[kernel](params, arena, call)
        else:
            self._compiled_calls += 1
            self._compiled.run(kernel.symbol, [params, arena], astuple(call))

    def __str__(self) -> str:
        return f"{self._calls.total()} kernel calls, {self._compiled_calls} of them by compiled functions of the device"
