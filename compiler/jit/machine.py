"""
LLVM text as functions that Python can call, compiled for this processor.

llvmlite is an extra: nothing here is imported with the package, and without it every entry raises MissingJitError. It
carries no types, so it is one untyped name here and nowhere else.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from compiler.errors import BlockloomError

Function = Callable[..., int | None]


class MissingJitError(BlockloomError):
    """Something is to be compiled for this processor, but llvmlite is not installed."""


@dataclass(frozen=True)
class Processor:
    """What LLVM calls this processor, and the names of its instruction sets."""

    name: str
    architecture: str
    features: frozenset[str]


@cache
def bindings() -> Any:
    """llvmlite, ready to compile for this processor. Raises ImportError."""
    llvm = importlib.import_module("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def require_jit(purpose: str) -> None:
    """Raises MissingJitError, which says what `purpose` would need."""
    if not has_jit():
        raise MissingJitError(f"{purpose} needs llvmlite, which is not installed: pip install 'blockloom[jit]'")


def has_jit() -> bool:
    """Whether llvmlite can be imported."""
    try:
        bindings()
    except ImportError:
        return False
    return True


def this_processor() -> Processor:
    """The processor that this process runs on."""
    require_jit("compiling for this processor")
    llvm = bindings()
    features = frozenset(name for name, there in llvm.get_host_cpu_features().items() if there)
    return Processor(llvm.get_host_cpu_name(), llvm.get_process_triple().split("-")[0], features)


class Library:
    """Compiled functions; they live as long as this object or any of them that was taken."""

    def __init__(self, text: str):
        """
        Compile a module of LLVM text. Raises MissingJitError.

        It is taken as it is written: LLVM's passes before code generation would take two thirds of the time, to make a
        network 3 % faster and kernels no faster at all (measured).
        """
        require_jit("compiling for this processor")
        llvm = bindings()
        module = llvm.parse_assembly(text)
        module.verify()
        features = llvm.get_host_cpu_features().flatten()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True
        )
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()

    def function(self, name: str, arguments: Sequence[type[Any]], result: type[Any] | None = None) -> Function:
        """A function of the module, with ctypes of its arguments and of its result."""
        address: int = self._engine.get_function_address(name)
        assert address, f"the module has no function '{name}'"
        function: Any = ctypes.CFUNCTYPE(result, *arguments)(address)
        function.library = self  # the code goes when the engine does
        return function
