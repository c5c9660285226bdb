"""
Blockloom: from ONNX networks with block-sparse int8 weights to AI Engine arrays.

`from compiler import compile_model, Pipeline` is the whole public interface; importing the package itself is cheap,
since most of it is needed by few of those who import a part.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.api import Compilation, compile_model
    from compiler.pipelines import Pipeline

__all__ = ["Compilation", "Pipeline", "compile_model"]

_HOMES = {"Compilation": "compiler.api", "Pipeline": "compiler.pipelines", "compile_model": "compiler.api"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'compiler' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
