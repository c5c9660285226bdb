"""
Walking a model with everything nested in it, and refusing what is without end, unknown, or not as large as it says.

Nothing here allocates by what a file claims: sizes are compared with the bytes that are really there first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any

import onnx
import onnx.defs
import onnx.numpy_helper
from google.protobuf.descriptor import FieldDescriptor

from compiler.errors import InputError
from compiler.onnxio.outline import is_outlined
from dialects.onnx_quantised import MICROSOFT, MICROSOFT_OPERATORS

DEEPEST = 16
"""Graphs within graphs; exporters nest two or three."""
MOST_NODES = 1_000_000
"""After functions are written out; the largest language models have some ten thousand."""
LARGEST_TENSOR = 1 << 34
"""Bytes of one tensor, whether stored or computed."""
_KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def nested_graphs(graph: onnx.GraphProto, depth: int = 0) -> Iterator[onnx.GraphProto]:
    """A graph and those in the attributes of its nodes. Raises InputError beyond DEEPEST."""
    if depth > DEEPEST:
        raise InputError(f"the model nests graphs within graphs more than {DEEPEST} deep; flatten its control flow")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from nested_graphs(inner, depth + 1)


def stored_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Initialisers and tensors in attributes, those of nested graphs as well."""
    for inner in nested_graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                yield from ([attribute.t] if attribute.HasField("t") else ())
                yield from attribute.tensors


def refuse_broken_text(model: onnx.ModelProto, source: str) -> None:
    """Refuse names that are no text, which protobuf lets pass as bytes."""
    pending: list[Any] = [model]
    while pending:
        message = pending.pop()
        for field, value in message.ListFields():
            if field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
                continue
            alone = isinstance(value, str | bytes) or hasattr(value, "ListFields")
            several: list[Any] = [value] if alone else list(value)
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                pending.extend(several)
            elif not all(isinstance(text, str) for text in several):
                raise InputError(f"{source}: the field '{field.name}' of a {message.DESCRIPTOR.name} is no UTF-8 text")


def refuse_wrong_sizes(graph: onnx.GraphProto, source: str) -> None:
    """Refuse a tensor whose data are fewer or more than its shape and type take."""
    for tensor in stored_tensors(graph):
        name, shape = tensor.name or "of an attribute", list(tensor.dims)
        if any(size < 0 for size in shape):
            raise InputError(f"{source}: tensor '{name}' has shape {shape}; sizes are at least 0")
        if prod(shape) > LARGEST_TENSOR:
            raise InputError(f"{source}: tensor '{name}' has shape {shape}, beyond {LARGEST_TENSOR} elements")
        if is_outlined(tensor) or tensor.data_type == onnx.TensorProto.STRING:
            continue
        try:
            onnx.numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            stored = f"{len(tensor.raw_data)} bytes of data" if tensor.HasField("raw_data") else "data"
            raise InputError(
                f"{source}: tensor '{name}' has shape {shape} and {stored}, which do not fit together: {error}"
            ) from error


def refuse_large_values(graph: onnx.GraphProto, source: str) -> None:
    """Refuse a model that computes a tensor larger than LARGEST_TENSOR bytes, as far as shapes are known."""
    for value in (*graph.input, *graph.value_info, *graph.output):
        sizes = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        if prod(sizes) > LARGEST_TENSOR:
            raise InputError(
                f"{source}: tensor '{value.name}' would have shape {sizes}, "
                f"{prod(sizes)} elements; {LARGEST_TENSOR} is the most that is computed here"
            )


def refuse_explosion(model: onnx.ModelProto, source: str) -> None:
    """Refuse functions that, written out, are more than MOST_NODES nodes. Recursion is refused by the inliner."""
    sizes: dict[tuple[str, str], int] = {}
    bodies = {(function.domain, function.name): function.node for function in model.functions}
    for key in bodies:
        _written_out(key, bodies, sizes)
    total = _size_of(model.graph.node, sizes)
    if total > MOST_NODES:
        raise InputError(f"{source}: its functions written out are {total} nodes; {MOST_NODES} is the most")


def _written_out(
    first: tuple[str, str],
    bodies: Mapping[tuple[str, str], Iterable[onnx.NodeProto]],
    sizes: dict[tuple[str, str], int],
) -> None:
    """Fill in the size of a function after those that it calls; one that calls itself counts once."""
    pending, begun = [first], set[tuple[str, str]]()
    while pending:
        key = pending[-1]
        called = {(node.domain, node.op_type) for node in bodies[key]} & set(bodies)
        missing = [other for other in called if other not in sizes and other not in begun]
        if missing and key not in begun:
            begun.add(key)
            pending.extend(missing)
            continue
        sizes[key] = _size_of(bodies[key], sizes)
        pending.pop()


def _size_of(nodes: Iterable[onnx.NodeProto], sizes: dict[tuple[str, str], int]) -> int:
    return sum(sizes.get((node.domain, node.op_type), 1) for node in nodes)


def refuse_unknown_operators(model: onnx.ModelProto, source: str) -> None:
    """Refuse operators that the model's own operator sets do not define, all in one message."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    unknown: dict[str, int] = {}
    for graph in nested_graphs(model.graph):
        for node in graph.node:
            known = node.domain == MICROSOFT and node.op_type in MICROSOFT_OPERATORS
            known |= node.domain in _KNOWN_DOMAINS and onnx.defs.has(
                node.op_type, versions.get(node.domain, onnx.defs.onnx_opset_version()), node.domain
            )
            if not known:
                label = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
                unknown[label] = unknown.get(label, 0) + 1
    if unknown:
        listed = ", ".join(f"{label} ({count})" for label, count in sorted(unknown.items()))
        raise InputError(
            f"{source} uses operators that standard ONNX does not define: {listed} (number of nodes); "
            "export the model with standard operators, or those that ONNX Runtime's quantiser writes"
        )
