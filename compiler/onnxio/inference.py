"""Types of values that a rewriting of the onnx level has left open, as ONNX's own shape inference finds them."""

from __future__ import annotations

import onnx.shape_inference
from xdsl.dialects.builtin import ModuleOp
from xdsl.rewriter import Rewriter

from compiler.onnxio.exporter import export_with_names, main_function
from compiler.onnxio.skeleton import without_large_tensors
from compiler.onnxio.types import import_type
from dialects.onnx_attributes import ValueType

UNKNOWN_TYPE = ValueType(b"")
"""The type of a value about which nothing is known yet."""


def infer_types(module: ModuleOp) -> None:
    """Replace every unknown type in `@main` by the one that follows from the operators before it."""
    model, names = export_with_names(module)
    inferred = without_large_tensors(model, lambda part: onnx.shape_inference.infer_shapes(part, data_prop=True))
    known = {
        value.name: import_type(value.type)
        for value in (*inferred.graph.value_info, *inferred.graph.output)
        if value.type.HasField("tensor_type")
    }
    for value, name in names.items():
        if value.type == UNKNOWN_TYPE and name in known:
            Rewriter.replace_value_with_new_type(value, known[name])
    main_function(module).update_function_type()
