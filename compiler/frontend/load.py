"""
From what a user names to a model that every later step can rely on.

`load_model` returns a ModelProto that is valid, at operator set 21 or later, without local functions, with known
operators, static shapes and batch 1, all weights in memory, and the shape of every tensor inferred. Whatever cannot be
brought there is refused here with one message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import google.protobuf.message
import onnx
import onnx.checker
import onnx.defs
import onnx.external_data_helper
import onnx.inliner
import onnx.numpy_helper
import onnx.shape_inference
import onnx.version_converter

from compiler.errors import InputError
from compiler.frontend.zoo import zoo_model
from compiler.onnxio.outline import is_outlined, outline_initialisers
from compiler.onnxio.skeleton import without_large_tensors

# From here on QuantizeLinear and DequantizeLinear take every type that is needed, in ONNX Runtime and elsewhere.
OPSET = 21
_check_model = cast("Callable[[bytes], None]", cast(Any, onnx.checker).check_model)
_KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def load_model(
    source: str, *, shapes: Mapping[str, Sequence[int]] | None = None, seed: int = 0, outline: bool = False
) -> onnx.ModelProto:
    """
    The model at a path or `zoo:NAME[@SIZE]`; `shapes` gives inputs a shape, `seed` draws the zoo's weights.

    With `outline` only the graph is read: large tensors have no values (`compiler.onnxio.outline`).
    """
    if source.startswith("zoo:"):
        model = zoo_model(source.removeprefix("zoo:"), opset=OPSET, seed=None if outline else seed)
    else:
        model = _read(Path(source), outline)
    return prepare_model(model, source, shapes or {})


def prepare_model(model: onnx.ModelProto, source: str, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Check a model and bring it to the form that `load_model` promises; `source` is what messages call it."""
    if len(model.functions):
        model = onnx.inliner.inline_local_functions(model)
    _refuse_unknown_operators(model, source)
    initialisers = {tensor.name for tensor in model.graph.initializer}
    _drop_declared_initialisers(model.graph, initialisers)
    for value in model.graph.input:
        _fix_shape(value, source, shapes)
    unknown = sorted(set(shapes) - {value.name for value in model.graph.input})
    if unknown:
        inputs = ", ".join(f"'{value.name}'" for value in model.graph.input)
        raise InputError(f"{source} has no input '{unknown[0]}' to give a shape to; its inputs are {inputs}")

    def check(skeleton: onnx.ModelProto) -> onnx.ModelProto:
        return _checked(_converted(_checked(skeleton, source), source), source)

    return without_large_tensors(model, check)


def _read(path: Path, outline: bool) -> onnx.ModelProto:
    """The model in a file, with external data from its own folder only."""
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; give the path of an .onnx model or zoo:NAME")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except google.protobuf.message.DecodeError as error:
        raise InputError(f"'{path}' is not an ONNX model or is damaged: {error}") from error
    if not len(model.graph.node) and not len(model.graph.output):
        raise InputError(f"'{path}' is not an ONNX model: it holds no graph")
    folder = path.parent.resolve()
    for tensor in model.graph.initializer:
        if onnx.external_data_helper.uses_external_data(tensor):
            location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
            file = (folder / location).resolve()
            if not file.is_relative_to(folder):
                raise InputError(
                    f"'{path}': tensor '{tensor.name}' keeps its data at '{location}', outside the model's folder; "
                    "external data is read from that folder only, so move it there and save the model again"
                )
            if not file.is_file():
                raise InputError(
                    f"'{path}': the data of tensor '{tensor.name}' should be in '{location}' beside the model, "
                    "but there is no such file"
                )
    if outline:
        outline_initialisers(model.graph)
    try:
        for tensor in model.graph.initializer:
            if onnx.external_data_helper.uses_external_data(tensor) and not is_outlined(tensor):
                onnx.external_data_helper.load_external_data_for_tensor(tensor, str(folder))
                tensor.data_location = onnx.TensorProto.DEFAULT
                del tensor.external_data[:]
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise InputError(f"'{path}': its external data cannot be read: {error}") from error
    for tensor in model.graph.initializer:
        _refuse_wrong_size(tensor, path)
    return model


