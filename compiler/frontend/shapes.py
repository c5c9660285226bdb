"""The inputs of a model: which of the declared ones they are, and the static shape of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from compiler.errors import InputError


def drop_declared_initialisers(graph: onnx.GraphProto) -> None:
    """Old models list every initialiser among the inputs as well; the inputs are the others."""
    initialisers = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initialisers]
    del graph.input[:]
    graph.input.extend(inputs)


def fix_shapes(
    graph: onnx.GraphProto, source: str, shapes: Mapping[str, Sequence[int]], batch: int | None = None
) -> None:
    """
    Give every input its static shape: the one in `shapes`, or its own with `batch` for a first size that is left open.

    Refuses an input that has none then, a shape for an input that is not there, and whatever is no tensor.
    """
    if batch is not None and batch < 1:
        raise InputError(f"--batch is a positive whole number; {batch} was given")
    for value in graph.input:
        _fix_shape(value, source, shapes.get(value.name), batch)
    for value in graph.output:
        if value.HasField("type") and not value.type.HasField("tensor_type"):
            raise InputError(f"{source}: output '{value.name}' is not a tensor; only tensors can be outputs")
    unknown = sorted(set(shapes) - {value.name for value in graph.input})
    if unknown:
        inputs = ", ".join(f"'{value.name}'" for value in graph.input)
        raise InputError(f"{source} has no input '{unknown[0]}' to give a shape to; its inputs are {inputs}")


def _fix_shape(value: onnx.ValueInfoProto, source: str, given: Sequence[int] | None, batch: int | None) -> None:
    if not value.type.HasField("tensor_type"):
        raise InputError(f"{source}: input '{value.name}' is not a tensor; only tensors can be inputs")
    tensor = value.type.tensor_type
    declared = [
        dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or "?"
        for dimension in tensor.shape.dim
    ]
    if given is None and batch is not None and declared and not isinstance(declared[0], int):
        declared[0] = tensor.shape.dim[0].dim_value = batch
    if given is not None:
        fits = len(given) == len(declared) and all(
            not isinstance(old, int) or old == new for old, new in zip(declared, given, strict=True)
        )
        if tensor.HasField("shape") and not fits:
            raise InputError(f"{source}: input '{value.name}' has shape {_text(declared)}, which is not {_text(given)}")
        del tensor.shape.dim[:]
        for size in given:
            tensor.shape.dim.add().dim_value = size
    elif not tensor.HasField("shape") or any(not isinstance(size, int) for size in declared):
        example = ",".join(str(size) if isinstance(size, int) else "1" for size in declared) or "1,3,224,224"
        alone = declared and all(isinstance(size, int) for size in declared[1:])
        raise InputError(
            f"{source}: the shape of input '{value.name}' is {_text(declared)}, not all known; "
            f"give it, for example {'--batch 1 or ' if alone else ''}--shape {value.name}={example}"
        )


def _text(shape: Sequence[int | str]) -> str:
    return f"[{', '.join(str(size) for size in shape)}]"
