"""
Every dialect and pass of Blockloom by name, imported only when used.

A pass and its class are named after their file (`mem_allocate_buffers.py`, `mem-allocate-buffers`,
`MemAllocateBuffersPass`), so there is no table to keep: a file of `passes/` that holds the class of its name is a pass,
any other is a helper. Telling them apart reads the files as text and imports none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import cast

from xdsl.context import Context
from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import Universe

import passes

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
    return cast("type[ModulePass]", getattr(import_module(f"passes.{module_name}"), _class_name(module_name)))


def _class_name(module_name: str) -> str:
    return "".join(word.capitalize() for word in module_name.split("_")) + "Pass"


def available_dialects() -> dict[str, Callable[[], Dialect]]:
    """A function that imports it, for every dialect."""
    return {name: partial(load_dialect, name) for name in DIALECTS}


def available_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """A function that imports it, for every pass."""
    files = sorted(Path(next(iter(passes.__path__))).glob("*.py"))
    names = [file.stem for file in files if f"\nclass {_class_name(file.stem)}(" in file.read_text(encoding="utf-8")]
    return {name.replace("_", "-"): partial(load_pass, name) for name in names}


def full_context() -> Context:
    """A context that knows our dialects and those of every installed universe, none loaded yet."""
    context = Context()
    for name, factory in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, factory)
    return context
