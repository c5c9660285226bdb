"""
The kernel bodies of a device as functions of this process: what upstream compiles for a core, compiled here.

Equal bodies are compiled once, whichever device they come from.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func

from compiler.jit.body import write_body
from compiler.jit.lowering import FAULT_WORDS, Fault
from compiler.jit.machine import Function, Library
from compiler.jit.writer import Written, module_text
from compiler.kernels.bodies.faults import outside_memory, undefined_shift, wrong_operands

Words = npt.NDArray[np.int32]


@lru_cache(maxsize=64)
def _library(text: str) -> Library:
    return Library(text)


class CompiledKernels:
    """Some kernel functions, by name; each is compiled when it is first called."""

    def __init__(self, functions: Iterable[func.FuncOp]):
        self._bodies = {function.sym_name.data: function for function in functions if not function.is_declaration}
        self._functions: dict[str, Function] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._bodies

    def run(self, name: str, memories: Sequence[Words], scalars: Sequence[int]) -> None:
        """
        Call a kernel; `memories` are changed in place, and lie in one piece each.

        Raises KernelBodyError for a body that no kernel may have, and where a body does what a core has no answer to;
        what it did before stays done. Raises MissingJitError without llvmlite.
        """
        operands = len(self._bodies[name].body.block.args)
        if len(memories) + len(scalars) != operands:
            raise wrong_operands(name, operands, len(memories) + len(scalars))
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._compiled(name, len(memories), len(scalars))
        fault = np.zeros(FAULT_WORDS, np.int64)
        pairs = [part for memory in memories for part in (memory.ctypes.data, memory.size)]
        if function(*pairs, *scalars, fault.ctypes.data):
            kind, *numbers = fault.tolist()
            raise outside_memory(*numbers) if kind == Fault.OUTSIDE else undefined_shift(*numbers[:2])

    def _compiled(self, name: str, memories: int, scalars: int) -> Function:
        body = self._bodies[name]
        called = {op.callee.string_value() for op in body.walk() if isinstance(op, func.CallOp)} & self._bodies.keys()
        written = [write_body(body, called), *(write_body(self._bodies[other]) for other in sorted(called))]
        # what helps several of them is there once
        functions = dict.fromkeys(text for part in written for text in part.functions)
        declarations = frozenset(line for part in written for line in part.declarations)
        library = _library(module_text([Written(tuple(functions), declarations)]))
        kinds = [ctypes.c_void_p, ctypes.c_int64] * memories + [ctypes.c_int32] * scalars + [ctypes.c_void_p]
        return library.function(name, kinds, ctypes.c_int32)
