"""Tables of functions of one int8 value: the quantised graph itself, run on every value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from compiler.errors import InputError
from compiler.onnxio.host import HostModel
from compiler.onnxio.subgraph import subgraph_model
from dialects.onnx import OnnxOp
from dialects.onnx_functions import Function
from passes.fixed_point_values import Unrepresentable, static_shape

EVERY_VALUE = np.arange(-128, 128).astype(np.int8)


def table_of(function: Function, quantize: OnnxOp) -> npt.NDArray[np.int8]:
    """
    What the QuantizeLinear behind a function gives for -128 to 127, as the host computes it.

    Tables are rounded as ONNX rounds, half to even, whatever the array does with sums.
    """
    model = subgraph_model(_module_of(quantize), [*function.nodes, quantize], [function.source], [quantize.output])
    rank = max(len(static_shape(function.source)), 1)
    shape = model.graph.input[0].type.tensor_type.shape
    del shape.dim[:]
    for axis in range(rank):
        shape.dim.add().dim_value = len(EVERY_VALUE) if axis == 0 else 1
    model.graph.output[0].type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    try:
        (found,) = HostModel(model).run({model.graph.input[0].name: EVERY_VALUE.reshape(-1, *[1] * (rank - 1))})
    except InputError as error:
        raise Unrepresentable(f"its table cannot be computed: {error}") from error
    table = np.asarray(found, np.int8).reshape(-1)
    if table.size != EVERY_VALUE.size:
        raise Unrepresentable(f"its table has {table.size} values instead of {EVERY_VALUE.size}")
    return table


def _module_of(op: Operation) -> ModuleOp:
    module = op.get_toplevel_object()
    assert isinstance(module, ModuleOp), "nodes lie in a module"
    return module
