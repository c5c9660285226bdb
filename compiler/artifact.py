"""
What a compilation leaves on disk: a directory that holds exactly

    onnx.mlir bsr.mlir mem.mlir aie.mlir weights.npz manifest.json

(without the levels that were not reached). It is written to a temporary sibling and renamed, so that a directory of
this name is always a whole one, and it replaces only another of its kind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.printer import Printer

from compiler.blobs import save_weights
from compiler.bulk import few_garbage_collections
from compiler.errors import InputError
from compiler.pipelines import LEVELS
from compiler.registry import full_context
from dialects.blob import WEIGHTS_FILE

MANIFEST_FILE = "manifest.json"
FILES = frozenset({*(f"{level}.mlir" for level in LEVELS), WEIGHTS_FILE, MANIFEST_FILE})

Manifest = dict[str, Any]


def is_artifact(path: Path) -> bool:
    """Whether `path` is a directory as `write_artifact` leaves it."""
    return (path / MANIFEST_FILE).is_file() and {entry.name for entry in path.iterdir()} <= FILES


def require_replaceable(path: Path) -> None:
    """Raise InputError unless `path` is free, an empty directory, or an earlier result: nothing else is overwritten."""
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir() or path.is_symlink():
        raise InputError(f"'{path}' exists and is not a directory; give another name with -o")
    if any(path.iterdir()) and not is_artifact(path):
        strange = sorted({entry.name for entry in path.iterdir()} - FILES)
        found = f"it holds {', '.join(strange[:3])}" if strange else f"it has no {MANIFEST_FILE}"
        raise InputError(f"'{path}' is not the result of an earlier compilation ({found}); it is not overwritten")


def write_artifact(path: Path, modules: Mapping[str, ModuleOp], manifest: Manifest) -> None:
    """Write the modules, the values of their blobs and the manifest with the digest of every other file."""
    require_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        # A temporary directory is private; a result has the permissions of any new directory.
        mask = os.umask(0)
        os.umask(mask)
        written.chmod(0o777 & ~mask)
        for level, module in modules.items():
            with (written / f"{level}.mlir").open("w", encoding="utf-8") as stream:
                LocationPrinter(stream).print_op(module)
                stream.write("\n")
        save_weights(written / WEIGHTS_FILE, modules.values())
        files = {entry.name: _digest(entry) for entry in sorted(written.iterdir())}
        text = json.dumps({**manifest, "files": files}, indent=2, ensure_ascii=False)
        (written / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
        _move_into_place(written, path)
    finally:
        shutil.rmtree(written, ignore_errors=True)


def read_manifest(path: Path) -> Manifest:
    """The manifest of an artifact. Files may be edited by hand: the digests say what was compiled, they are no lock."""
    if not is_artifact(path):
        raise InputError(f"'{path}' is not the result of a compilation: there is no {MANIFEST_FILE}, or other files")
    try:
        manifest = cast("Manifest", json.loads((path / MANIFEST_FILE).read_text(encoding="utf-8")))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"'{path / MANIFEST_FILE}' is damaged: {error}") from error
    missing = sorted(name for name in manifest.get("files", {"files": ""}) if not (path / name).is_file())
    if missing:
        raise InputError(f"'{path}' is incomplete: {', '.join(missing)} missing; compile again")
    return manifest


class LocationPrinter(Printer):
    """Prints the location of every operation that has one: the ONNX node it comes from, through all levels."""

    def print_op(self, op: Operation) -> None:
        outer = self.print_debuginfo
        self.print_debuginfo = not isinstance(op.location, UnknownLoc)
        super().print_op(op)
        self.print_debuginfo = outer


class ParsedModules(Mapping[str, ModuleOp]):
    """The modules of an artifact, each parsed when first asked for: running one level need not read the others."""

    def __init__(self, path: Path):
        self._path = path
        self._levels = [level for level in LEVELS if (path / f"{level}.mlir").is_file()]
        self._parsed: dict[str, ModuleOp] = {}

    def __getitem__(self, level: str) -> ModuleOp:
        if level not in self._levels:
            raise KeyError(level)
        if level not in self._parsed:
            file = self._path / f"{level}.mlir"
            with few_garbage_collections():
                self._parsed[level] = Parser(full_context(), file.read_text(encoding="utf-8"), str(file)).parse_module()
        return self._parsed[level]

    def __iter__(self) -> Iterator[str]:
        return iter(self._levels)

    def __len__(self) -> int:
        return len(self._levels)


def _move_into_place(written: Path, path: Path) -> None:
    """Two renames when there is an earlier result; if the second one fails, the earlier result comes back."""
    if not path.exists():
        written.rename(path)
        return
    earlier = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    path.rename(earlier)
    try:
        written.rename(path)
    except OSError:
        earlier.rename(path)
        raise
    shutil.rmtree(earlier)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
