"""
Every dialect and pass of Blockloom by name, imported only when used.

A pass is a module of `passes/` whose file name starts with the level it works on or with `convert_`; the pass and its
class are named after the file (`mem_allocate_buffers.py`, `mem-allocate-buffers`, `MemAllocateBuffersPass`), so that
there is no table to keep. Other files of that folder are helpers.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import cast

from xdsl.context import Context
from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import Universe

import passes

PASS_PREFIXES = ("onnx_", "bsr_", "mem_", "aie_", "convert_")

DIALECTS = {
    "onnx": "onnx_dialect",
    "bsr": "Bsr",
    "mem": "Mem",
    "aie": "Aie",
    "aiex": "Aiex",
    "aievec": "Aievec",
}
"""Name of the dialect, which is also its module in `dialects/`, and what it is called there: a `Dialect`, or for `onnx`
with its hundreds of operations a function that makes it once."""


def load_dialect(name: str) -> Dialect:
    """Import a dialect of `DIALECTS`."""
    found = cast("Dialect | Callable[[], Dialect]", getattr(import_module(f"dialects.{name}"), DIALECTS[name]))
    return found if isinstance(found, Dialect) else found()


def load_pass(module_name: str) -> type[ModulePass]:
    """Import the pass of the file `passes/{module_name}.py`."""
    class_name = "".join(word.capitalize() for word in module_name.split("_")) + "Pass"
    found = cast("type[ModulePass]", getattr(import_module(f"passes.{module_name}"), class_name))
    assert found.name == module_name.replace("_", "-"), f"{class_name} calls itself '{found.name}'"
    return found


def available_dialects() -> dict[str, Callable[[], Dialect]]:
    """A function that imports it, for every dialect."""
    return {name: partial(load_dialect, name) for name in DIALECTS}


def available_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """A function that imports it, for every pass."""
    names = sorted(module.name for module in pkgutil.iter_modules(passes.__path__))
    return {name.replace("_", "-"): partial(load_pass, name) for name in names if name.startswith(PASS_PREFIXES)}


def full_context() -> Context:
    """A context that knows our dialects and those of every installed universe, none loaded yet."""
    context = Context()
    for name, factory in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, factory)
    return context
