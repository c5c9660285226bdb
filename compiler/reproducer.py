"""
What a failing pass leaves behind: one file with the module as it was before that pass, and the pass with its options.

    // bsr-fuse-add failed with AssertionError: a sum has two operands
    // configuration: -p bsr-fuse-add
    builtin.module { … }

`blockloom-opt FILE --run-reproducer` sees it fail again; any tool that reads MLIR takes the file for the module that it
is. Weights are written into the module while they are small together, and otherwise into a `.npz` file of the same name
beside it, which the configuration then names.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute

from compiler.artifact import LocationPrinter
from compiler.blobs import blobs_of, save_weights
from compiler.errors import InputError, MissingWeightsError
from compiler.pipelines import PassStart
from dialects.blob import BlobAttr
from dialects.constants import constant_type, dense_attribute

CONFIGURATION = "// configuration: "
INLINE_BYTES = 1 << 18
"""As much text as an editor still opens at once; hexadecimal digits make it twice as many characters."""


@dataclass(frozen=True)
class Configuration:
    """What to do with the module of a reproducer: `passes` as `-p` takes them, and where its weights are."""

    passes: str
    weights: Path | None


def crash_reproducer(path: Path) -> Callable[[PassStart], AbstractContextManager[None]]:
    """A guard of pipelines that writes `path` when a pass fails. Raises InputError if it could not be written there."""
    if not path.absolute().parent.is_dir():
        raise InputError(f"the reproducer '{path}' cannot be written: '{path.absolute().parent}' is no folder")

    @contextmanager
    def guard(start: PassStart) -> Generator[None]:
        before = start.module.clone()
        try:
            yield
        except Exception as error:
            _write(path, before, start, error)
            error.add_note(f"to see it fail again: blockloom-opt {shlex.quote(str(path))} --run-reproducer")
            raise

    return guard


def read_configuration(path: Path) -> Configuration:
    """What the head of a reproducer says. Raises InputError for a file that is none."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("//"):
            break
        if line.startswith(CONFIGURATION):
            match shlex.split(line.removeprefix(CONFIGURATION)):
                case ["-p", passes]:
                    return Configuration(passes, None)
                case ["-p", passes, "--weights", weights]:
                    return Configuration(passes, path.parent / weights)
                case _:
                    raise InputError(f"'{path}' has a configuration that is none of ours: {line}")
    raise InputError(
        f"'{path}' is no reproducer: its first lines have no '{CONFIGURATION}'; --crash-reproducer FILE writes one"
    )


def _write(path: Path, module: ModuleOp, start: PassStart, error: Exception) -> None:
    reason = next(iter(str(error).splitlines()), "no message")
    configuration = ["-p", str(start.spec)]
    try:
        _inline(module)
        if any(blobs_of(module)):
            save_weights(path.with_suffix(".npz"), [module])
            configuration += ["--weights", path.with_suffix(".npz").name]
        weights = ""
    except MissingWeightsError as missing:
        # the pass may have failed for just this reason; without values the module still says what it is
        weights = f"// its weights are not here: {missing}\n"
    with path.open("w", encoding="utf-8") as stream:
        stream.write(f"// {start.name} failed with {type(error).__name__}: {reason}\n{weights}")
        stream.write(f"{CONFIGURATION}{shlex.join(configuration)}\n")
        LocationPrinter(stream).print_op(module)
        stream.write("\n")


def _inline(module: ModuleOp) -> None:
    """Replace blobs by their values, if all of them together are small."""
    if sum(blob.array().nbytes for blob in blobs_of(module)) > INLINE_BYTES:
        return

    def inlined(attribute: Attribute) -> Attribute:
        if not isinstance(attribute, BlobAttr):
            return attribute
        return dense_attribute(attribute.array(), constant_type(attribute.array()))

    for op in module.walk():
        op.properties.update({name: inlined(attribute) for name, attribute in op.properties.items()})
        op.attributes.update({name: inlined(attribute) for name, attribute in op.attributes.items()})
