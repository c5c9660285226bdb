"""The large constants of modules: collected into one `weights.npz`, and given back to modules parsed from text."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp
from xdsl.ir import Attribute, ParametrizedAttribute

from compiler.errors import InputError
from dialects.blob import BlobAttr


def blobs_of(module: ModuleOp) -> Iterator[BlobAttr]:
    """Every blob in the attributes and properties of all operations, once per attribute object."""
    seen: set[int] = set()
    for op in module.walk():
        for attribute in (*op.properties.values(), *op.attributes.values()):
            yield from _within(attribute, seen)


def _within(attribute: Attribute, seen: set[int]) -> Iterator[BlobAttr]:
    if id(attribute) in seen:
        return
    seen.add(id(attribute))
    match attribute:
        case BlobAttr():
            yield attribute
        case ArrayAttr():
            for element in attribute.data:
                yield from _within(element, seen)
        case DictionaryAttr():
            for element in attribute.data.values():
                yield from _within(element, seen)
        case ParametrizedAttribute():
            for element in attribute.parameters:
                yield from _within(element, seen)
        case _:
            return


def save_weights(path: Path, modules: Iterable[ModuleOp]) -> None:
    """Write the array of every blob, each key once. The file depends on the values only, not on the time of writing."""
    blobs: dict[str, BlobAttr] = {}
    for blob in (blob for module in modules for blob in blobs_of(module)):
        first = blobs.setdefault(blob.data.key, blob)
        assert first == blob, f"two different constants are called '{blob.data.key}'"
    write_arrays(path, ((key, blob.array()) for key, blob in blobs.items()))


def write_arrays(path: Path, arrays: Iterable[tuple[str, npt.NDArray[Any]]]) -> None:
    """What `numpy.savez` writes, but any name will do (`file` is one that it keeps for itself)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays:
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)


def attach_weights(module: ModuleOp, path: Path) -> None:
    """Let the blobs of a parsed module load their values from `path`; they are read when first used."""
    if not path.is_file():
        raise InputError(f"the weights file '{path}' does not exist")
    if path.suffix != ".npz":
        raise InputError(f"the weights file '{path}' should be a .npz file, as `blockloom compile` writes it")
    for blob in blobs_of(module):
        if blob.data.values is None:
            blob.data.directory = path
