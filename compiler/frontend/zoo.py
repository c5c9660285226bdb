"""`zoo:NAME` and `zoo:NAME@SIZE`: real network structures with seeded weights, without a download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from compiler.errors import InputError
from compiler.frontend import inception, light, vgg


@dataclass(frozen=True)
class ZooEntry:
    """A network: its native square input and its builder, called with (title, size, opset, seed)."""

    native_size: int
    build: Callable[[str, int, int, int | None], onnx.ModelProto]


def _vgg16(title: str, size: int, opset: int, seed: int | None) -> onnx.ModelProto:
    return vgg.vgg16(title, size, opset, seed, classifier=False)


def _vgg16_fc(title: str, size: int, opset: int, seed: int | None) -> onnx.ModelProto:
    return vgg.vgg16(title, size, opset, seed, classifier=True)


ZOO: dict[str, ZooEntry] = {
    **{name: ZooEntry(light.NATIVE_SIZE, light.light_model) for name in light.LIGHT_MODELS},
    "vgg16": ZooEntry(vgg.NATIVE_SIZE, _vgg16),
    "vgg16_fc": ZooEntry(vgg.NATIVE_SIZE, _vgg16_fc),
    "inception_v3": ZooEntry(inception.NATIVE_SIZE, inception.inception_v3),
}


def zoo_model(source: str, *, opset: int, seed: int | None) -> onnx.ModelProto:
    """The model that `NAME` or `NAME@SIZE` names; without a seed its large parameters have no values."""
    name, separator, size_text = source.partition("@")
    entry = ZOO.get(name)
    if entry is None:
        raise InputError(f"the zoo has no network '{name}'; it has {', '.join(sorted(ZOO))}")
    if separator and not (size_text.isdecimal() and int(size_text) > 0):
        raise InputError(f"'zoo:{source}': the size after @ must be a positive whole number, for example zoo:{name}@64")
    size = int(size_text) if separator else entry.native_size
    return entry.build(name, size, opset, seed)
