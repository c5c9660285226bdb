"""
From what a user names to a model that every later step can rely on.

`load_model` returns a ModelProto that is valid, at operator set 21 or later, without local functions, with known
operators, static shapes, all weights in memory, and the type of every tensor inferred. Whatever cannot be brought there
is refused here with one message; a model whose operators have no later form stays as it is, marked for the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import onnx
import onnx.checker
import onnx.inliner
import onnx.shape_inference
import onnx.version_converter

from compiler.errors import InputError
from compiler.frontend.control_flow import write_out
from compiler.frontend.read import read_model
from compiler.frontend.shapes import drop_declared_initialisers, fix_shapes
from compiler.frontend.structure import (
    refuse_explosion,
    refuse_large_values,
    refuse_unknown_operators,
    refuse_wrong_sizes,
)
from compiler.frontend.zoo import zoo_model
from compiler.onnxio.importer import UNCONVERTED_KEY
from compiler.onnxio.skeleton import without_large_tensors

# From here on QuantizeLinear and DequantizeLinear take every type that is needed, in ONNX Runtime and elsewhere.
OPSET = 21
_check_model = cast("Callable[[bytes], None]", cast(Any, onnx.checker).check_model)
_REFUSALS = (
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
    onnx.version_converter.ConvertError,
    RuntimeError,
    IndexError,
    ValueError,
    TypeError,
)
"""What the C++ parts of the `onnx` package raise about a model they do not accept."""


def load_model(
    source: str | onnx.ModelProto,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    seed: int = 0,
    outline: bool = False,
) -> onnx.ModelProto:
    """
    The model at a path, `zoo:NAME[@SIZE]`, or one in memory, which is not changed.

    `shapes` gives inputs a shape, `batch` their first size where it is open, `seed` draws the zoo's weights. With
    `outline` only the graph is read: large tensors have no values (`compiler.onnxio.outline`).
    """
    if isinstance(source, onnx.ModelProto):
        model, name = onnx.ModelProto.FromString(source.SerializeToString()), source.graph.name or "the model"
        refuse_wrong_sizes(model.graph, name)
    elif source.startswith("zoo:"):
        model, name = zoo_model(source.removeprefix("zoo:"), opset=OPSET, seed=None if outline else seed), source
    else:
        model, name = read_model(Path(source), outline=outline), source
    return prepare_model(model, name, shapes or {}, batch)


def prepare_model(
    model: onnx.ModelProto, source: str, shapes: Mapping[str, Sequence[int]], batch: int | None = None
) -> onnx.ModelProto:
    """Check a model and bring it to the form that `load_model` promises; `source` is what messages call it."""
    if len(model.functions):
        refuse_explosion(model, source)
        model = _tried(onnx.inliner.inline_local_functions, model, source)
    refuse_unknown_operators(model, source)
    drop_declared_initialisers(model.graph)
    fix_shapes(model.graph, source, shapes, batch)

    def check(skeleton: onnx.ModelProto) -> onnx.ModelProto:
        converted = _converted(_checked(skeleton, source), source)
        return converted if _is_unconverted(converted) else write_out(converted, lambda m: _checked(m, source), source)

    return without_large_tensors(model, check)


def _tried(step: Callable[[onnx.ModelProto], onnx.ModelProto], model: onnx.ModelProto, source: str) -> onnx.ModelProto:
    try:
        return step(model)
    except _REFUSALS as error:
        raise InputError(f"{source} is not a valid ONNX model: {error}") from error


def _converted(model: onnx.ModelProto, source: str) -> onnx.ModelProto:
    """The model at operator set OPSET or its own later one; as it is, with the reason, if that cannot be done."""
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OPSET)
    if version < OPSET:
        try:
            model = _checked(onnx.version_converter.convert_version(model, OPSET), source)
        except (*_REFUSALS, InputError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            reason = f"the model is at operator set {version} and cannot be converted to {OPSET}: {lines[-1]}"
            model.metadata_props.add(key=UNCONVERTED_KEY, value=reason)
    model.ir_version = max(model.ir_version, 10)
    return model


def _is_unconverted(model: onnx.ModelProto) -> bool:
    return any(entry.key == UNCONVERTED_KEY for entry in model.metadata_props)


def _checked(model: onnx.ModelProto, source: str) -> onnx.ModelProto:
    """The model after ONNX's own checker and shape inference."""

    def check(model: onnx.ModelProto) -> onnx.ModelProto:
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        _check_model(model.SerializeToString())
        return model

    model = _tried(check, model, source)
    refuse_large_values(model.graph, source)
    return model
