"""Graphs that become modules of the `bsr` level, and what is left to the host there."""

from __future__ import annotations

import numpy as np
from strategies_graphs import GraphBuilder, Tensor
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.reference import run_reference
from compiler.onnxio.importer import import_model
from dialects.bsr import HostOp
from passes.convert_onnx_to_bsr import ConvertOnnxToBsrPass


def convert(builder: GraphBuilder, *outputs: Tensor) -> ModuleOp:
    """The bsr module of what `builder` has built, checked against the reference on random inputs."""
    module, inputs = import_model(builder.model(*outputs)), builder.feed()
    expected = run_reference(module, inputs)
    ConvertOnnxToBsrPass().apply(Context(), module)
    module.verify()
    found = interpret_bsr(module, inputs)
    for name, values in found.tensors.items():
        np.testing.assert_array_equal(values, expected.tensors[name], err_msg=name)
    for name, values in found.outputs.items():
        np.testing.assert_array_equal(values, expected.outputs[name], err_msg=name)
    return module


def ops_of(module: ModuleOp, kind: type) -> list:
    return [op for op in module.walk() if isinstance(op, kind)]


def reasons(module: ModuleOp) -> list[str]:
    """Why host segments are there, except for the boundary of the network."""
    boundary = ("the network's input arrives", "the network's output leaves")
    return [op.reason.data for op in ops_of(module, HostOp) if not op.reason.data.startswith(boundary)]