def _refuse_wrong_size(tensor: onnx.TensorProto, path: Path) -> None:
    """Refuse a tensor whose bytes are fewer or more than its shape and type take."""
    if not tensor.HasField("raw_data"):
        return
    try:
        onnx.numpy_helper.to_array(tensor)
    except ValueError as error:
        raise InputError(
            f"'{path}': tensor '{tensor.name}' has shape {list(tensor.dims)} and {len(tensor.raw_data)} bytes of data, "
            f"which do not fit together: {error}"
        ) from error


def _refuse_unknown_operators(model: onnx.ModelProto, source: str) -> None:
    """Refuse operators that the model's own operator sets do not define, all in one message."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    unknown: dict[str, int] = {}
    pending = [model.graph]
    while pending:
        graph = pending.pop()
        for node in graph.node:
            known = node.domain in _KNOWN_DOMAINS and onnx.defs.has(
                node.op_type, versions.get(node.domain, onnx.defs.onnx_opset_version()), node.domain
            )
            if not known:
                label = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
                unknown[label] = unknown.get(label, 0) + 1
            pending.extend(attribute.g for attribute in node.attribute if attribute.HasField("g"))
            pending.extend(graph for attribute in node.attribute for graph in attribute.graphs)
    if unknown:
        listed = ", ".join(f"{label} ({count})" for label, count in sorted(unknown.items()))
        raise InputError(
            f"{source} uses operators that standard ONNX does not define: {listed} (number of nodes); "
            "export the model with standard operators only"
        )


def _drop_declared_initialisers(graph: onnx.GraphProto, initialisers: set[str]) -> None:
    """Old models list every initialiser among the inputs as well; the inputs are the others."""
    inputs = [value for value in graph.input if value.name not in initialisers]
    del graph.input[:]
    graph.input.extend(inputs)


def _fix_shape(value: onnx.ValueInfoProto, source: str, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give an input its static shape, and refuse one that has none or a batch other than 1."""
    if not value.type.HasField("tensor_type"):
        raise InputError(f"{source}: input '{value.name}' is not a tensor; only tensors can be inputs")
    tensor = value.type.tensor_type
    declared = [
        dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or "?"
        for dimension in tensor.shape.dim
    ]
    given = shapes.get(value.name)
    if given is not None:
        fits = len(given) == len(declared) and all(
            not isinstance(old, int) or old == new for old, new in zip(declared, given, strict=True)
        )
        if tensor.HasField("shape") and not fits:
            raise InputError(f"{source}: input '{value.name}' has shape {_text(declared)}, which is not {_text(given)}")
        del tensor.shape.dim[:]
        for size in given:
            tensor.shape.dim.add().dim_value = size
        declared = list(given)
    elif not tensor.HasField("shape") or any(not isinstance(size, int) for size in declared):
        example = ",".join(str(size) if isinstance(size, int) else "1" for size in declared) or "1,3,224,224"
        raise InputError(
            f"{source}: the shape of input '{value.name}' is {_text(declared)}, not all known; "
            f"give it, for example --shape {value.name}={example}"
        )
    if len(declared) > 1 and declared[0] != 1:
        raise InputError(
            f"{source}: input '{value.name}' has batch {declared[0]}; the array runs batch 1, "
            "so export the model with batch 1"
        )


def _text(shape: Sequence[int | str]) -> str:
    return f"[{', '.join(str(size) for size in shape)}]"


def _converted(model: onnx.ModelProto, source: str) -> onnx.ModelProto:
    """The model at operator set OPSET, or as it is if that is older than its own."""
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OPSET)
    if version < OPSET:
        try:
            model = onnx.version_converter.convert_version(model, OPSET)
        except (RuntimeError, onnx.version_converter.ConvertError) as error:
            raise InputError(
                f"{source} is at operator set {version} and cannot be converted to {OPSET}: {error}"
            ) from error
    model.ir_version = max(model.ir_version, 10)
    return model


def _checked(model: onnx.ModelProto, source: str) -> onnx.ModelProto:
    """The model after ONNX's own checker and shape inference; every tensor must have a static shape."""
    try:
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        _check_model(model.SerializeToString())
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InputError(f"{source} is not a valid ONNX model: {error}") from error
    return model
