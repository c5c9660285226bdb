"""
`#bsr.blob<"key", "digest">`: a large constant by name, so that IR stays small and equality stays exact.

The attribute holds the array itself while a pipeline runs in one process. Printed, only the key and the digest remain;
parsed, the array is loaded on first use from `weights.npz` beside the file that was parsed. The digest is checked then,
so a module can never silently meet the weights of another one.

Passes that need only shapes or Γ never load anything.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from compiler.errors import MissingWeightsError

WEIGHTS_FILE = "weights.npz"


def digest_of(array: npt.NDArray[Any]) -> str:
    """Digest over element type, shape and bytes, 16 hexadecimal digits."""
    contiguous = np.ascontiguousarray(array)
    state = hashlib.blake2b(f"{contiguous.dtype.str}{contiguous.shape}".encode(), digest_size=8)
    state.update(contiguous.data)
    return state.hexdigest()


@lru_cache(maxsize=4)
def _open_weights(path: Path, modified_ns: int) -> Any:
    """One open archive per file version: `modified_ns` only tells versions of the file apart."""
    return np.load(path, allow_pickle=False)


@dataclass
class Blob:
    """Key, digest and, once known, the array. Two blobs are equal when key and digest are."""

    key: str
    digest: str
    values: npt.NDArray[Any] | None = field(default=None, compare=False, repr=False)
    directory: Path | None = field(default=None, compare=False, repr=False)

    def __hash__(self) -> int:
        return hash((self.key, self.digest))

    def array(self) -> npt.NDArray[Any]:
        """The values. Raises MissingWeightsError when the file is absent, lacks the key or holds other values."""
        if self.values is None:
            self.values = self._load()
        return self.values

    def _load(self) -> npt.NDArray[Any]:
        if self.directory is None:
            raise MissingWeightsError(
                f"the values of blob '{self.key}' are needed, but this module was not read from a file; "
                f"parse it from a file with {WEIGHTS_FILE} beside it, or give --weights FILE"
            )
        path = self.directory if self.directory.suffix == ".npz" else self.directory / WEIGHTS_FILE
        if not path.is_file():
            raise MissingWeightsError(
                f"the values of blob '{self.key}' are needed, but '{path}' does not exist; "
                f"keep {WEIGHTS_FILE} beside the module, or give --weights FILE"
            )
        archive = _open_weights(path, path.stat().st_mtime_ns)
        if self.key not in archive:
            raise MissingWeightsError(f"'{path}' has no entry '{self.key}'; it belongs to another module")
        values = cast("npt.NDArray[Any]", archive[self.key])
        found = digest_of(values)
        if found != self.digest:
            raise MissingWeightsError(
                f"entry '{self.key}' of '{path}' has digest {found}, the module names {self.digest}; "
                "they come from different compilations"
            )
        return values


@irdl_attr_definition
class BlobAttr(Data[Blob]):
    """A named constant kept outside the text of the module."""

    name = "bsr.blob"

    @classmethod
    def from_array(cls, key: str, values: npt.NDArray[Any]) -> BlobAttr:
        """Name `values`; the array is shared, not copied, and must not be changed afterwards."""
        return cls(Blob(key, digest_of(values), values))

    def array(self) -> npt.NDArray[Any]:
        """See `Blob.array`."""
        return self.data.array()

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Blob:
        with parser.in_angle_brackets():
            key = parser.parse_str_literal()
            parser.parse_punctuation(",")
            digest = parser.parse_str_literal()
        source = Path(parser.lexer.input.name)
        return Blob(key, digest, directory=source.parent if source.is_file() else None)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string_literal(self.data.key)
            printer.print_string(", ")
            printer.print_string_literal(self.data.digest)
